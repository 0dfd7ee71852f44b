# SPDX-License-Identifier: GPL-2.0-or-later
"""A case: tables to load, and the steps to play then. It is also the format of a reproduction."""

import json
from dataclasses import dataclass, field, replace

DEFAULT_INTERFACES = ("eth0", "eth1", "eth10")


@dataclass
class Case:
    name: str
    tables: dict[str, str]  # iptables-save texts, in the order of loading
    steps: list[dict]       # what worker.py's do_... methods take
    interfaces: list[str] = field(default_factory=lambda: list(DEFAULT_INTERFACES))
    local: list[str] = field(default_factory=list)  # further addresses that are the firewall's own
    explanation: list[str] = field(default_factory=list)  # for people only
    family: int = field(default=4, kw_only=True)
    # Of the other family, whose ruleset is there at the same time.
    other_tables: dict[str, str] = field(default_factory=dict, kw_only=True)
    sets: list[str] = field(default_factory=list, kw_only=True)  # what ipset restore is told
    only_netfilter: bool = field(default=False, kw_only=True)  # refused at the other hooks

    def with_steps(self, steps: list[dict]) -> "Case":
        return replace(self, steps=steps)

    def with_filter(self, text: str) -> "Case":
        return replace(self, tables=dict(self.tables, filter=text))

    def to_json(self) -> str:
        """Texts as lists of lines: a reproduction is meant to be read."""
        return json.dumps({
            "name": self.name, "explanation": self.explanation, "family": self.family,
            "interfaces": self.interfaces, "local": self.local, "sets": self.sets,
            "only_netfilter": self.only_netfilter,
            "tables": {table: text.splitlines() for table, text in self.tables.items()},
            "other_tables": {table: text.splitlines() for table, text in self.other_tables.items()},
            "steps": self.steps}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Case":
        value = json.loads(text)
        tables, other_tables = (
            {table: "\n".join(lines) + "\n" for table, lines in value.get(key, {}).items()}
            for key in ("tables", "other_tables"))
        return cls(value["name"], tables, value["steps"], value["interfaces"],
                   value["local"], value.get("explanation", []), family=value.get("family", 4),
                   other_tables=other_tables, sets=value.get("sets", []),
                   only_netfilter=value.get("only_netfilter", False))

    def message(self, salt: int) -> dict:
        return {"family": self.family, "tables": self.tables, "other_tables": self.other_tables,
                "steps": self.steps, "interfaces": self.interfaces, "local": self.local,
                "sets": self.sets, "salt": salt}
