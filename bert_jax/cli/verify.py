"""`python -m bert_jax verify`: is this hardware, and all on it, as it should be?"""

import argparse
import importlib
import subprocess
import sys
from pathlib import Path

from bert_jax import config as configs
from bert_jax.cli.arguments import load_recipe, parse, parser_with_config
from bert_jax.config import Config
from bert_jax.remote import local_path

ROOT = Path(__file__).parents[2]
CHECKS = ("parity", "speed", "resume")


def main(argv: list[str]) -> None:
    """Runs the checks, each in a process of its own, and writes what they found.

    Raises:
        UserError: the recipe is wrong.
        SystemExit: of argparse; with status 1 if a check failed.
    """
    parser = parser_with_config(
        "python -m bert_jax verify",
        "Check this hardware, on one host: outputs and gradients beside PyTorch's and in all layouts; a step's time "
        "beside preflight's prediction; the input pipeline's rate beside the step's; a run that is killed and goes on. "
        "Writes a report to attach to an issue. Without --config the demo's recipe is taken and its corpus made first.")
    parser.add_argument("--workdir", required=True, type=local_path, help="gets the report, and what the checks leave")
    parser.add_argument("--only", nargs="+", choices=CHECKS, default=CHECKS, help="not all of the checks")
    parser.add_argument("--inside", choices=CHECKS, help=argparse.SUPPRESS)  # the process of one check
    args, config = parse(parser, argv, default=_demo)
    if args.inside:
        _inside(args.inside, args, config)
        return

    from rich.console import Console

    from bert_jax.verification import findings

    args.workdir.mkdir(parents=True, exist_ok=True)
    console, found, provenance = Console(), [], {}
    if not args.config:
        _run(["prepare", "documentation", f"--data_dir={config.corpus.data_dir}"])
    for name in args.only:
        console.rule(name)
        path = args.workdir / f"{name}.json"
        path.unlink(missing_ok=True)
        # A process of its own: only one at a time can have an accelerator, and training needs it in its turn.
        status = _run(["verify", *argv, f"--inside={name}"])
        here = [findings.Finding(name, f"the check ended with status {status}; see above", "status 0", passed=False)]
        if path.exists():
            here, provenance = findings.read(path)
        findings.show(console, here)
        found += here
    report = args.workdir / findings.REPORT
    report.write_text(findings.markdown(found, provenance, configs.to_dict(config)))
    failed = sum(one.passed is False for one in found)
    console.rule()
    console.print(f"{failed} of {sum(one.passed is not None for one in found)} checks failed; the report is {report}",
                  highlight=False)
    if failed:
        sys.exit(1)


def _demo(args: argparse.Namespace) -> Config:
    """The demo's recipe, its corpus in the workdir."""
    recipe = load_recipe(str(ROOT / "configs" / "demo.py"))
    recipe.corpus.data_dir = str(args.workdir / "data")
    return configs.resolve(recipe)


def _inside(name: str, args: argparse.Namespace, config: Config) -> None:
    """Does one of the checks, in this process."""
    from bert_jax.training import provenance
    from bert_jax.verification import findings

    found = importlib.import_module(f"bert_jax.verification.{name}").check(config, args.workdir)
    findings.write(args.workdir / f"{name}.json", found, provenance.collect())


def _run(arguments: list[str]) -> int:
    return subprocess.run([sys.executable, "-m", "bert_jax", *arguments]).returncode
