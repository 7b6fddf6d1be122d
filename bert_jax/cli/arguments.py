"""Command lines: options by argparse, recipes by `--config=FILE` and `--config.key=value`."""

import argparse
import importlib.util
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import ml_collections
from absl import flags, logging
from ml_collections import config_flags

from bert_jax import config as configs
from bert_jax import presets
from bert_jax.config import Config
from bert_jax.errors import UserError


def run(main: Callable[[list[str]], None]) -> None:
    """Runs a command's `main` with the arguments of this process; a user's error is a few lines and exit status 2."""
    logging.set_verbosity(logging.ERROR)  # Orbax and TFDS tell of much that is no concern of a user's
    try:
        main(sys.argv[1:])
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def parser_with_config(program: str, description: str) -> argparse.ArgumentParser:
    """A parser whose help goes on with all keys of a recipe."""
    return argparse.ArgumentParser(program, description=description, epilog=_keys_help(), allow_abbrev=False,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)


def add_host_options(parser: argparse.ArgumentParser) -> None:
    """Adds what `bert_jax.parallel.hosts.join` takes."""
    parser.add_argument("--distributed", action="store_true",
                        help="be one of several hosts, as JAX finds out on TPU pods, SLURM and Kubernetes")
    parser.add_argument("--coordinator", default="", help="elsewhere: address:port of the first host")
    parser.add_argument("--hosts", type=int, default=0, help="with --coordinator: how many hosts there are")
    parser.add_argument("--host_index", type=int, default=-1, help="with --coordinator: which one this is, from 0")


def parse(
    parser: argparse.ArgumentParser, argv: list[str], default: Callable[[argparse.Namespace], Config] | None = None,
    of_a_checkpoint: bool = False,
) -> tuple[argparse.Namespace, Config]:
    """Parses options and recipe.

    Where the architecture is a checkpoint's, what the recipe's file says of it does not count; what the command line
    says does, and has to agree with the checkpoint.

    Args:
        parser: of the options; what it does not know must be about the config.
        argv: the arguments.
        default: gives the config where there is no `--config=FILE`; without it one must be given.
        of_a_checkpoint: the architecture is a checkpoint's, as it is if the recipe has `init_from`.

    Raises:
        UserError: the recipe's file is missing, or a key or its value is wrong.
        SystemExit: of argparse.
    """
    parser.add_argument("--config", metavar="FILE", help="the recipe, such as configs/demo.py")
    parser.add_argument("--preset", choices=presets.PRESETS, help="details as Google's code or Hugging Face's has "
                        "them: keys of the recipe, set before --config.KEY; docs/fidelity.md lists them")
    parser.add_argument("--config.KEY", metavar="VALUE", dest="_",
                        help="sets a key of the recipe; the keys stand below")
    # Options of the config go to ml_collections, whose own parser knows the types of keys.
    overrides = [a for a in argv if a.startswith("--config.")]
    args, rest = parser.parse_known_args([a for a in argv if not a.startswith("--config.")])
    if rest:
        parser.error(f"unknown arguments: {' '.join(rest)} (keys of the recipe are set by --config.KEY=VALUE)")
    if args.config:
        recipe = load_recipe(args.config)
    elif default:
        recipe = ml_collections.ConfigDict(configs.to_dict(default(args))).lock()
    else:
        raise UserError("no recipe is given", expected="--config=FILE", hint="--config=configs/demo.py")
    if args.preset:
        presets.apply(args.preset, recipe)
    recipe = _override(recipe, overrides)
    if args.config and (of_a_checkpoint or recipe.get("init_from")):
        configs.without_architecture(recipe, [o.removeprefix("--config.").partition("=")[0] for o in overrides])
    return args, configs.resolve(recipe)


def load_recipe(name: str) -> ml_collections.ConfigDict:
    """What `get_config()` of a recipe's file returns; 'FILE:ARGUMENT' passes it an argument."""
    file, _, argument = name.partition(":")
    path = Path(file)
    if not path.is_file():
        there = sorted(str(p) for p in Path("configs").rglob("*.py") if not p.name.startswith("_"))
        raise UserError(f"the recipe {file} is not there", found="no such file",
                        expected="a Python file with get_config()",
                        hint=f"one of {', '.join(there)}" if there else None)
    spec = importlib.util.spec_from_file_location(f"recipe_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        return module.get_config(*[argument] if argument else [])
    except Exception as error:  # the file is the user's: whatever it raises is theirs to mend
        line = next((f"line {frame.lineno}: " for frame in reversed(traceback.extract_tb(error.__traceback__))
                     if frame.filename == str(path)), "")
        said = str(error).splitlines()[-1] if str(error) else repr(error)
        raise UserError(f"the recipe {file} is wrong", found=line + said,
                        expected="get_config() that sets known keys to values of their type",
                        hint="`--help` lists every key") from error


def _override(recipe: ml_collections.ConfigDict, overrides: list[str]) -> ml_collections.ConfigDict:
    for override in overrides:
        key, equals, _ = override.removeprefix("--config.").partition("=")
        if not equals:
            raise UserError(f"{override} has no value", expected=f"{override}=VALUE")
        if key not in configs.key_fields():
            configs.unknown_key(key)
    values = flags.FlagValues()
    argv, sys.argv = sys.argv, [sys.argv[0], *overrides]  # where config_flags looks for the keys that are set
    try:
        config_flags.DEFINE_config_dict("config", recipe, flag_values=values)
        values(sys.argv)
    except (flags.Error, ValueError, TypeError) as error:
        raise UserError("a key of the recipe has a value of the wrong type", found=str(error),
                        expected="a value like the default that --help shows") from None
    finally:
        sys.argv = argv
    return values.config


def _keys_help() -> str:
    lines, section = ["keys of a recipe (* may change when a run is resumed):"], None
    for name, field in configs.key_fields().items():
        if "." in name and name.partition(".")[0] != section:
            section = name.partition(".")[0]
            lines.append("")
        default = "(see config.py)" if name == "mesh.rules" else repr(field.default)
        free = "*" if field.metadata["free"] else ""
        choices = f" One of {', '.join(map(str, field.metadata['choices']))}." if field.metadata["choices"] else ""
        lines.append(f"  --config.{name}={default} {free}\n        {field.metadata['help']}.{choices}")
    return "\n".join(lines)
