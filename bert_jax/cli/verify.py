"""`python -m bert_jax verify`: checks that this hardware, and all software on it, works."""

import argparse
import importlib
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bert_jax import config as configs
from bert_jax.cli.arguments import load_recipe, parse, parser_with_config
from bert_jax.config import Config
from bert_jax.remote import local_path

if TYPE_CHECKING:
    from rich.console import Console

    from bert_jax.verification.findings import Finding

ROOT = Path(__file__).parents[2]
CHECKS = ("parity", "speed", "resume")


def main(argv: list[str]) -> None:
    """Runs the checks, each in a process of its own, and writes a report.

    Raises:
        UserError: the recipe is wrong.
        SystemExit: an option is wrong, or help was asked for; with status 1 if a check failed.
    """
    args, config = parse(_parser(), argv, default=_demo)
    if args.inside:
        _check_here(args.inside, args, config)
        return

    # These imports take seconds, and so wait until the options are known to be right.
    from rich.console import Console

    from bert_jax.verification import findings

    args.workdir.mkdir(parents=True, exist_ok=True)
    console = Console()
    if not args.config:
        _run(["prepare", "documentation", f"--data_dir={config.corpus.data_dir}"])
    results, provenance = _check_all(args, argv, console)
    report = args.workdir / findings.REPORT
    report.write_text(findings.markdown(results, provenance, configs.to_dict(config)))
    failed = sum(finding.passed is False for finding in results)
    total = sum(finding.passed is not None for finding in results)
    console.rule()
    console.print(f"{failed} of {total} checks failed; the report is {report}", highlight=False)
    if failed:
        sys.exit(1)


def _parser() -> argparse.ArgumentParser:
    parser = parser_with_config(
        "python -m bert_jax verify",
        "Check this hardware, on one host, and write a report to attach to an issue. The checks: "
        "outputs and gradients agree with PyTorch's and between all layouts (parity); a step takes "
        "the time that preflight predicts, and batches are prepared faster than that (speed); a "
        "run that is killed resumes bit for bit (resume). Without --config, the demo's "
        "recipe is used and its corpus is made first.",
    )
    parser.add_argument(
        "--workdir",
        required=True,
        type=local_path,
        help="directory for the report and for the files of the checks",
    )
    parser.add_argument(
        "--only", nargs="+", choices=CHECKS, default=CHECKS, help="checks to run; by default all"
    )
    # Set in the process of a single check.
    parser.add_argument("--inside", choices=CHECKS, help=argparse.SUPPRESS)
    return parser


def _demo(args: argparse.Namespace) -> Config:
    """Returns the demo's recipe, with its corpus in the workdir."""
    recipe = load_recipe(str(ROOT / "configs" / "demo.py"))
    recipe.corpus.data_dir = str(args.workdir / "data")
    return configs.resolve(recipe)


def _check_all(
    args: argparse.Namespace, argv: list[str], console: "Console"
) -> tuple[list["Finding"], dict]:
    """Runs each check in its own process, since only one at a time can have an accelerator.

    Returns:
        The findings of all checks, and the provenance of the last one.
    """
    from bert_jax.verification import findings

    results: list = []
    provenance: dict = {}
    for name in args.only:
        console.rule(name)
        path = args.workdir / f"{name}.json"
        path.unlink(missing_ok=True)
        status = _run(["verify", *argv, f"--inside={name}"])
        if path.exists():
            new, provenance = findings.read(path)
        else:
            text = f"the check ended with status {status}; see above"
            new = [findings.Finding(name, text, "status 0", passed=False)]
        findings.show(console, new)
        results += new
    return results, provenance


def _check_here(name: str, args: argparse.Namespace, config: Config) -> None:
    """Runs one of the checks in this process and writes its findings."""
    from bert_jax.runs import provenance
    from bert_jax.verification import findings

    check = importlib.import_module(f"bert_jax.verification.{name}").check
    results = check(config, args.workdir)
    findings.write(args.workdir / f"{name}.json", results, provenance.collect())


def _run(arguments: list[str]) -> int:
    return subprocess.run([sys.executable, "-m", "bert_jax", *arguments]).returncode
