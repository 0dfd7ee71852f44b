# SPDX-License-Identifier: GPL-2.0-or-later
"""Random sequences of iptables commands. A model of the table guides them, so that most commands find
the chains and rules that they name; where the model errs, a command fails, which is worth a test too."""

import random
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field

from rule_generator import RuleGenerator
from vocabulary import Vocabulary

BASE_CHAINS = ["INPUT", "FORWARD", "OUTPUT"]
USER_CHAINS = ["services", "log-drop", "a", "b", "WEB", "WEB-1", "trusted_hosts", "chain.with.dots", "n" * 28,
               "0", "Z", "in_public", "in_public_allow", "f2b-sshd", "~"]
BAD_CHAINS = ["n" * 29, "nosuchchain", "INPUT", "ACCEPT", "-dash", "!bang", "", "two words", "tcp"]


def logical_lines(text: str) -> Iterator[str]:
    """The lines, but those joined that a newline in quotes (in a comment) has torn apart."""
    pending = ""
    for line in text.splitlines():
        pending += line
        try:
            shlex.split(pending)
        except ValueError:
            pending += "\n"
            continue
        yield pending
        pending = ""
    if pending:
        yield pending


@dataclass(frozen=True)
class Command:
    program: str  # iptables, iptables-save, iptables-restore, or the same of ip6tables
    arguments: tuple[str, ...]
    input: str | None = None

    def __str__(self) -> str:
        line = shlex.join([self.program, *self.arguments])
        if self.input is None:
            return line
        end = "" if self.input.endswith("\n") else "\n"
        return f"{line} <<'END'\n{self.input}{end}END"


def save_of(words: Vocabulary) -> Command:
    return Command(f"{words.command}-save", ("-c",))


@dataclass
class Model:
    """Rules are kept as the words of the command that made them."""

    chains: dict[str, list[list[str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for chain in BASE_CHAINS:
            self.chains.setdefault(chain, [])

    def user_chains(self) -> list[str]:
        return [chain for chain in self.chains if chain not in BASE_CHAINS]

    @classmethod
    def from_save(cls, text: str) -> "Model":
        """The filter table of iptables-save's output."""
        model = cls()
        table = ""
        for line in logical_lines(text):
            if line.startswith("*"):
                table = line[1:]
            elif table == "filter" and line.startswith(":"):
                model.chains.setdefault(line[1:].split()[0], [])
            elif table == "filter" and " -A " in " " + line:
                words = shlex.split(line)
                at = words.index("-A")
                model.chains.setdefault(words[at + 1], []).append(words[at + 2:])
        return model


class CommandGenerator:
    def __init__(self, source: random.Random, words: Vocabulary):
        self.random = source
        self.words = words
        self.rules = RuleGenerator(self.random, words)
        self.model = Model()

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def chain(self) -> str:
        if self.chance(0.03):
            return self.random.choice(BAD_CHAINS)
        if self.chance(0.03):
            return self.random.choice(USER_CHAINS)
        return self.random.choice(list(self.model.chains))

    def chain_with_rules(self) -> str:
        filled = [chain for chain, rules in self.model.chains.items() if rules]
        return self.random.choice(filled) if filled and self.chance(0.9) else self.chain()

    def user_chain(self) -> str:
        if self.chance(0.08):
            return self.random.choice(BAD_CHAINS + BASE_CHAINS)
        return self.random.choice(self.model.user_chains() or USER_CHAINS)

    def number(self, chain: str) -> str:
        if self.chance(0.04):
            return self.random.choice(["0", "-1", "999", "x", "", "4294967297", "1x"])
        return str(self.random.randint(1, max(1, len(self.model.chains.get(chain, [])))))

    def rule(self, chain: str) -> list[str]:
        return self.rules.rule(chain, self.model.user_chains())

    def append(self) -> list[str]:
        chain = self.chain()
        rule = self.rule(chain)
        self.model.chains.get(chain, []).append(rule)
        return [self.random.choice(["-A", "--append"]), chain, *rule]

    def insert(self) -> list[str]:
        chain = self.chain()
        rule = self.rule(chain)
        self.model.chains.get(chain, []).insert(0, rule)
        number = [self.number(chain)] if self.chance(0.5) else []
        return ["-I", chain, *number, *rule]

    def delete(self) -> list[str]:
        chain = self.chain_with_rules()
        rules = self.model.chains.get(chain, [])
        if rules and self.chance(0.5):
            return ["-D", chain, *rules.pop(self.random.randrange(len(rules)))]
        if self.chance(0.1):
            return ["-D", chain, *self.rule(chain)]
        if rules:
            rules.pop()
        return ["-D", chain, self.number(chain)]

    def replace(self) -> list[str]:
        chain = self.chain_with_rules()
        return ["-R", chain, self.number(chain), *self.rule(chain)]

    def check(self) -> list[str]:
        chain = self.chain_with_rules()
        rules = self.model.chains.get(chain, [])
        rule = self.random.choice(rules) if rules and self.chance(0.7) else self.rule(chain)
        return ["-C", chain, *rule]

    def new_chain(self) -> list[str]:
        unused = [chain for chain in USER_CHAINS if chain not in self.model.chains]
        chain = self.random.choice(unused if unused and self.chance(0.85) else USER_CHAINS + BAD_CHAINS)
        if chain not in BAD_CHAINS:
            self.model.chains.setdefault(chain, [])
        return ["-N", chain]

    def delete_chain(self) -> list[str]:
        if self.chance(0.1):
            return ["-X"]
        empty = [chain for chain in self.model.user_chains() if not self.model.chains[chain]]
        chain = self.random.choice(empty) if empty and self.chance(0.7) else self.user_chain()
        if chain in self.model.chains and not self.model.chains[chain] and chain not in BASE_CHAINS:
            del self.model.chains[chain]
        return ["-X", chain]

    def rename_chain(self) -> list[str]:
        old = self.user_chain()
        unused = [chain for chain in USER_CHAINS if chain not in self.model.chains]
        new = self.random.choice(unused if unused and self.chance(0.8) else USER_CHAINS + BAD_CHAINS)
        if old in self.model.user_chains() and new not in self.model.chains:
            self.model.chains[new] = self.model.chains.pop(old)
        return ["-E", old, new]

    def policy(self) -> list[str]:
        chain = self.random.choice(BASE_CHAINS if self.chance(0.9) else [self.user_chain()])
        words = ["-P", chain, self.random.choice(["ACCEPT", "DROP"] * 9 + ["RETURN", "QUEUE", "a"])]
        if self.chance(0.15):
            words += ["-c", str(self.random.randrange(100000)), str(self.random.randrange(1 << 40))]
        return words

    def flush(self) -> list[str]:
        if self.chance(0.04):
            for rules in self.model.chains.values():
                rules.clear()
            return ["-F"]
        chain = self.chain()
        self.model.chains.get(chain, []).clear()
        return ["-F", chain]

    def zero(self) -> list[str]:
        if self.chance(0.15):
            return ["-Z"]
        chain = self.chain()
        number = [self.number(chain)] if self.chance(0.5) else []
        return ["-Z", chain, *number]

    def list_rules(self) -> list[str]:
        words = ["-L"]
        if self.chance(0.6):
            chain = self.chain()
            words.append(chain)
            if self.chance(0.3):
                words.append(self.number(chain))
        # Without -n addresses are looked up, which can be slow, and says nothing about us.
        words.append("-n")
        for option in ("-v", "-x", "--line-numbers"):
            if self.chance(0.5):
                words.append(option)
        if self.chance(0.05):
            words.append("-Z")
        return words

    def print_rules(self) -> list[str]:
        words = ["-S"]
        if self.chance(0.6):
            chain = self.chain()
            words.append(chain)
            if self.chance(0.3):
                words.append(self.number(chain))
        if self.chance(0.4):
            words.append("-v")
        return words

    def nat(self) -> list[str]:
        words = self.random.choice([
            ["-A", "POSTROUTING", "-o", "eth0", "-j", "MASQUERADE"],
            ["-A", "POSTROUTING", "-s", self.words.private_network, "-j", "SNAT", "--to-source",
             self.words.hosts[0]],
            ["-A", "PREROUTING", "-p", "tcp", "--dport", "80", "-j", "DNAT", "--to-destination",
             self.words.nat_destination],
            ["-D", "POSTROUTING", "1"],
            ["-D", "PREROUTING", "1"],
            ["-I", "OUTPUT", "-p", "tcp", "-j", "REDIRECT", "--to-ports", "8080"],
            ["-L", "-n", "-v", "-x"],
            ["-S"],
            ["-N", "services"],
            ["-X", "services"],
            ["-F"],
            ["-P", "PREROUTING", "DROP"],
        ])
        return ["-t", "nat", *words]

    def invalid(self) -> list[str]:
        host, other_host = self.words.hosts
        return list(self.random.choice([
            [], ["-A"], ["-A", "INPUT", "-A", "OUTPUT", "-j", "ACCEPT"], ["-D", "INPUT"], ["-R", "INPUT"],
            ["-R", "INPUT", "1"], ["-t", "nosuchtable", "-L"], ["-t", "", "-L"], ["-t"], ["-Q"],
            ["--nosuchoption"], ["-N"], ["-E", "a"], ["-P", "INPUT"], ["-P"], ["-L", "-A", "INPUT"],
            ["-F", "INPUT", "-j", "ACCEPT"], ["-Z", "INPUT", "-s", host], ["-j", "ACCEPT"],
            ["-L", "--line-numbers", "-n", "extra"], ["-S", "-n"], ["-x"], ["-V"], ["--version"], ["-h"],
            ["-m", "tcp", "-p", "tcp", "-h"], ["-m", "conntrack", "-h"], ["-j", "DROP", "-h"],
            ["-A", "INPUT", "-m"], ["-A", "INPUT", "-j"], ["-A", "INPUT", "-g", "nosuchchain"],
            ["-A", "INPUT", "-4", "-j", "ACCEPT"], ["-6", "-A", "INPUT", "-j", "ACCEPT"],
            ["-A", "INPUT", "-s", host, "-s", other_host, "-j", "ACCEPT"],
            ["-A", "INPUT", "-c", "1", "-j", "ACCEPT"], ["-A", "INPUT", "-c", "x", "y", "-j", "ACCEPT"],
            ["-I", "INPUT", "2000000000", "-j", "ACCEPT"], ["-C", "INPUT"], ["-w", "x", "-L"],
            ["-A", "INPUT", "-p", "!", "tcp", "-j", "DROP"], ["-A", "INPUT", "!", "-j", "DROP"],
            ["-A", "INPUT", "-s", "!", host, "-j", "DROP"], ["-A", "INPUT", "!", "!", "-p", "tcp"],
        ]))

    def restore_lines(self) -> list[str]:
        """A filter table: some chains, some rules."""
        names = self.random.sample(USER_CHAINS, self.random.randint(0, 3))
        counters = [f"[{self.random.randrange(1000)}:{self.random.randrange(100000)}]" for _ in range(3)]
        lines = [f":{chain} {self.random.choice(['ACCEPT', 'DROP'])} {counter}"
                 for chain, counter in zip(BASE_CHAINS, counters)]
        lines += [f":{chain} - [0:0]" for chain in names]
        for _ in range(self.random.randint(0, 12)):
            chain = self.random.choice(BASE_CHAINS + names)
            counter = f"[{self.random.randrange(1 << 40)}:{self.random.randrange(1 << 40)}] "
            self.rules.faults = 0.1
            rule = self.rules.rule(chain, names)
            self.rules.faults = 1.0
            line = " ".join(quote_for_restore(word) for word in ["-A", chain, *rule])
            counted = self.chance(0.4) and ("-c" not in rule or self.chance(0.02))
            lines.append((counter if counted else "") + line)
        return lines

    def damage(self, lines: list[str]) -> list[str]:
        at = self.random.randrange(len(lines) + 1)
        bad = self.random.choice([
            "garbage", ":", ":INPUT", ":INPUT NOSUCH [0:0]", ":INPUT ACCEPT [1:", "-A nosuchchain -j ACCEPT",
            "[1:2] -A INPUT", "[x:y] -A INPUT -j ACCEPT", "-A INPUT -j", "*filter", "COMMIT", "-t nat -A INPUT",
            ":" + "n" * 40 + " - [0:0]", '-A INPUT -m comment --comment "open', "-P INPUT DROP", "-F", "-X",
            "-N made-here", "# a comment", "", "   ", "-D INPUT 1", "-I INPUT 3 -j DROP", "COMMIT trailing",
        ])
        return lines[:at] + [bad] + lines[at:]

    def restore(self) -> Command:
        options = []
        for option, probability in (("-n", 0.75), ("-c", 0.4), ("-t", 0.15), ("-v", 0.05), ("-w", 0.1)):
            if self.chance(probability):
                options.append(option)
        if self.chance(0.1):
            options += ["-T", self.random.choice(["filter", "nat", "nosuchtable"])]
        lines = ["*filter", *self.restore_lines(), "COMMIT"]
        if self.chance(0.25):
            nat = ["*nat", "-A POSTROUTING -o eth1 -j MASQUERADE", "COMMIT"]
            lines = nat + lines if self.chance(0.5) else lines + nat
        if self.chance(0.25):
            lines = self.damage(lines)
        if self.chance(0.04):
            lines.pop()
        text = "\n".join(lines) + ("" if self.chance(0.03) else "\n")
        return Command(f"{self.words.command}-restore", tuple(options), "" if self.chance(0.02) else text)

    def save(self) -> Command:
        options = [] if self.chance(0.3) else ["-c"]
        if self.chance(0.4):
            options += ["-t", self.random.choice(["filter", "filter", "nat", "nosuchtable"])]
        return Command(f"{self.words.command}-save", tuple(options))

    def command(self) -> Command:
        kinds = {
            self.append: 24, self.insert: 10, self.delete: 10, self.replace: 7, self.check: 7,
            self.new_chain: 6, self.delete_chain: 4, self.rename_chain: 3, self.policy: 4, self.flush: 2,
            self.zero: 5, self.list_rules: 8, self.print_rules: 4, self.nat: 3, self.invalid: 3,
            self.restore: 4, self.save: 2,
        }
        made = self.random.choices(list(kinds), list(kinds.values()))[0]()
        if isinstance(made, Command):
            return made
        if self.chance(0.03):
            made = [self.random.choice(["-w", "-n", "-v", "--wait"]), *made]
        if self.chance(0.02) and "-t" not in made:
            made = ["-t", "filter", *made]
        return Command(self.words.command, tuple(made))


def quote_for_restore(word: str) -> str:
    """iptables-restore knows double quotes and backslashes only."""
    if word and not any(character in word for character in " \t\"'\\#;`$"):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'
