"""Findings of checks, and the report of all of them."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

REPORT = "verify.md"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: it is.
        found, expected: for a person to read.
        passed: None for what is only told, or could not be looked at here.
    """

    what: str
    found: str
    expected: str = ""
    passed: bool | None = None

    @property
    def verdict(self) -> str:
        """`passed` in a word."""
        return {True: "passed", False: "FAILED", None: "-"}[self.passed]


def within(what: str, difference: float, bound: float) -> Finding:
    """A difference that has to be at most `bound`; one that is no number fails."""
    return Finding(what, f"{difference:.2g} apart", f"at most {bound:g}", bool(difference <= bound))


def write(path: Path, findings: list[Finding], provenance: dict) -> None:
    """Writes findings, and with what they were found, for `read`."""
    path.write_text(
        json.dumps(dict(found=[asdict(one) for one in findings], provenance=provenance), indent=1)
        + "\n"
    )


def read(path: Path) -> tuple[list[Finding], dict]:
    """Reads what `write` wrote."""
    content = json.loads(path.read_text())
    return [Finding(**one) for one in content["found"]], content["provenance"]


def show(console: Console, findings: list[Finding]) -> None:
    """Prints findings."""
    table = Table(
        Column("what", overflow="fold"),
        Column("found", overflow="fold"),
        Column("expected", overflow="fold"),
        "",
        box=None,
        padding=(0, 2, 0, 0),
    )
    for one in findings:
        table.add_row(
            one.what,
            one.found,
            one.expected,
            one.verdict,
            style="bold red" if one.passed is False else "",
        )
    console.print(table)


def _listed(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {x}" for key, x in value.items() if x)
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value).replace("\n", ", ")


def markdown(findings: list[Finding], provenance: dict, config: dict) -> str:
    """A report to attach to an issue: findings, then what they were found with."""
    lines = ["# Verification", "", "| what | found | expected | |", "|---|---|---|---|"]
    lines += [
        "| "
        + " | ".join(
            text.replace("|", "\\|").replace("\n", " ")
            for text in (one.what, one.found, one.expected, one.verdict)
        )
        + " |"
        for one in findings
    ]
    lines += ["", "## With", ""]
    lines += [
        f"- {name}: {_listed(value)}"
        for name, value in provenance.items()
        if value and name != "changes"
    ]
    return "\n".join(
        lines + ["", "## Recipe", "", "```json", json.dumps(config, indent=1), "```", ""]
    )
