"""Descriptions of older checkpoints are complete with defaults, those of newer ones refused."""

import copy
import dataclasses

import pytest

from bert_jax.checkpoint import about as descriptions
from bert_jax.checkpoint.about import compared, describe, describe_training, read
from bert_jax.config import ModelConfig, ProbeConfig, TokenizerConfig, key
from bert_jax.errors import UserError, flattened

MODEL = ModelConfig(vocab_size=11, num_layers=2, hidden_dropout=0.3)
WHOLE = describe(MODEL, ("mlm", "nsp"), TokenizerConfig(), "digest")
KEYS = [name for name in flattened(WHOLE) if name not in ("heads", "tokenizer.vocabulary")]


def without(about, name):
    """The description without a key, its section too if that is then empty."""
    *sections, last = name.split(".")
    about = copy.deepcopy(about)
    node = about
    for section in sections:
        node = node[section]
    del node[last]
    return about


@pytest.mark.parametrize("name", KEYS)
def test_any_key_may_be_missing_and_is_then_its_default(name):
    about = without(WHOLE, name)
    default = flattened(describe(ModelConfig(), (), TokenizerConfig(), None))[name]
    stored = flattened(compared(about, "it"))
    assert stored.pop(name) == default
    assert stored == {key: value for key, value in flattened(WHOLE).items() if key != name}


def test_sections_may_be_missing_as_well():
    for section in ("probe", "position", "norm"):
        about = copy.deepcopy(WHOLE)
        del (about if section == "probe" else about["model"])[section]
        assert compared(about, "it") == WHOLE


def test_a_key_to_come_is_its_default_in_checkpoints_of_today(monkeypatch):
    """As if a later version had a key more: its code need not name it anywhere."""

    @dataclasses.dataclass(frozen=True)
    class Later(ModelConfig):
        window: int = key(64, "Width of attention")

    monkeypatch.setattr(
        descriptions,
        "architecture",
        lambda values: Later(**{k: v for k, v in values.items() if k not in ("position", "norm")}),
    )
    later = describe(
        Later(vocab_size=11, num_layers=2), ("mlm", "nsp"), TokenizerConfig(), "digest"
    )
    assert later["model"]["window"] == 64 and "window" not in WHOLE["model"]
    assert compared(WHOLE, "it") == later
    assert compared(later | dict(model=later["model"] | dict(window=32)), "it") != later


def test_what_only_training_reads_is_kept_and_not_compared():
    whole = WHOLE | describe_training(MODEL)
    assert read(whole, "it").model == MODEL and compared(whole, "it") == WHOLE
    assert read(WHOLE, "it").model == dataclasses.replace(MODEL, hidden_dropout=0.1)


def test_without_features_the_probe_is_none():
    probe = ProbeConfig(lstm_size=3)
    assert describe(MODEL, ("mlm", "nsp"), TokenizerConfig(), "digest", probe) == WHOLE
    probe = dataclasses.replace(probe, features="last")
    about = describe(MODEL, ("tag",), TokenizerConfig(), "digest", probe)
    assert read(about, "it").probe == probe


@pytest.mark.parametrize(
    "section, name",
    [
        ("", "decoder"),
        ("model", "window"),
        ("model.position", "theta"),
        ("only_in_training", "schedule"),
        ("tokenizer", "form"),
        ("probe", "cells"),
    ],
)
def test_a_key_of_a_newer_version_is_named(section, name):
    about = copy.deepcopy(WHOLE | describe_training(MODEL))
    node = about
    for part in filter(None, section.split(".")):
        node = node[part]
    node[name] = 1
    with pytest.raises(UserError, match="checkpoint 5 was written by a newer version") as error:
        read(about, "checkpoint 5")
    assert name in str(error.value) and "use the version that wrote it" in str(error.value)


def test_a_value_of_a_newer_version_names_the_checkpoint():
    about = copy.deepcopy(WHOLE)
    about["model"]["activation"] = "swiglu"
    with pytest.raises(UserError, match="checkpoint 5 cannot be used by this version") as error:
        read(about, "checkpoint 5")
    assert "model.activation" in str(error.value) and "swiglu" in str(error.value)
