"""Google's TF1 checkpoints, `bert_model.ckpt` with `bert_config.json` and `vocab.txt`, in and out.

TensorFlow reads and writes the checkpoints and is needed for nothing else.
"""

import dataclasses
import functools
import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from bert_jax.checkpoint.export_rules import ANY, Rule, only, refuse_others
from bert_jax.checkpoint.names import tf1 as name_of
from bert_jax.checkpoint.pretrained import (
    Pretrained,
    Tensor,
    asked_for,
    flat,
    infer_lowercase,
    mapped,
    read_json,
    sizes,
    without,
)
from bert_jax.config import ModelConfig, TokenizerConfig
from bert_jax.disk import write_json
from bert_jax.errors import UserError
from bert_jax.model.heads import POOLED
from bert_jax.text.vocabulary import FILE, Vocabulary

CONFIG, CHECKPOINT = "bert_config.json", "bert_model.ckpt"

_KEYS = dict(
    vocab_size="vocab_size",
    hidden_size="hidden_size",
    num_layers="num_hidden_layers",
    num_heads="num_attention_heads",
    intermediate_size="intermediate_size",
    max_position_embeddings="max_position_embeddings",
    type_vocab_size="type_vocab_size",
    hidden_dropout="hidden_dropout_prob",
    attention_dropout="attention_probs_dropout_prob",
    initializer_range="initializer_range",
)
_ACTIVATIONS = {"gelu": "gelu_tanh", "relu": "relu"}  # Google's GELU is the one by tanh
_SIGNS = {
    "mlm": "cls/predictions/output_bias",
    "nsp": "cls/seq_relationship/output_weights",
    "class": "output_weights",
    "span": "cls/squad/output_weights",
}


def _strips_accents_with_case(accents: str, pretrained: Pretrained) -> bool:
    """Returns True if accents are stripped exactly when text is lower-cased."""
    return accents in ("with_case", "strip" if pretrained.tokenizer.lowercase else "keep")


_RULES = dict.fromkeys((f"model.{name}" for name in _KEYS), ANY) | {
    "model.activation": only("gelu_erf", "gelu_tanh", "relu"),  # a note says of the first
    "model.classifier_dropout": ANY,  # read in training alone, as the next one
    "model.initializer": ANY,
    "model.layer_norm_epsilon": ANY,  # fixed there; a note says so
    "model.causal": only(False, hint="--to=hf"),
    "model.pooler": ANY,  # made at random there if it is missing; a note says so
    "model.num_labels": ANY,
    "model.position.name": only("absolute"),
    "model.norm.placement": only("post"),
    "probe.features": Rule(
        lambda features, pretrained: not (features and pretrained.heads),
        "'': there is no BiLSTM over a BERT",
        "--to=orbax, or the encoder alone: --heads=none",
    ),
    "probe.lstm_layers": ANY,  # of features alone
    "probe.lstm_size": ANY,
    "tokenizer.rules": ANY,  # of rare characters and long words; a note says so
    "tokenizer.max_chars_per_word": ANY,
    "tokenizer.lowercase": ANY,
    "tokenizer.accents": Rule(
        _strips_accents_with_case, "'with_case': stripped with lower-casing alone", "--to=hf"
    ),
    "tokenizer.split_cjk": only(True, hint="--to=hf"),
}
_ONLY_IN_TRAINING = re.compile(
    r"(^|/)(global_step|beta[12]_power|(adam|lamb)_[mv]|bad_steps|loss_scale|good_steps)$"
)


def is_one(path: Path) -> bool:
    """Returns True if a path is a directory with such a checkpoint, or the checkpoint's own name
    without its endings."""
    return bool(_prefixes(path))


def open(path: Path, heads: tuple[str, ...] | None = None, leave_out: str = "") -> Pretrained:
    """The model of a checkpoint; of its tensors only names and shapes are read.

    Args:
        path: the directory, or DIRECTORY/bert_model.ckpt.
        heads: the heads to take; None: all that are there.
        leave_out: regular expression of tensors to ignore.

    Raises:
        UserError: TensorFlow is not installed; there are several checkpoints; tensors and config do
            not fit each other.
    """
    prefix = _one_prefix(path)
    tensors, left_out = without(_tensors(prefix), leave_out)
    left_out |= {name: "the optimiser's" for name in tensors if _ONLY_IN_TRAINING.search(name)}
    tensors = {name: tensor for name, tensor in tensors.items() if name not in left_out}
    available = tuple(head for head, name in _SIGNS.items() if name in tensors)
    model = _model(prefix.parent / CONFIG, tensors, available)
    taken = asked_for(available, heads, prefix)
    names, unasked, read = mapped(tensors, model, available, taken, name_of, prefix)
    vocabulary = Vocabulary.load(prefix.parent / FILE) if (prefix.parent / FILE).is_file() else None
    tokenizer, notes = TokenizerConfig(), ()
    if vocabulary:
        tokenizer = dataclasses.replace(tokenizer, lowercase=infer_lowercase(vocabulary))
        notes = (
            f"such a checkpoint does not say whether it lower-cases: taken for "
            f"{'un' * tokenizer.lowercase}cased by its vocabulary",
        )
    return Pretrained(
        "tf1",
        prefix,
        model,
        taken,
        tokenizer,
        vocabulary,
        (),
        names,
        read,
        kind="classification" if "class" in taken else "",
        left_out=left_out | unasked,
        notes=notes,
        origin=dict(dtype="float32"),
    )


def check(pretrained: Pretrained) -> None:
    """Raises a UserError if Google's code has no such BERT, or TensorFlow is not installed."""
    unknown = [head for head in pretrained.heads if head not in _SIGNS]
    if unknown:
        raise UserError(
            f"Google's code has no head {unknown[0]!r}",
            expected=f"some of {', '.join(_SIGNS)}",
            hint="--heads=none for the encoder alone",
        )
    refuse_others(pretrained, _RULES, "Google's code")
    _tensorflow()


def write(pretrained: Pretrained, directory: Path) -> tuple[str, ...]:
    """Writes `bert_model.ckpt`, `bert_config.json` and `vocab.txt`.

    Returns:
        What a person should know: where Google's code will compute something else.

    Raises:
        UserError: as `check`.
    """
    check(pretrained)
    model, notes, tensorflow = pretrained.model, [], _tensorflow()
    values = {}
    for path, x in flat(pretrained.read()).items():
        named = name_of(path)
        assert named, f"{path} has no name there; `check` refuses such heads"
        name, transposed = named
        values[name] = x.T if transposed else x
    tensorflow.raw_ops.SaveV2(
        prefix=str(directory / CHECKPOINT),
        tensor_names=list(values),
        shape_and_slices=[""] * len(values),
        tensors=[np.ascontiguousarray(x) for x in values.values()],
    )
    config = {theirs: getattr(model, ours) for ours, theirs in _KEYS.items()}
    config["hidden_act"] = model.activation.partition("_")[0]
    write_json(directory / CONFIG, config, indent=2)
    if model.activation == "gelu_erf":
        notes.append(
            "Google's code computes GELU by tanh, this model by erf: its outputs differ a little "
            "there"
        )
    if model.layer_norm_epsilon != 1e-12:
        notes.append(
            f"Google's LayerNorm has an epsilon of 1e-12, this model's has "
            f"{model.layer_norm_epsilon:g}"
        )
    if not model.pooler:
        notes.append("there is no pooler: Google's code will make a random one")
    if pretrained.vocabulary:
        pretrained.vocabulary.save(directory / FILE)
        notes.append(
            f"Google's programs want --do_lower_case={pretrained.tokenizer.lowercase}, and split "
            f"rare "
            "characters and words of over 100 letters by rules of their own"
        )
    return tuple(notes)


def _prefixes(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(index.with_suffix("") for index in path.glob("*.ckpt*.index"))
    return [path] if path.with_name(path.name + ".index").is_file() else []


def _one_prefix(path: Path) -> Path:
    prefixes = _prefixes(path)
    if len(prefixes) != 1:
        raise UserError(
            f"{path} has {len(prefixes)} checkpoints",
            found=", ".join(p.name for p in prefixes),
            expected="one",
            hint=f"name it: {prefixes[-1]}" if prefixes else None,
        )
    return prefixes[0]


def _tensorflow() -> Any:
    for name, value in (("TF_CPP_MIN_LOG_LEVEL", "3"), ("TF_ENABLE_ONEDNN_OPTS", "0")):
        os.environ.setdefault(name, value)  # it tells of much that is no concern of a user's
    try:
        import tensorflow
    except ImportError:
        raise UserError(
            "TF1 checkpoints need TensorFlow",
            found="it is not installed",
            expected="TensorFlow 2.16 or later",
            hint="pip install tensorflow-cpu",
        ) from None
    tensorflow.config.set_visible_devices([], "GPU")
    return tensorflow


def _tensors(prefix: Path) -> dict[str, Tensor]:
    tensorflow = _tensorflow()
    try:
        reader = tensorflow.train.load_checkpoint(str(prefix))
    except (tensorflow.errors.OpError, ValueError) as error:
        raise UserError(
            f"{prefix} cannot be read",
            found=str(error).splitlines()[0],
            expected="a TF1 checkpoint: .index and .data files",
            hint="copy all its files anew",
        ) from None
    dtypes = reader.get_variable_to_dtype_map()
    return {
        name: Tensor(tuple(shape), dtypes[name].name, functools.partial(reader.get_tensor, name))
        for name, shape in reader.get_variable_to_shape_map().items()
    }


def _model(path: Path, tensors: dict[str, Tensor], heads: tuple[str, ...]) -> ModelConfig:
    config = read_json(path)
    act = config.get("hidden_act", "gelu")
    if act not in list(_ACTIVATIONS):
        raise UserError(
            f"{path} has an activation that is not known",
            found=f"hidden_act = {act!r}",
            expected=f"one of {', '.join(_ACTIVATIONS)}",
        )
    values = sizes(config, _KEYS, path)
    missing = [
        theirs
        for ours, theirs in _KEYS.items()
        if ours not in values and theirs.endswith(("_size", "_layers"))
    ]
    if missing:
        raise UserError(
            f"{path} is incomplete", found=f"no {', '.join(missing)}", expected="Google's keys"
        )
    return ModelConfig(
        **values,
        activation=_ACTIVATIONS[act],
        pooler="bert/pooler/dense/kernel" in tensors or bool({*heads} & {*POOLED}),
        num_labels=tensors["output_weights"].shape[0] if "class" in heads else 0,
    )
