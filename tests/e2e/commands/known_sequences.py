# SPDX-License-Identifier: GPL-2.0-or-later
"""Sequences that a random choice meets too seldom, as shell lines."""

import shlex

from command_generator import Command


def sequence(text: str) -> list[Command]:
    """Lines `iptables ...`; after one that ends in <<END its input up to a line END."""
    commands = []
    lines = iter(text.strip().splitlines())
    for line in lines:
        words = shlex.split(line)
        given = None
        if words[-1] == "<<END":
            words.pop()
            given = ""
            while (input_line := next(lines)) != "END":
                given += input_line + "\n"
        commands.append(Command(words[0], tuple(words[1:]), given))
    return commands


def large_table(chains: int, rules: int) -> Command:
    """Chain n jumps to chain n+1 from its middle; all rules differ, and have counters that differ."""
    names = [f"chain-{number:03}" for number in range(chains)]
    lines = ["*filter", ":INPUT DROP [1:2]", *(f":{name} - [0:0]" for name in names)]
    lines.append(f"[7:8] -A INPUT -j {names[0]}")
    for number, name in enumerate(names):
        for rule in range(rules):
            target = names[number + 1] if rule == rules // 2 and number + 1 < chains else "ACCEPT"
            lines.append(f"[{number}:{rule}] -A {name} -s 10.{number}.{rule}.0/24 -p tcp -m tcp"
                         f" --dport {1 + number * rules + rule} -j {target}")
    return Command("iptables-restore", ("-c",), "\n".join([*lines, "COMMIT", ""]))


KNOWN_SEQUENCES = {
    "a table of 3000 rules in 60 chains": [large_table(60, 50)] + sequence("""
iptables -D chain-030 17
iptables -I chain-000 -p udp -m conntrack --ctstate NEW -j chain-059
iptables -R chain-059 50 -j RETURN
iptables -Z chain-031
iptables -A chain-059 -j chain-000
iptables -F chain-029
iptables -X chain-030
iptables -E chain-031 last
iptables -L -n -v -x --line-numbers
"""),
    "with names instead of numbers, and with more and more words": sequence("""
iptables -A INPUT -s 127.0.0.1 -p tcp --dport 22 -j ACCEPT
iptables -A INPUT -p icmp --icmp-type echo-request -j ACCEPT
iptables -A INPUT -m conntrack --ctstate NEW --ctproto udp -j ACCEPT
iptables -L
iptables -L -v
iptables -vv -L -n
iptables -vv -A OUTPUT -p udp --sport 53 -j DROP
iptables -v -D OUTPUT 1
iptables -v -I INPUT 2 -i eth+ -f -j DROP
"""),
    "a fresh namespace": sequence("""
iptables-save
iptables -S
iptables -L -n -v
iptables-save -c
iptables-save -t filter
"""),
    "saved tables before and after their first use": sequence("""
iptables-save
iptables -t nat -S
iptables-save
iptables -S
iptables-save -c
"""),
    "counters survive insertion, deletion, replacement and renaming": sequence("""
iptables -N one
iptables -A one -s 10.0.0.1 -c 11 1100 -j ACCEPT
iptables -A one -s 10.0.0.2 -c 22 2200 -j ACCEPT
iptables -A one -s 10.0.0.3 -c 33 3300 -j ACCEPT
iptables -P FORWARD DROP -c 44 4400
iptables -I one 2 -s 10.0.0.4 -j DROP
iptables -D one 1
iptables -R one 2 -s 10.0.0.5 -j ACCEPT
iptables -E one two
iptables -A INPUT -c 18446744073709551615 18446744073709551615 -j two
iptables -L -n -v
iptables -L -n -v -x
iptables -Z two 3
iptables -Z INPUT
iptables -L -n -v -x -Z
iptables -L FORWARD -n -v -x
"""),
    "chains that jump in a circle": sequence("""
iptables -N a
iptables -N b
iptables -N c
iptables -A a -j b
iptables -A b -g c
iptables -A c -j a
iptables -A INPUT -j a
iptables -A c -j a
iptables -A c -j c
iptables -A b -j b
iptables -D INPUT 1
iptables -A c -g a
iptables -A FORWARD -g b
iptables -X a
iptables -F a
iptables -X a
"""),
    "chains in use": sequence("""
iptables -N used
iptables -N used
iptables -A INPUT -j used
iptables -X used
iptables -E used INPUT
iptables -E used renamed
iptables -S
iptables -D INPUT -j used
iptables -D INPUT -j renamed
iptables -A renamed -j RETURN
iptables -X renamed
iptables -F renamed
iptables -X renamed
iptables -X INPUT
iptables -X
"""),
    "interfaces of the wrong hook, through user chains too": sequence("""
iptables -A INPUT -o eth0 -j DROP
iptables -A OUTPUT -i eth0 -j DROP
iptables -N any
iptables -A any -i eth0 -o eth1 -j DROP
iptables -A INPUT -j any
iptables -A FORWARD -j any
iptables -A OUTPUT -j any
"""),
    "protocols that a match asks for": sequence("""
iptables -A INPUT -m tcp --dport 80 -j DROP
iptables -A INPUT -p udp -m tcp --dport 80 -j DROP
iptables -A INPUT ! -p tcp -m tcp --dport 80 -j DROP
iptables -A INPUT ! -p tcp --dport 80 -j DROP
iptables -A INPUT -m icmp --icmp-type 8 -j DROP
iptables -A INPUT -m multiport --dports 80 -j DROP
iptables -A INPUT -p sctp -m multiport --dports 80,90:99 -j DROP
iptables -A INPUT ! -p tcp -m multiport --dports 80 -j DROP
iptables -A INPUT -p icmp -m multiport --dports 80 -j DROP
iptables -A INPUT -p icmp --dport 80 -j DROP
iptables -A INPUT -p tcp -f --dport 80 -j DROP
"""),
    "the same match and option twice": sequence("""
iptables -A INPUT -p tcp -m tcp -m tcp --dport 80 -j ACCEPT
iptables -A INPUT -p tcp --dport 80 -m tcp --sport 81 -j ACCEPT
iptables -A INPUT -p tcp --dport 80 --dport 81 -j ACCEPT
iptables -A INPUT -m comment --comment a -m comment --comment b -j ACCEPT
iptables -A INPUT -m conntrack --ctstate NEW -m conntrack ! --ctstate NEW -j ACCEPT
iptables -A INPUT -m state --state NEW -m state --state ESTABLISHED -j ACCEPT
iptables -C INPUT -m state --state NEW -m state --state ESTABLISHED -j ACCEPT
iptables -S
"""),
    "restore: flags": sequence("""
iptables -N old
iptables -A INPUT -c 5 50 -j old
iptables-restore -t <<END
*filter
:INPUT DROP [1:2]
COMMIT
END
iptables-restore -n -c <<END
*filter
:INPUT DROP [7:70]
:new - [0:0]
[3:30] -A INPUT -p tcp -m tcp --dport 22 -j new
-A new -j RETURN
COMMIT
END
iptables-restore -c <<END
*filter
:INPUT ACCEPT [100:200]
:FORWARD DROP [1:1]
:OUTPUT - [9:9]
[3:30] -A INPUT -s 10.0.0.1 -j DROP
-A INPUT -s 10.0.0.2 -j DROP
COMMIT
END
iptables-restore <<END
*filter
:INPUT ACCEPT [100:200]
[3:30] -A INPUT -s 10.0.0.1 -j DROP
COMMIT
END
iptables-restore -T nat -n <<END
*filter
-A INPUT -j ACCEPT
COMMIT
*nat
-A PREROUTING -j ACCEPT
COMMIT
END
"""),
    "restore: a failure leaves the table as it was": sequence("""
iptables -A INPUT -s 192.0.2.1 -c 3 4 -j DROP
iptables-restore <<END
*filter
-A INPUT -s 10.0.0.1 -j ACCEPT
-A INPUT -s nowhere.invalid. -j ACCEPT
COMMIT
END
iptables-restore <<END
*filter
:a - [0:0]
-A INPUT -j a
-A a -j a
COMMIT
END
iptables-restore <<END
*filter
-A INPUT -j ACCEPT
END
iptables-restore <<END
-A INPUT -j ACCEPT
END
iptables-restore <<END
*filter
-A INPUT -j NOSUCH
COMMIT
END
iptables-restore <<END
*filter
COMMIT
COMMIT
END
"""),
    "restore: commands of all kinds inside": sequence("""
iptables-restore -n <<END
*filter
-N made
-A made -s 10.0.0.1 -j ACCEPT
-I made -s 10.0.0.2 -j DROP
-R made 1 -s 10.0.0.3 -j RETURN
-D made 2
-P FORWARD DROP
-Z
-A INPUT -g made
-E made named
COMMIT
END
iptables-restore -n <<END
*filter
-F INPUT
-X named
-F named
-X named
COMMIT
END
iptables-restore -n <<END
*filter
-F
-X
COMMIT
END
"""),
    "restore: nat and filter in one file": sequence("""
iptables-restore <<END
*nat
:PREROUTING ACCEPT [0:0]
-A POSTROUTING -o eth0 -j MASQUERADE
COMMIT
*filter
:INPUT DROP [0:0]
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
COMMIT
END
iptables-save -t nat
iptables-save -t filter
iptables-restore <<END
*nat
-A POSTROUTING -o eth1 -j MASQUERADE
COMMIT
*filter
-A NOSUCHCHAIN -j DROP
COMMIT
END
"""),
}
