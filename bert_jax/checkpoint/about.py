"""Description of a checkpoint: all settings without which its parameters mean nothing.

A key that a checkpoint lacks was introduced after it was written and has its default; a key that is
not known here was introduced by a newer version.
"""

from dataclasses import dataclass
from typing import Any

from bert_jax.config import (
    ONLY_IN_TRAINING,
    ModelConfig,
    ProbeConfig,
    Schema,
    TokenizerConfig,
    renamed,
    to_dict,
)
from bert_jax.errors import newer_version, reading
from bert_jax.model import architecture
from bert_jax.text.wordpiece import identity


@dataclass(frozen=True)
class About:
    """Description of a checkpoint.

    Attributes:
        model: architecture.
        heads: names of the heads.
        tokenizer: settings of the tokenizer; those that ids do not depend on are at their defaults.
        vocabulary: digest of the vocabulary; None if there is none.
        probe: features that the heads read, if any.
        labels: names of the outputs of a classification head.
        kind: of the task that the heads were trained for; empty if it is not known.
        length: number of tokens to which examples were truncated; 0 if it is not known.
        origin: what an export back to the source's format needs.
    """

    model: ModelConfig
    heads: tuple[str, ...]
    tokenizer: TokenizerConfig
    vocabulary: str | None
    probe: ProbeConfig
    labels: tuple[str, ...]
    kind: str
    length: int
    origin: dict[str, Any]


# Sections of the description in a checkpoint.
_COMPARED = ("model", "heads", "tokenizer", "probe")
_OTHERS = ("canonical_version", "only_in_training", "labels", "kind", "length", "origin")


def describe(
    model: ModelConfig,
    heads: tuple[str, ...],
    tokenizer: TokenizerConfig,
    vocabulary: str | None,
    probe: ProbeConfig = ProbeConfig(),
) -> dict[str, Any]:
    """Returns the part of the description that has to be equal when a checkpoint is restored.

    Args:
        model, heads, tokenizer, probe: as `About` has them.
        vocabulary: digest of the vocabulary, or None.
    """
    settings = {
        name: value for name, value in to_dict(model).items() if name not in ONLY_IN_TRAINING
    }
    return dict(
        model=settings,
        heads=list(heads),
        tokenizer=dict(vocabulary=vocabulary) | identity(tokenizer),
        # Without features there is no probe, whatever its other keys are.
        probe=to_dict(probe if probe.features else ProbeConfig()),
    )


def describe_training(model: ModelConfig) -> dict[str, Any]:
    """Returns the keys of the model that matter in training alone, which exports keep."""
    return dict(only_in_training={name: getattr(model, name) for name in ONLY_IN_TRAINING})


def read(about: dict[str, Any], what: str) -> About:
    """Reads the description in a checkpoint of this or an older version.

    Args:
        about: nested plain values.
        what: names the checkpoint in errors.

    Raises:
        UserError: a newer version wrote it.
    """
    about = renamed.updated_about(about)
    unknown = [name for name in about if name not in (*_COMPARED, *_OTHERS)]
    if unknown:
        raise newer_version(what, unknown)
    tokenizer = dict(about.get("tokenizer", {}))
    vocabulary = tokenizer.pop("vocabulary", None)
    with reading(what):
        model = architecture(about.get("model", {}) | about.get("only_in_training", {}))
        return About(
            model,
            tuple(about.get("heads", ())),
            Schema(TokenizerConfig, prefix="tokenizer.").build(tokenizer),
            vocabulary,
            Schema(ProbeConfig, prefix="probe.").build(about.get("probe", {})),
            tuple(about.get("labels", ())),
            about.get("kind", ""),
            about.get("length", 0),
            about.get("origin", {}),
        )


def compared(about: dict[str, Any], what: str) -> dict[str, Any]:
    """Returns the part of a stored description that `describe` gives, missing keys at their
    defaults.

    Raises:
        UserError: as `read`.
    """
    stored = read(about, what)
    return describe(stored.model, stored.heads, stored.tokenizer, stored.vocabulary, stored.probe)
