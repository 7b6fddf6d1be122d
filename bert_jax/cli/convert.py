"""`python -m bert_jax convert`: checkpoints between Hugging Face's format, Google's and ours."""

import argparse
import math
import re

from bert_jax.errors import UserError
from bert_jax.model.heads import HEADS
from bert_jax.remote import local_path, path_of

DESCRIPTION = """Convert a BERT checkpoint. The source's format is recognised:

  orbax   a run of ours or a step of it, or what this command has made
  hf      a Hugging Face directory: config.json with model.safetensors (sharded too) or pytorch_model.bin, which is
          read without executing what is pickled in it; sentence-transformers directories too
  tf1     Google's TF1 checkpoint: bert_model.ckpt.* with bert_config.json and vocab.txt (needs tensorflow-cpu)

A recipe starts from any of them by --config.init_from=PATH; converting first is not needed for that.
"""


def main(argv: list[str]) -> None:
    """Converts, or with `--dry_run` only shows what would be mapped to what.

    Raises:
        UserError: the source is no BERT as we compute it, or the target cannot hold it.
        SystemExit: of argparse.
    """
    parser = argparse.ArgumentParser("python -m bert_jax convert", description=DESCRIPTION, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", metavar="SRC", type=path_of, help="the checkpoint")
    parser.add_argument("target", metavar="DST", type=local_path, help="a directory that is not there yet")
    parser.add_argument("--to", required=True, choices=("orbax", "hf", "tf1"), help="the format to write")
    parser.add_argument("--heads", default="", help=f"heads to take, with commas: {', '.join(HEADS)}; 'none': the "
                        "encoder alone; by default all that the source has")
    parser.add_argument("--leave_out", default="", metavar="REGEX",
                        help="tensors of the source to ignore, by their names")
    parser.add_argument("--vocab_file", default="", metavar="FILE", help="the vocabulary, if it does not lie in SRC")
    parser.add_argument("--cased", choices=("true", "false"), help="whether the model is of cased text, if the source "
                        "does not say it, or says it wrongly")
    parser.add_argument("--dtype", choices=("float32", "float16", "bfloat16"), default="",
                        help="of the tensors in a Hugging Face directory; by default that of the source")
    parser.add_argument("--dry_run", action="store_true", help="show what would be mapped; write nothing")
    args = parser.parse_args(argv)
    if args.dtype and args.to != "hf":
        parser.error(f"--dtype is for --to=hf: --to={args.to} is float32 always")

    # After the options are known to be right: these imports take seconds.
    import dataclasses

    import jax
    from rich.console import Console

    from bert_jax.checkpoint.formats import check, convert, open_pretrained

    jax.config.update("jax_platforms", "cpu")  # no accelerator is needed, nor taken from a run that has it
    pretrained = open_pretrained(args.source, _heads(args.heads), args.leave_out, args.vocab_file)
    if args.cased:
        tokenizer = dataclasses.replace(pretrained.tokenizer, lowercase=args.cased == "false")
        pretrained = dataclasses.replace(pretrained, tokenizer=tokenizer)
    console = Console()
    _show(console, pretrained)
    check(pretrained, args.target, args.to)
    if args.dry_run:
        console.print(f"{args.target}: nothing is written, as asked", highlight=False, markup=False, soft_wrap=True)
        return
    for note in convert(pretrained, args.target, args.to, args.dtype):
        console.print(f"note: {note}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"{args.target}: the model as {args.to}", highlight=False, markup=False, soft_wrap=True)


def _heads(given: str) -> tuple[str, ...] | None:
    if not given:
        return None
    names = () if given == "none" else tuple(given.split(","))
    unknown = [name for name in names if name not in HEADS]
    if unknown:
        raise UserError("--heads names a head that is not known", found=repr(unknown[0]),
                        expected=f"some of {', '.join(HEADS)}, or none")
    return names


def _show(console, pretrained) -> None:
    """Prints what was recognised and what is mapped to what, layers together."""
    from rich.table import Table
    from rich.text import Text

    from bert_jax.checkpoint.pretrained import shapes

    model, tokenizer, vocabulary = pretrained.model, pretrained.tokenizer, pretrained.vocabulary
    of_each = shapes(model, pretrained.heads)
    tokens = f"{len(vocabulary):,} tokens, {'un' * tokenizer.lowercase}cased" if vocabulary else "none beside it"
    more = len(pretrained.labels) - 8
    unnamed = f"{model.num_labels}, without names" if model.num_labels else "none"
    facts = {
        "source": f"{pretrained.path} ({pretrained.format})",
        "model": f"{model.num_layers} layers, hidden {model.hidden_size}, {model.num_heads} heads, feed-forward "
                 f"{model.intermediate_size}, {model.max_position_embeddings} positions, {model.activation}",
        "parameters": f"{sum(map(math.prod, of_each.values())):,} in {len(of_each)} arrays",
        "heads": ", ".join(pretrained.heads) or "none" + (", but a pooler" if model.pooler else ""),
        "vocabulary": f"{tokens}; {model.vocab_size:,} rows",
        "labels": ", ".join(pretrained.labels[:8]) + (f" and {more} more" if more > 0 else "") or unnamed,
    }
    about = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, text in facts.items():
        about.add_row(Text(name, "bold"), Text(text, overflow="fold"))
    console.print(about)
    modules: dict[tuple[str, str], dict[str, int]] = {}
    for path, shape in of_each.items():
        ours, theirs = (re.sub(r"(layer[._])\d+", r"\1*", name) for name in (path, pretrained.names[path]))
        arrays = modules.setdefault((_module(ours), _module(theirs)), {})
        arrays[str(list(shape))] = arrays.get(str(list(shape)), 0) + 1
    widths = [max(map(len, names)) for names in zip(*modules)]
    lines = [f"{ours:<{widths[0]}}  {theirs:<{widths[1]}}  "
             + ", ".join(f"{n} x {shape}" if n > 1 else shape for shape, n in arrays.items())
             for (ours, theirs), arrays in modules.items()]
    lines += [f"left out: {name}, {reason}" for name, reason in pretrained.left_out.items()]
    lines += [f"note: {note}" for note in pretrained.notes]
    console.print("\n" + "\n".join(lines), highlight=False, markup=False, soft_wrap=True)


def _module(name: str) -> str:
    """The name without its last part: of a layer's kernel and bias, the layer's."""
    return re.sub(r"[/._](kernel|embedding|scale|weights?|bias|gamma|beta)$", "", name)
