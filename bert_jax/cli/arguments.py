"""Recipes on the command line: `--config=FILE` and `--config.key=value`."""

import argparse
import importlib.util
import textwrap
import traceback
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import ml_collections

from bert_jax import recipes
from bert_jax.cli.command import parser_of
from bert_jax.config import Config, presets
from bert_jax.config.parsing import parse_value
from bert_jax.config.renamed import RENAMED
from bert_jax.errors import UserError

_COLUMNS = 96  # of the text of --help


def parser_with_config(program: str, description: str) -> argparse.ArgumentParser:
    """Returns a parser whose help ends with all keys of a recipe.

    Args:
        program: the command, as it is typed.
        description: text at the beginning of the help, of one paragraph.
    """
    parser = parser_of(program, _filled(description))
    parser.epilog = _keys_help()
    return parser


def add_host_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options that `bert_jax.parallel.hosts.join` takes."""
    parser.add_argument(
        "--distributed",
        action="store_true",
        help="run as one of several hosts, which JAX discovers by itself on TPU pods, SLURM and "
        "Kubernetes",
    )
    parser.add_argument(
        "--coordinator",
        default="",
        metavar="ADDRESS:PORT",
        help="address of the first host, where JAX cannot discover the hosts",
    )
    parser.add_argument(
        "--hosts", type=int, default=0, metavar="N", help="number of hosts, with --coordinator"
    )
    parser.add_argument(
        "--host_index",
        type=int,
        default=-1,
        metavar="I",
        help="index of this host, from 0, with --coordinator",
    )


def parse(
    parser: argparse.ArgumentParser,
    argv: list[str],
    default: Callable[[argparse.Namespace], Config] | None = None,
    of_a_checkpoint: bool = False,
) -> tuple[argparse.Namespace, Config]:
    """Parses the options of a command and its recipe.

    Where a checkpoint determines the architecture, keys of the model in the recipe's file are
    ignored. Those on the command line are not: they have to agree with the checkpoint.

    Args:
        parser: parser of all other options; the options of the recipe are added to it.
        argv: arguments of the command.
        default: returns the config if there is no `--config=FILE`; None: the option is required.
        of_a_checkpoint: a checkpoint determines the architecture, as it always does if the recipe
            has `init_from`.

    Raises:
        UserError: the recipe's file is missing, or a key or its value is wrong.
        SystemExit: an option is wrong, or help was asked for.
    """
    parser.add_argument(
        "--config", metavar="FILE", help="file of the recipe, such as configs/demo.py"
    )
    parser.add_argument(
        "--preset",
        choices=presets.PRESETS,
        help="set all keys in which Google's code and Hugging Face's differ to the values of one "
        "of them, as docs/fidelity.md lists them; --config.KEY overrides them",
    )
    parser.add_argument(
        "--config.KEY",
        metavar="VALUE",
        dest="_",
        help="set a key of the recipe; all keys are listed below",
    )
    overrides = [a for a in argv if a.startswith("--config.")]
    args, rest = parser.parse_known_args([a for a in argv if not a.startswith("--config.")])
    if rest:
        parser.error(
            f"unknown arguments: {' '.join(rest)} (set keys of the recipe by --config.KEY=VALUE)"
        )
    if args.config:
        recipe = load_recipe(args.config)
    elif default:
        recipe = recipes.recipe_of(default(args))
    else:
        raise UserError(
            "no recipe is given", expected="--config=FILE", hint="--config=configs/demo.py"
        )
    if args.preset:
        presets.apply(args.preset, recipe)
    given = _override(recipe, overrides)
    if args.config and (of_a_checkpoint or recipe.get("init_from")):
        recipes.without_architecture(recipe, given)
    config = recipes.resolve(recipe)
    recipes.SCHEMA.check_effect(config, given)
    return args, config


def load_recipe(name: str) -> ml_collections.ConfigDict:
    """Returns the recipe that a file's `get_config()` makes.

    Args:
        name: FILE, or FILE:ARGUMENT to call `get_config(ARGUMENT)`.

    Raises:
        UserError: there is no such file, or it does not make a recipe.
    """
    file, _, argument = name.partition(":")
    path = Path(file)
    if not path.is_file():
        files = Path("configs").rglob("*.py")
        recipe_files = sorted(str(file) for file in files if not file.name.startswith("_"))
        raise UserError(
            f"the recipe {file} does not exist",
            found="no such file",
            expected="a Python file with get_config()",
            hint=f"one of {', '.join(recipe_files)}" if recipe_files else None,
        )
    spec = importlib.util.spec_from_file_location(f"recipe_{path.stem}", path)
    assert spec and spec.loader  # for a path that ends in .py there is one
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        return module.get_config(*[argument] if argument else [])
    except Exception as error:  # the file is the user's: whatever it raises is theirs to fix
        frames = traceback.extract_tb(error.__traceback__)
        lines = [f"line {frame.lineno}: " for frame in frames if frame.filename == str(path)]
        message = str(error).splitlines()[-1] if str(error) else repr(error)
        raise UserError(
            f"the recipe {file} cannot be used",
            found="".join(lines[-1:]) + message,
            expected="a function get_config() that sets known keys to values of their type",
            hint=_new_name(str(error)) or "`--help` lists every key",
        ) from error


def _new_name(message: str) -> str | None:
    """Returns a hint that names the new name of a key, if an error's message has the old one."""
    for old, renamed in RENAMED.items():
        if f'"{old.rpartition(".")[2]}"' in message:
            return f"config.{renamed.new}, the new name of config.{old}"
    return None


def _override(recipe: ml_collections.ConfigDict, overrides: list[str]) -> list[str]:
    """Sets keys of a recipe as the command line says, and returns their dotted names."""
    declared, given = recipes.key_fields(), []
    for override in overrides:
        name, equals, text = override.removeprefix("--config.").partition("=")
        if name not in declared:
            recipes.SCHEMA.unknown_key(name)
        if not equals:
            raise UserError(f"{override} has no value", expected=f"{override}=VALUE")
        recipes.set_key(recipe, name, parse_value(name, declared[name], text))
        given.append(name)
    return given


def _keys_help() -> str:
    lines, section = ["keys of a recipe (* may be changed when a run is resumed):"], ""
    titles = {f.name: f.metadata.get("help", "") for f in fields(Config)}
    for name, key in recipes.key_fields().items():
        if "." in name and name.partition(".")[0] != section:
            section = name.partition(".")[0]
            lines.append(f"\n{section}: {titles[section]}")
        default = repr(key.default)
        if name == "mesh.rules":
            default = "(see bert_jax/config/compute_sections.py)"
        text = f"{key.help}."
        if key.choices:
            text += f" One of {', '.join(str(choice) or repr('') for choice in key.choices)}."
        lines.append(f"  --config.{name}={default}{' *' if key.free else ''}")
        lines.append(_filled(text, indent=8))
    return "\n".join(lines)


def _filled(text: str, indent: int = 0) -> str:
    """Returns a paragraph in lines of `_COLUMNS`, without breaking names at hyphens."""
    spaces = " " * indent
    return textwrap.fill(
        text,
        _COLUMNS,
        initial_indent=spaces,
        subsequent_indent=spaces,
        break_on_hyphens=False,
        break_long_words=False,
    )
