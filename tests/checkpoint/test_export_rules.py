"""Nothing leaves as another program's BERT that is not one: what a format lacks is refused."""

import dataclasses

import pytest

from bert_jax import config as configs
from bert_jax.checkpoint import hf, tf1
from bert_jax.checkpoint.export_rules import settings_of
from bert_jax.checkpoint.formats import check
from bert_jax.checkpoint.pretrained import Pretrained
from bert_jax.config import ModelConfig, ProbeConfig, TokenizerConfig
from bert_jax.errors import UserError
from bert_jax.model import architecture
from bert_jax.text.vocabulary import SPECIAL_TOKENS, Vocabulary

RULES = {"hf": hf._RULES, "tf1": tf1._RULES}


def made(path, model=ModelConfig(), heads=("mlm",), **settings):
    vocabulary = Vocabulary((*SPECIAL_TOKENS, "a"))
    values = dict(tokenizer=TokenizerConfig(), vocabulary=vocabulary) | settings
    return Pretrained("orbax", path, model, heads, labels=(), names={}, read=dict, **values)


@pytest.fixture(autouse=True)
def without_tensorflow(monkeypatch):
    monkeypatch.setattr(tf1, "_tensorflow", lambda: None)


@pytest.mark.parametrize("to", RULES)
def test_a_bert_is_expressed(tmp_path, to):
    check(made(tmp_path), tmp_path / "new", to)


@pytest.mark.parametrize("to", RULES)
def test_the_rules_are_of_the_keys_that_there_are(tmp_path, to):
    assert RULES[to].keys() == settings_of(made(tmp_path)).keys()


@pytest.mark.parametrize("to", RULES)
def test_an_architectural_key_without_a_rule_is_refused_even_at_its_default(tmp_path, to):
    @dataclasses.dataclass(frozen=True)
    class Windowed(ModelConfig):
        window: int = configs.key(64, "Number of tokens on each side to which a token attends")

    @dataclasses.dataclass(frozen=True)
    class Bias:
        slope: float = configs.key(0.5, "Slope of a bias by distance")

    @dataclasses.dataclass(frozen=True)
    class Biased(ModelConfig):
        bias: Bias = dataclasses.field(default_factory=Bias, metadata=dict(help=""))

    for model, found in ((Windowed(), "model.window = 64"), (Biased(), "model.bias.slope = 0.5")):
        with pytest.raises(UserError, match="has no such model") as error:
            check(made(tmp_path, model), tmp_path / "new", to)
        assert f"found:    {found}\n" in str(error.value)
        assert f"no key {found.split(' ')[0]}\n" in str(error.value)
        assert "--to=orbax" in str(error.value)


@pytest.mark.parametrize(
    "key, value, expected, formats",
    [
        ("model.activation", "swiglu", "'gelu_erf'", "hf tf1"),
        ("model.position.name", "rotary", "'absolute'", "hf tf1"),
        ("model.norm.placement", "pre", "'post'", "hf tf1"),
        ("model.causal", True, "False", "tf1"),
        ("probe.features", "last", "'': there is no BiLSTM", "hf tf1"),
        ("tokenizer.accents", "keep", "'with_case'", "tf1"),
        ("tokenizer.split_cjk", False, "True", "tf1"),
    ],
)
def test_a_value_that_a_format_does_not_list_is_refused(tmp_path, key, value, expected, formats):
    section, _, name = key.partition(".")
    if "." in name:
        model = architecture({name.split(".")[0]: {name.split(".")[1]: value}})
    elif section == "model":
        model = dataclasses.replace(ModelConfig(), **{name: value})
    else:
        model = ModelConfig()
    settings = {}
    if section == "probe":
        settings["probe"] = ProbeConfig(**{name: value})
    if section == "tokenizer":
        settings["tokenizer"] = TokenizerConfig(**{name: value})
    pretrained = made(tmp_path, model, **settings)
    for to in RULES:
        if to not in formats.split():
            check(pretrained, tmp_path / "new", to)
            continue
        with pytest.raises(UserError, match="has no such model") as error:
            check(pretrained, tmp_path / "new", to)
        assert f"{key} = {value!r}" in str(error.value)
        assert f"{key} = {expected}" in str(error.value) and "try:" in str(error.value)
        assert not (tmp_path / "new").exists()


def test_options_of_a_value_that_is_refused_are_named_too(tmp_path):
    model = architecture(dict(position=dict(name="rotary", rotary=dict(base=500.0))))
    with pytest.raises(UserError) as error:
        check(made(tmp_path, model), tmp_path / "new", "hf")
    assert "model.position.rotary.base = 500.0" in str(error.value)


def test_rules_look_at_what_is_exported(tmp_path):
    """The encoder alone reads no features; without a vocabulary there is no tokenizer."""
    probe, tokenizer = ProbeConfig(features="last"), TokenizerConfig(split_cjk=False)
    check(made(tmp_path, heads=(), probe=probe), tmp_path / "new", "hf")
    check(made(tmp_path, tokenizer=tokenizer, vocabulary=None), tmp_path / "new", "tf1")
    causal = dataclasses.replace(ModelConfig(), causal=True)
    for heads in ((), ("nsp",), ("mlm", "nsp")):
        with pytest.raises(UserError, match="(?s)model.causal = True.*reads the first token"):
            check(made(tmp_path, causal, heads), tmp_path / "new", "hf")
