"""A pretrained model as it comes from a checkpoint of any format, and goes to one."""

import functools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from bert_jax.checkpoint.names import Name
from bert_jax.config import ModelConfig, ProbeConfig, TokenizerConfig
from bert_jax.errors import UserError
from bert_jax.model.bert import initial_params
from bert_jax.model.heads import HEADS
from bert_jax.parallel.sharding import path_name
from bert_jax.text.vocabulary import Vocabulary

NOT_ASKED_FOR = "of a head that was not asked for"
FLOATS = ("float32", "float16", "bfloat16", "float64")  # dtypes that parameters may have in files


@dataclass(frozen=True)
class Pretrained:
    """A model, and all that its parameters mean nothing without.

    Attributes:
        format: 'orbax', 'hf' or 'tf1'.
        path: where it lies.
        model: its architecture; what the source does not say, such as dropout rates, is at its
            default.
        heads: names of the heads that it has, in the order of `HEADS`.
        tokenizer: how its text becomes ids; `vocab_file` and `vocab_size` mean nothing here.
        vocabulary: None if there is none beside the parameters.
        labels: names of the outputs of a head that classifies; empty if they have none.
        kind: of the task that such a head was trained for (see `bert_jax.tasks.examples`); empty if
            it is not known.
        length: tokens to which its examples were cut; 0 if it is not known.
        names: what the source calls each parameter, by its path in the canonical tree.
        read: reads the parameters, the canonical tree with float32 numpy arrays.
        left_out: what the source has besides and why it is left out, by its name.
        notes: what was taken for granted, and what another program would compute differently.
        origin: what an export back should know: the dtype of the parameters, the source's own
            config.
        probe: features that the heads read, if any.
    """

    format: str
    path: Path
    model: ModelConfig
    heads: tuple[str, ...]
    tokenizer: TokenizerConfig
    vocabulary: Vocabulary | None
    labels: tuple[str, ...]
    names: dict[str, str]
    read: Callable[[], dict] = field(repr=False)
    kind: str = ""
    length: int = 0
    left_out: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    origin: dict = field(default_factory=dict)
    probe: ProbeConfig = ProbeConfig()


class Tensor(NamedTuple):
    """An array in a file: `load` reads it."""

    shape: tuple[int, ...]
    dtype: str
    load: Callable[[], np.ndarray]


@functools.cache
def shapes(
    model: ModelConfig, heads: tuple[str, ...], probe: ProbeConfig = ProbeConfig()
) -> dict[str, tuple[int, ...]]:
    """Returns the shape of each parameter of the canonical tree, by its path."""
    tree = jax.eval_shape(lambda: initial_params(model, heads, jax.random.key(0), probe))
    return {path_name(path): x.shape for path, x in jax.tree_util.tree_leaves_with_path(tree)}


def flat(params: dict) -> dict[str, np.ndarray]:
    """The parameters by their paths."""
    return {path_name(path): x for path, x in jax.tree_util.tree_leaves_with_path(params)}


def tree(values: dict) -> dict:
    """Returns the nested form of a flat tree, the inverse of `flat`: `{'a/b': x}` becomes `{'a':
    {'b': x}}`."""
    root: dict = {}
    for path, value in values.items():
        *parents, last = path.split("/")
        node = root
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = value
    return root


def asked_for(
    available: tuple[str, ...], heads: tuple[str, ...] | None, where: Path
) -> tuple[str, ...]:
    """The heads to take of those that were found; None: all.

    Raises:
        UserError: one that is asked for is not there.
    """
    missing = [name for name in heads or () if name not in available]
    if missing:
        raise UserError(
            f"{where} has no head {missing[0]!r}",
            found=", ".join(available) or "the encoder alone",
            expected=f"{', '.join(missing)} among its heads",
            hint="another checkpoint, or fewer heads: --heads of convert, --config.objectives "
            "elsewhere",
        )
    return tuple(
        name
        for name in HEADS
        if name in (available if heads is None else heads) and name in available
    )


def mapped(
    tensors: dict[str, Tensor],
    model: ModelConfig,
    available: tuple[str, ...],
    heads: tuple[str, ...],
    name_of: Callable[[str], Name | None],
    where: Path,
) -> tuple[dict[str, str], dict[str, str], Callable[[], dict]]:
    """Finds every parameter among the tensors of a file.

    Args:
        tensors: by the file's names for them.
        model: says, with the heads, which parameters there are and their shapes.
        available: the heads that are in the file.
        heads: those to take.
        name_of: what the file calls a parameter.
        where: names the file in errors.

    Returns:
        `names`, `left_out` and `read` of a `Pretrained`.

    Raises:
        UserError: a parameter is not there or has another shape, or a tensor is no parameter; all
            are named.
    """
    wrong, names, left_out, loads = [], {}, {}, {}
    unmet = dict(tensors)
    for path, shape in shapes(model, available).items():
        named = name_of(path)
        assert named, f"{path} has no name there"
        name, transposed = named
        tensor = unmet.pop(name, None)
        stored = shape[::-1] if transposed else shape
        if tensor is None:
            wrong.append(f"{name} {list(stored)} is missing")
        elif tensor.shape != stored:
            wrong.append(f"{name} is {list(tensor.shape)} instead of {list(stored)}")
        elif tensor.dtype not in FLOATS:
            wrong.append(f"{name} is of {tensor.dtype} instead of {', '.join(FLOATS)}")
        elif path.partition("/")[0] in ("bert", *heads):
            names[path], loads[path] = name, (tensor.load, transposed)
        else:
            left_out[name] = NOT_ASKED_FOR
    wrong += [
        f"{name} {list(tensor.shape)} is no part of such a model" for name, tensor in unmet.items()
    ]
    if wrong:
        raise _misfit(wrong, model, available, where)

    def read() -> dict:
        return tree(
            {path: as_float32(load(), transposed) for path, (load, transposed) in loads.items()}
        )

    return names, left_out, read


def _misfit(
    wrong: list[str], model: ModelConfig, available: tuple[str, ...], where: Path
) -> UserError:
    more = [f"and {len(wrong) - 10} more"] if len(wrong) > 10 else []
    return UserError(
        f"the tensors of {where} are not those of a BERT that fits its config",
        found=("\n" + " " * 12).join(wrong[:10] + more),
        expected=f"{model.num_layers} layers, hidden {model.hidden_size}, vocabulary "
        f"{model.vocab_size}, heads: {', '.join(available) or 'none'}",
        hint="fix its config, or leave out what is not needed with --leave_out=REGEX",
    )


def as_float32(x: np.ndarray, transposed: bool) -> np.ndarray:
    """The array as the canonical tree has it."""
    return (x.T if transposed else x).astype(np.float32, copy=False)


def without(tensors: dict[str, Tensor], leave_out: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors whose names a regular expression is not found in, and the others as `left_out`;
    '' finds none."""
    try:
        out = {
            name: "left out as asked"
            for name in tensors
            if leave_out and re.search(leave_out, name)
        }
    except re.error as error:
        raise UserError(
            "--leave_out is no regular expression",
            found=f"{leave_out!r}: {error}",
            expected="an expression such as '^projection'",
        ) from None
    return {name: tensor for name, tensor in tensors.items() if name not in out}, out


def dtype_of(tensors: dict[str, Tensor]) -> str:
    """The dtype of the tensors if all have the same, else float32."""
    kinds = {tensor.dtype for tensor in tensors.values()}
    return kinds.pop() if len(kinds) == 1 else "float32"


def read_json(path: Path, kind: type = dict) -> Any:
    """Returns the content of a JSON file beside a checkpoint: an object, or a list if that is the
    `kind`.

    Raises:
        UserError: it cannot be read, or holds something else.
    """
    try:
        values = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UserError(
            f"{path} cannot be read", found=error.strerror, hint="copy the whole directory"
        ) from None
    except ValueError as error:
        raise UserError(f"{path} is not JSON", found=str(error), hint="copy it anew") from None
    if not isinstance(values, kind):
        raise UserError(
            f"{path} is not what it should be",
            found=repr(values)[:80],
            expected="a JSON object" if kind is dict else "a JSON list",
        )
    return values


def sizes(config: dict, keys: dict[str, str], where: Path) -> dict:
    """The values of a `ModelConfig` that another program's config says; a null says nothing.

    Args:
        config: what its file holds.
        keys: what it calls each of our keys.
        where: the file.

    Raises:
        UserError: a value is no such number, or the heads do not divide the hidden size.
    """
    values = {
        ours: config[theirs] for ours, theirs in keys.items() if config.get(theirs) is not None
    }
    default = ModelConfig()
    for ours, value in values.items():
        whole = isinstance(getattr(default, ours), int)
        if (
            isinstance(value, bool)
            or not isinstance(value, int if whole else int | float)
            or value < whole
        ):
            raise UserError(
                f"{keys[ours]} in {where} is not what it should be",
                found=json.dumps(value),
                expected="a whole number from 1 on" if whole else "a number from 0 on",
            )
        if not whole:
            values[ours] = float(value)
    hidden, heads = (
        values.get(name, getattr(default, name)) for name in ("hidden_size", "num_heads")
    )
    if hidden % heads:
        raise UserError(
            f"{keys['num_heads']} in {where} does not divide {keys['hidden_size']}",
            found=f"{heads} heads, hidden size {hidden}",
            expected="heads of equal sizes",
        )
    return values


def infer_lowercase(vocabulary: Vocabulary) -> bool:
    """Returns True if a vocabulary is of lower-cased text: none of its tokens has a letter that
    lower-casing would change."""
    words = (
        token for token in vocabulary.tokens if not (token.startswith("[") and token.endswith("]"))
    )
    return not any(token != token.lower() for token in words)
