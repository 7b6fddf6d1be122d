"""Hugging Face's directories, read and written without PyTorch: `config.json`, tensors,
tokenizer."""

import functools
import json
import shutil
from pathlib import Path

import ml_dtypes
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from bert_jax.checkpoint import torch_files
from bert_jax.checkpoint.export_rules import ANY, Rule, only, refuse_others
from bert_jax.checkpoint.hf_tokenizer import ACCENTS, read_tokenizer, write_tokenizer
from bert_jax.checkpoint.names import hf as name_of
from bert_jax.checkpoint.pretrained import (
    Pretrained,
    Tensor,
    asked_for,
    dtype_of,
    flat,
    mapped,
    read_json,
    sizes,
    without,
)
from bert_jax.config import ModelConfig
from bert_jax.disk import write_json
from bert_jax.errors import UserError
from bert_jax.model.heads import HEADS, LABELLED, POOLED

CONFIG = "config.json"
_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)

# Keys of config.json, where they are called otherwise.
_SIZES = dict(
    vocab_size="vocab_size",
    hidden_size="hidden_size",
    num_layers="num_hidden_layers",
    num_heads="num_attention_heads",
    intermediate_size="intermediate_size",
    max_position_embeddings="max_position_embeddings",
    type_vocab_size="type_vocab_size",
    hidden_dropout="hidden_dropout_prob",
    attention_dropout="attention_probs_dropout_prob",
    layer_norm_epsilon="layer_norm_eps",
    initializer_range="initializer_range",
    classifier_dropout="classifier_dropout",
)
_ACTIVATIONS = {
    "gelu": "gelu_erf",
    "gelu_python": "gelu_erf",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_python_tanh": "gelu_tanh",
    "gelu_accurate": "gelu_tanh",
    "relu": "relu",
}
_ACTIVATION_NAMES = {"gelu_erf": "gelu", "gelu_tanh": "gelu_new", "relu": "relu"}

# Which class has which heads, and which of the classes pool.
_CLASSES = {
    ("mlm", "nsp"): "BertForPreTraining",
    ("mlm",): "BertForMaskedLM",
    ("nsp",): "BertForNextSentencePrediction",
    ("class",): "BertForSequenceClassification",
    ("tag",): "BertForTokenClassification",
    ("span",): "BertForQuestionAnswering",
    ("choice",): "BertForMultipleChoice",
    (): "BertModel",
}
_POOLING = (
    "BertModel",
    "BertForPreTraining",
    "BertForNextSentencePrediction",
    "BertForSequenceClassification",
    "BertForMultipleChoice",
)
_PROBLEMS = {
    "single_label_classification": "classification",
    "regression": "regression",
    "multi_label_classification": "multilabel",
}
_CLASSIFIERS = {_CLASSES[heads]: heads[0] for heads in (("class",), ("tag",), ("choice",))}


def _pools_first(causal: bool, pretrained: Pretrained) -> bool:
    """Returns True unless there is a pooler that reads the last token, as ours does with causal
    attention."""
    pools = not pretrained.heads or {*pretrained.heads} & {*POOLED}
    return not (causal and pools)


_RULES = dict.fromkeys((f"model.{name}" for name in _SIZES), ANY) | {
    "model.activation": only(*_ACTIVATION_NAMES),
    "model.initializer": ANY,  # read in training alone, and always a normal there
    "model.causal": Rule(
        _pools_first, "False with a pooler, which reads the first token", "--heads=mlm"
    ),
    "model.pooler": ANY,  # left out, or missing, as the class has it; a note says so
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
    "tokenizer.rules": ANY,  # of rare characters
    "tokenizer.lowercase": ANY,
    "tokenizer.accents": only(*ACCENTS.values()),
    "tokenizer.split_cjk": ANY,
    "tokenizer.max_chars_per_word": ANY,
}

_TIED = {
    "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
    "cls.predictions.decoder.bias": "cls.predictions.bias",
}


def is_one(path: Path) -> bool:
    """Returns True if a directory is a checkpoint of Hugging Face's."""
    return (path / CONFIG).is_file() and any((path / name).is_file() for name in _FILES)


def open(path: Path, heads: tuple[str, ...] | None = None, leave_out: str = "") -> Pretrained:
    """The model of a directory; of its tensors only names and shapes are read.

    Args:
        path: the directory.
        heads: the heads to take; None: all that are there.
        leave_out: regular expression of tensors to ignore.

    Raises:
        UserError: it is no BERT as we compute it, or tensors and config do not fit each other.
    """
    around, path = path, _inner(path)
    config = read_json(path / CONFIG)
    _refuse_other_models(config, path / CONFIG)
    stored, left_out = without(_tensors(path), leave_out)
    tensors, originals, ignored = _with_plain_names(stored, path)
    found, notes = _heads(tensors, config)
    model = _model(config, path / CONFIG, tensors, found)
    taken = asked_for(found, heads, path)
    names, unasked, read = mapped(tensors, model, found, taken, name_of, path)
    names = {path: originals[name] for path, name in names.items()}
    left_out |= ignored | {originals[name]: reason for name, reason in unasked.items()}
    tokenizer, vocabulary, said = read_tokenizer(path)
    if any(tensor.dtype == "float64" for tensor in tensors.values()):
        said += ("its float64 numbers are rounded to float32, in which parameters are kept",)
    if (around / "modules.json").is_file():
        notes += (
            "a sentence-transformers directory: its Transformer is taken, pooling and the rest "
            "are left out",
        )
    return Pretrained(
        "hf",
        path,
        model,
        taken,
        tokenizer,
        vocabulary,
        _labels(config, model, taken),
        names,
        read,
        kind=_kind(config, model, taken),
        left_out=left_out,
        notes=notes + said,
        origin=dict(dtype=dtype_of(tensors), hf_config=config),
    )


def check(pretrained: Pretrained) -> None:
    """Raises a UserError if `transformers` has no such BERT."""
    class_of(pretrained.heads)
    refuse_others(pretrained, _RULES, "transformers")


def class_of(heads: tuple[str, ...]) -> str:
    """The class of `transformers` with these heads.

    Raises:
        UserError: there is none.
    """
    heads = tuple(name for name in HEADS if name in heads)
    if heads not in _CLASSES:
        known = "; ".join(
            f"{', '.join(some) or 'none'} ({name})" for some, name in _CLASSES.items()
        )
        raise UserError(
            f"transformers has no class with the heads {', '.join(heads)} together",
            expected=known,
            hint=f"--heads={heads[0]}",
        )
    return _CLASSES[heads]


def write(pretrained: Pretrained, directory: Path, dtype: str) -> tuple[str, ...]:
    """Writes a directory that `transformers` loads with no missing and no unexpected tensor.

    Args:
        pretrained: what to write; it is read here.
        directory: is there, and empty.
        dtype: of the tensors.

    Returns:
        What a person should know of it.

    Raises:
        UserError: as `check`; a number does not fit the dtype.
    """
    check(pretrained)
    name, model, notes = class_of(pretrained.heads), pretrained.model, []
    if model.causal and name == "BertForMaskedLM":
        name = "BertLMHeadModel"
    params = pretrained.read()
    if model.pooler and name not in _POOLING:
        del params["bert"]["pooler"]
        notes.append(f"{name} has no pooler: it is left out")
    if not model.pooler and name in _POOLING:
        notes.append(
            f"there is no pooler, and {name} has one: load it with add_pooling_layer=False"
        )
    prefix = "" if name == "BertModel" else "bert."
    kind = np.dtype(dtype)
    tensors = {}
    for path, x in flat(params).items():
        stored, transposed = name_of(path)
        stored = prefix + stored.removeprefix("bert.") if stored.startswith("bert.") else stored
        with np.errstate(over="ignore"):
            tensors[stored] = np.ascontiguousarray(
                (x.T if transposed else x).astype(kind, copy=False)
            )
        if kind != x.dtype and np.isfinite(x).all() and not np.isfinite(tensors[stored]).all():
            raise UserError(
                f"{stored} does not fit {dtype}",
                found=f"numbers up to {np.abs(x).max():g}",
                expected=f"at most {ml_dtypes.finfo(kind).max:g}",
                hint="--dtype=float32",
            )
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})
    write_json(directory / CONFIG, _config(pretrained, name, dtype), indent=2, ascii_only=False)
    shutil.copymode(
        directory / CONFIG, directory / "model.safetensors"
    )  # which only its owner could read
    if pretrained.vocabulary:
        write_tokenizer(
            pretrained.tokenizer, pretrained.vocabulary, model.max_position_embeddings, directory
        )
    else:
        notes.append("there is no vocabulary: the directory has no tokenizer")
    return tuple(notes)


def _inner(path: Path) -> Path:
    """The directory itself, or the one of its Transformer if it is a sentence-transformers
    directory."""
    modules = path / "modules.json"
    if not modules.is_file():
        return path
    for module in read_json(modules, list):
        if isinstance(module, dict) and str(module.get("type")).rpartition(".")[2] in (
            "Transformer",
            "BERT",
        ):
            return path / str(module.get("path", ""))
    return path


def _refuse_other_models(config: dict, where: Path) -> None:
    plain = dict(
        model_type="bert",
        add_cross_attention=False,
        position_embedding_type="absolute",
        pruned_heads={},
    )
    different = {
        key: config[key] for key, value in plain.items() if config.get(key) not in (None, value)
    }
    if different:
        raise UserError(
            f"{where} is not of a BERT encoder",
            found=json.dumps(different)[1:-1],
            expected=json.dumps({key: plain[key] for key in different})[1:-1],
            hint="another checkpoint: this would compute other numbers than it was trained with",
        )


def _tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a directory's file or shards, safetensors before pickles."""
    name = next((name for name in _FILES if (path / name).is_file()), None)
    if name is None:
        raise UserError(
            f"{path} has no parameters",
            found=", ".join(sorted(p.name for p in path.iterdir())),
            expected=" or ".join(_FILES),
            hint="copy the whole directory",
        )
    names = [name]
    if name.endswith(".index.json"):
        shards = read_json(path / name).get("weight_map")
        if not isinstance(shards, dict) or not all(
            isinstance(shard, str) for shard in shards.values()
        ):
            raise UserError(
                f"{path / name} does not say where tensors are",
                found=f"weight_map: {shards!r:.80}",
                expected="the name of a file for each tensor",
                hint="copy the whole directory anew",
            )
        names = sorted(set(shards.values()))
    tensors: dict[str, Tensor] = {}
    for name in names:
        read = _safetensors if name.endswith(".safetensors") else torch_files.tensors
        tensors |= read(path / name)
    return tensors


def _safetensors(path: Path) -> dict[str, Tensor]:
    try:
        file = safe_open(path, "numpy")
        slices = {name: file.get_slice(name) for name in file.keys()}
    except (OSError, SafetensorError) as error:
        raise UserError(
            f"{path} cannot be read",
            found=str(error),
            expected="a file of safetensors",
            hint="copy it anew",
        ) from None
    dtypes = {
        "F64": "float64",
        "F32": "float32",
        "F16": "float16",
        "BF16": "bfloat16",
        "I64": "int64",
    }
    return {
        name: Tensor(
            tuple(x.get_shape()),
            dtypes.get(x.get_dtype(), x.get_dtype()),
            functools.partial(file.get_tensor, name),
        )
        for name, x in slices.items()
    }


def _with_plain_names(
    tensors: dict[str, Tensor], where: Path
) -> tuple[dict[str, Tensor], dict[str, str], dict[str, str]]:
    """The tensors as a model with a head names them, the names that they had, and those that are no
    parameters.

    Models are wrapped in others and then all names have the same beginning; an encoder alone lacks
    'bert.'; LayerNorm's scale and shift were once called gamma and beta.
    """
    words = [name for name in tensors if name.endswith("embeddings.word_embeddings.weight")]
    if len(words) != 1:
        raise UserError(
            f"{where} is not of a BERT",
            found=f"{len(words)} tensors of word embeddings among "
            f"{', '.join(list(tensors)[:3])}, ...",
            expected="one, 'bert.embeddings.word_embeddings.weight'",
            hint="--leave_out=REGEX if one of them is not wanted" if words else None,
        )
    encoder = words[0].removesuffix("embeddings.word_embeddings.weight")
    around = encoder.removesuffix("bert.")
    plain, ignored, original = {}, {}, {}
    for name, tensor in tensors.items():
        inner = name.removeprefix(encoder)
        if name.startswith(encoder) and inner.startswith(("embeddings.", "encoder.", "pooler.")):
            new = "bert." + inner
        else:
            new = name.removeprefix(around)
        new = new.replace("LayerNorm.gamma", "LayerNorm.weight").replace(
            "LayerNorm.beta", "LayerNorm.bias"
        )
        if new in ("bert.embeddings.position_ids", "bert.embeddings.token_type_ids"):
            ignored[name] = "a constant, no parameter"
            continue
        plain[new], original[new] = tensor, name
    for copy, of in _TIED.items():
        if copy in plain and of not in plain:
            plain[of], original[of] = plain.pop(copy), original[copy]
        elif copy in plain:
            if not np.array_equal(plain[copy].load(), plain[of].load()):
                raise UserError(
                    f"{original[copy]} in {where} is not tied",
                    found=f"other values than {original[of]}",
                    expected="the same: BERT's MLM head shares the word embeddings",
                    hint=f"--leave_out='^{original[copy]}$' to take {original[of]} for both",
                )
            del plain[copy]
            ignored[original[copy]] = f"the same as {original[of]}"
    return plain, original, ignored


def _heads(tensors: dict[str, Tensor], config: dict) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The heads that the tensors are of, and a note if one had to be guessed."""
    signs = {
        "mlm": "cls.predictions.bias",
        "nsp": "cls.seq_relationship.weight",
        "span": "qa_outputs.weight",
    }
    found = [head for head, name in signs.items() if name in tensors]
    notes = ()
    if "classifier.weight" in tensors:
        # Three classes have tensors of the same names.
        listed = config.get("architectures")
        listed = listed if isinstance(listed, list) else [listed]
        named = [_CLASSIFIERS[name] for name in map(str, listed) if name in _CLASSIFIERS]
        head = named[0] if named else "class" if "bert.pooler.dense.weight" in tensors else "tag"
        if not named:
            notes = (
                f"config.json does not say what `classifier` classifies: taken for the head "
                f"'{head}'",
            )
        found.append(head)
    return tuple(found), notes


def _model(
    config: dict, where: Path, tensors: dict[str, Tensor], heads: tuple[str, ...]
) -> ModelConfig:
    act = config.get("hidden_act", "gelu")
    if act not in list(_ACTIVATIONS):
        raise UserError(
            f"{where} has an activation that is not known",
            found=f"hidden_act = {act!r}",
            expected=f"one of {', '.join(_ACTIVATIONS)}",
        )
    pooler = "bert.pooler.dense.weight" in tensors or bool({*heads} & {*POOLED})
    if pooler and config.get("is_decoder"):
        raise UserError(
            f"{where} is not of a BERT encoder",
            found='"is_decoder": true, with a pooler',
            expected="false, or a BertLMHeadModel",
            hint="--leave_out='pooler|seq_relationship' takes the model without it",
        )
    # A size that is not said is BERT-base's there as here.
    values = dict(vocab_size=30522) | sizes(config, _SIZES, where)
    values.setdefault("classifier_dropout", values.get("hidden_dropout", 0.1))
    return ModelConfig(
        **values,
        activation=_ACTIVATIONS[act],
        initializer="normal",
        causal=bool(config.get("is_decoder")),
        pooler=pooler,
        num_labels=tensors["classifier.weight"].shape[0] if {*heads} & {*LABELLED} else 0,
    )


def _labels(config: dict, model: ModelConfig, heads: tuple[str, ...]) -> tuple[str, ...]:
    names = config.get("id2label")
    names = names if isinstance(names, dict) else {}
    labels = tuple(names.get(str(i)) for i in range(model.num_labels))
    # Where the task had other labels than the config was made for, it keeps names for two; LABEL_0
    # is no name.
    unnamed = None in labels or labels == tuple(f"LABEL_{i}" for i in range(model.num_labels))
    return (
        tuple(map(str, labels)) if any(head in LABELLED for head in heads) and not unnamed else ()
    )


def _kind(config: dict, model: ModelConfig, heads: tuple[str, ...]) -> str:
    """The kind of task of a head: of a classifier what `problem_type` says, or `transformers` would
    take it for."""
    if "class" not in heads:
        kinds = dict(tag="tagging", span="span", choice="choice")
        return next((kinds[head] for head in heads if head in kinds), "")
    return _PROBLEMS.get(
        str(config.get("problem_type")), "regression" if model.num_labels == 1 else "classification"
    )


def _config(pretrained: Pretrained, architecture: str, dtype: str) -> dict:
    """`config.json`: what the source's had, if it was one, with what we know set anew."""
    model = pretrained.model
    config = dict(pretrained.origin.get("hf_config", {}))
    # Of another file; or, quantised or with code of its own, of another model than the one that is
    # written.
    for stale in (
        "num_labels",
        "torch_dtype",
        "_name_or_path",
        "transformers_version",
        "quantization_config",
        "auto_map",
    ):
        config.pop(stale, None)
    config |= dict(
        architectures=[architecture], model_type="bert", dtype=dtype, tie_word_embeddings=True
    )
    config |= {theirs: getattr(model, ours) for ours, theirs in _SIZES.items()}
    if model.causal or config.get("is_decoder"):
        config |= dict(is_decoder=model.causal)
    config |= dict(
        hidden_act=_ACTIVATION_NAMES[model.activation],
        pad_token_id=pretrained.vocabulary.pad if pretrained.vocabulary else 0,
    )
    if any(head in LABELLED for head in pretrained.heads):
        labels = pretrained.labels or [f"LABEL_{i}" for i in range(model.num_labels)]
        config |= dict(
            id2label={str(i): label for i, label in enumerate(labels)},
            label2id={label: i for i, label in enumerate(labels)},
        )
    elif (
        "span" in pretrained.heads
    ):  # transformers gives that head as many outputs as there are labels
        config.pop("id2label", None), config.pop("label2id", None)
    problems = {kind: problem for problem, kind in _PROBLEMS.items()}
    if pretrained.kind in problems:
        config |= dict(problem_type=problems[pretrained.kind])
    return config
