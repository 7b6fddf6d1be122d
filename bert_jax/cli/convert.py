"""`python -m bert_jax convert`: converts checkpoints between Orbax, Hugging Face and TF1."""

import argparse
import dataclasses
import math
import re
from typing import TYPE_CHECKING

from rich.console import Console

from bert_jax.cli.command import parser_of
from bert_jax.errors import UserError
from bert_jax.model.heads import HEADS
from bert_jax.remote import local_path, path_of

if TYPE_CHECKING:
    from bert_jax.checkpoint.pretrained import Pretrained

DESCRIPTION = """Convert a BERT checkpoint. The format of the source is recognised:

  orbax   a run of bert-jax or one of its steps, or an output of this command
  hf      a Hugging Face directory: config.json with model.safetensors (also sharded) or
          pytorch_model.bin, which is read without executing pickled code; directories of
          sentence-transformers, too
  tf1     Google's TF1 checkpoint: bert_model.ckpt.* with bert_config.json and vocab.txt (needs
          tensorflow-cpu)

A recipe can start from any of these by --config.init_from=PATH, without conversion.
"""


def main(argv: list[str]) -> None:
    """Converts a checkpoint, or only shows how it would be mapped with `--dry_run`.

    Raises:
        UserError: the source is not a BERT that this package can express, or the target format
            cannot hold it.
        SystemExit: an option is wrong, or help was asked for.
    """
    parser = _parser()
    args = parser.parse_args(argv)
    if args.dtype and args.to != "hf":
        parser.error(f"--dtype requires --to=hf: checkpoints of --to={args.to} are float32")

    # These imports take seconds, and so wait until the options are known to be right.
    import jax

    from bert_jax.checkpoint.formats import check, convert, open_pretrained

    # No accelerator is needed, nor taken from a run that uses it.
    jax.config.update("jax_platforms", "cpu")
    pretrained = open_pretrained(args.source, _heads(args.heads), args.leave_out, args.vocab_file)
    if args.cased:
        tokenizer = dataclasses.replace(pretrained.tokenizer, lowercase=args.cased == "false")
        pretrained = dataclasses.replace(pretrained, tokenizer=tokenizer)
    console = Console()
    _show(console, pretrained)
    check(pretrained, args.target, args.to)
    if args.dry_run:
        _print(console, f"{args.target}: not written, because of --dry_run")
        return
    for note in convert(pretrained, args.target, args.to, args.dtype):
        _print(console, f"note: {note}")
    _print(console, f"{args.target}: written as {args.to}")


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("python -m bert_jax convert", DESCRIPTION)
    parser.add_argument("source", metavar="SRC", type=path_of, help="checkpoint to read")
    parser.add_argument(
        "target", metavar="DST", type=local_path, help="directory to write: a new or empty one"
    )
    parser.add_argument(
        "--to", required=True, choices=("orbax", "hf", "tf1"), help="format to write"
    )
    parser.add_argument(
        "--heads",
        default="",
        metavar="HEAD,HEAD",
        help=f"heads to take: {', '.join(HEADS)}; or 'none' for the encoder alone. By default all "
        "heads of the source",
    )
    parser.add_argument(
        "--leave_out",
        default="",
        metavar="REGEX",
        help="regular expression for the names of tensors to ignore in the source, unless it is of "
        "the format orbax",
    )
    parser.add_argument(
        "--vocab_file", default="", metavar="FILE", help="vocabulary, if SRC does not contain it"
    )
    parser.add_argument(
        "--cased",
        choices=("true", "false"),
        help="whether the model is for cased text, if the source does not say, or is wrong",
    )
    parser.add_argument(
        "--dtype",
        choices=("float32", "float16", "bfloat16"),
        default="",
        help="data type of the tensors, with --to=hf; by default that of the source",
    )
    parser.add_argument(
        "--dry_run", action="store_true", help="show how tensors would be mapped; write nothing"
    )
    return parser


def _print(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def _heads(given: str) -> tuple[str, ...] | None:
    if not given:
        return None
    names = () if given == "none" else tuple(given.split(","))
    unknown = [name for name in names if name not in HEADS]
    if unknown:
        raise UserError(
            "--heads names an unknown head",
            found=repr(unknown[0]),
            expected=f"some of {', '.join(HEADS)}, or none",
            hint="--heads=mlm,nsp",
        )
    return names


def _show(console: Console, pretrained: "Pretrained") -> None:
    """Prints the recognised model, and the names that its arrays have here and in the source."""
    from rich.table import Table
    from rich.text import Text

    from bert_jax.checkpoint.pretrained import shapes

    shape_of = shapes(pretrained.model, pretrained.heads, pretrained.probe)
    facts = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, text in _facts(pretrained, shape_of).items():
        facts.add_row(Text(name, "bold"), Text(text, overflow="fold"))
    console.print(facts)

    lines = _mapping(pretrained, shape_of)
    lines += [f"left out: {name}, {reason}" for name, reason in pretrained.left_out.items()]
    lines += [f"note: {note}" for note in pretrained.notes]
    _print(console, "\n" + "\n".join(lines))


def _facts(pretrained: "Pretrained", shape_of: dict[str, tuple[int, ...]]) -> dict[str, str]:
    """Returns what there is to say of a model, by title."""
    model, vocabulary, labels = pretrained.model, pretrained.vocabulary, pretrained.labels
    tokens = "no file"
    if vocabulary:
        case = "uncased" if pretrained.tokenizer.lowercase else "cased"
        tokens = f"{len(vocabulary):,} tokens, {case}"
    heads = ", ".join(pretrained.heads)
    if not heads:
        heads = "none, but a pooler" if model.pooler else "none"
    shown = ", ".join(labels[:8]) + (f" and {len(labels) - 8} more" if len(labels) > 8 else "")
    if not labels:
        shown = f"{model.num_labels}, without names" if model.num_labels else "none"
    parameters = sum(math.prod(shape) for shape in shape_of.values())
    return {
        "source": f"{pretrained.path} ({pretrained.format})",
        "model": f"{model.num_layers} layers, hidden {model.hidden_size}, {model.num_heads} heads, "
        f"feed-forward {model.intermediate_size}, {model.max_position_embeddings} positions, "
        f"{model.activation}",
        "parameters": f"{parameters:,} in {len(shape_of)} arrays",
        "heads": heads,
        "vocabulary": f"{tokens}; {model.vocab_size:,} rows",
        "labels": shown,
    }


def _mapping(pretrained: "Pretrained", shape_of: dict[str, tuple[int, ...]]) -> list[str]:
    """Returns a line for each module, layers together: its name here, its name in the source, and
    the shapes of its arrays."""
    modules: dict[tuple[str, str], dict[str, int]] = {}
    for path, shape in shape_of.items():
        names = (_module(path), _module(pretrained.names[path]))
        arrays = modules.setdefault(names, {})
        arrays[str(list(shape))] = arrays.get(str(list(shape)), 0) + 1
    here_width, there_width = (max(map(len, names)) for names in zip(*modules))
    lines = []
    for (here, there), arrays in modules.items():
        shapes = ", ".join(f"{n} x {shape}" if n > 1 else shape for shape, n in arrays.items())
        lines.append(f"{here:<{here_width}}  {there:<{there_width}}  {shapes}")
    return lines


def _module(name: str) -> str:
    """Returns the name of an array's module: `layer_*/query` for `layer_3/query/kernel`."""
    name = re.sub(r"(layer[._])\d+", r"\1*", name)
    return re.sub(r"[/._](kernel|embedding|scale|weights?|bias|gamma|beta)$", "", name)
