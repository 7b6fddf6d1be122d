"""Checkpoints of every format by their path: opened, and written as another."""

import dataclasses
import os
import shutil
from pathlib import Path

from bert_jax.checkpoint import hf, runs, tf1
from bert_jax.checkpoint.pretrained import Pretrained
from bert_jax.errors import UserError
from bert_jax.remote import is_remote
from bert_jax.text.vocabulary import Vocabulary

FORMATS = {
    "orbax": "a run, or a converted checkpoint, of ours",
    "hf": "a Hugging Face directory: config.json and model.safetensors or pytorch_model.bin",
    "tf1": "Google's TF1 checkpoint: bert_model.ckpt.index, bert_config.json",
}


def open_pretrained(
    path: Path, heads: tuple[str, ...] | None = None, leave_out: str = "", vocab_file: str = ""
) -> Pretrained:
    """The model that lies at a path, whatever its format; its parameters are not read yet.

    Args:
        path: a run or a step of it, a Hugging Face directory, or a TF1 checkpoint.
        heads: the heads to take; None: all that it has.
        leave_out: regular expression of tensors to ignore, by the source's names; not of a run.
        vocab_file: its vocabulary, where that does not lie beside it.

    Raises:
        UserError: it is none of these, is damaged, or is not a BERT as we compute it; or
            `leave_out` would have no effect.
    """
    path = path.expanduser()
    if is_remote(path):
        pretrained = _open_run(path, heads, leave_out)  # other formats are read from a disk
    elif hf.is_one(path) or (path / "modules.json").is_file():
        pretrained = hf.open(path, heads, leave_out)
    elif tf1.is_one(path):
        pretrained = tf1.open(path, heads, leave_out)
    elif runs.is_one(path):
        pretrained = _open_run(path, heads, leave_out)
    else:
        raise UserError(
            f"{path} is no checkpoint that is known",
            found=", ".join(sorted(p.name for p in path.iterdir())[:8]) or "nothing"
            if path.is_dir()
            else "a file"
            if path.exists()
            else "no such directory",
            expected="; ".join(FORMATS.values()),
            hint="name the directory that holds these files",
        )
    if vocab_file:
        if not Path(vocab_file).is_file():
            raise UserError(
                f"the vocabulary {vocab_file} is not there", expected="a file with one token a line"
            )
        pretrained = dataclasses.replace(pretrained, vocabulary=Vocabulary.load(vocab_file))
    vocabulary, rows = pretrained.vocabulary, pretrained.model.vocab_size
    if vocabulary and len(vocabulary) > rows:
        raise UserError(
            f"the vocabulary does not fit {path}",
            found=f"{len(vocabulary)} tokens",
            expected=f"at most {rows}, the rows of its word embeddings",
            hint="--vocab_file=FILE with the vocabulary that the model was made with",
        )
    return pretrained


def _open_run(path: Path, heads: tuple[str, ...] | None, leave_out: str) -> Pretrained:
    if leave_out:
        raise UserError(
            f"{path} is a run or a converted checkpoint: all of its tensors are parameters",
            found=f"--leave_out={leave_out}",
            expected="--leave_out with a Hugging Face directory or Google's checkpoint",
            hint="--heads=HEAD,HEAD to take some of its heads",
        )
    return runs.open(path, heads)


def check(pretrained: Pretrained, target: Path, to: str) -> None:
    """Raises a UserError if `convert` would, for what can be known before anything is read or
    written."""
    target = target.expanduser().resolve()
    if (
        target.exists()
        and not (target.is_dir() and not any(target.iterdir()))
        or target == Path.cwd()
    ):
        raise UserError(
            f"{target} is there already",
            expected="a directory that is not, or is empty",
            hint="another name, or remove it first",
        )
    if to == "hf":
        hf.check(pretrained)
    if to == "tf1":
        tf1.check(pretrained)


def convert(pretrained: Pretrained, target: Path, to: str, dtype: str = "") -> tuple[str, ...]:
    """Writes a model in a format; the directory is there whole or not at all.

    Args:
        pretrained: the model; it is read here.
        target: a directory that is not there yet, or is empty.
        to: one of `FORMATS`.
        dtype: of the tensors in a Hugging Face directory; empty: as the source had it.

    Returns:
        What a person should know of the result.

    Raises:
        UserError: the target is there already or cannot be written, or the format cannot express
            the model.
    """
    target = target.expanduser().resolve()
    check(pretrained, target, to)
    partial = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    try:
        partial.mkdir(parents=True)
        if to == "hf":
            notes = hf.write(
                pretrained, partial, dtype or pretrained.origin.get("dtype", "float32")
            )
        else:
            notes = dict(orbax=runs.write, tf1=tf1.write)[to](pretrained, partial)
        os.replace(partial, target)
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        if isinstance(error, OSError):
            raise UserError(
                f"{target} cannot be written",
                found=str(error),
                hint="another place, or make room there",
            ) from None
        raise
    return notes
