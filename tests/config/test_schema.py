"""Keys of registered entries, and files that older versions wrote."""

from dataclasses import dataclass

import pytest

from bert_jax import config as configs
from bert_jax import recipes
from bert_jax.config import Options, Schema, key, renamed
from bert_jax.config.keys import section, selected, selector
from bert_jax.errors import UserError
from bert_jax.model import architecture
from bert_jax.optim.lamb import LambOptions
from bert_jax.pretraining.spans import SpanOptions


@dataclass(frozen=True)
class BigOptions(Options):
    size: int = key(7, "Size of it", at_least=1)


@dataclass(frozen=True)
class ThingConfig:
    kind: str = selector("small", "Kind of thing")
    weight: float = key(1.0, "Weight of the thing")
    options: Options = selected()


@dataclass(frozen=True)
class Root:
    seed: int = key(0, "Seed")
    thing: ThingConfig = section(ThingConfig, "A thing")


SCHEMA = Schema(Root, {"thing": {"small": Options, "big": BigOptions}})


def test_entries_bring_their_own_keys():
    assert list(SCHEMA.key_fields()) == ["seed", "thing.kind", "thing.weight", "thing.big.size"]
    assert SCHEMA.key_fields()["thing.kind"].choices == ("small", "big")
    recipe = SCHEMA.recipe()
    assert SCHEMA.build(recipe.to_dict()) == Root()
    recipe.thing.kind, recipe.thing.big.size = "big", 9
    built = SCHEMA.build(recipe.to_dict())
    assert built.thing.options == BigOptions(9)
    assert configs.flat(built) == {
        "seed": 0, "thing.kind": "big", "thing.weight": 1.0, "thing.big.size": 9
    }  # fmt: skip
    assert SCHEMA.build(configs.to_dict(built)) == built
    assert SCHEMA.build(dict(thing=dict(kind="big"))).thing.options == BigOptions()


@pytest.mark.parametrize(
    "values, expected",
    [
        (dict(thing=dict(big=dict(size=9))), "config.thing.big.size has no effect"),
        (dict(thing=dict(kind="huge")), "one of 'small', 'big'"),
        (dict(thing=dict(kind="big", big=dict(sizes=9))), "config.thing.big.size, perhaps"),
        (dict(thing=dict(kind="big", big=9)), "a section of keys"),
        (dict(thing=dict(weight="heavy")), "like 1.0"),
    ],
)
def test_wrong_keys_of_entries(values, expected):
    with pytest.raises(UserError) as error:
        SCHEMA.build(values)
    assert expected in str(error.value)


def test_a_stored_config_has_the_keys_of_what_is_selected():
    config = recipes.from_dict(dict(optimizer=dict(name="lamb")))
    assert config.optimizer.options == LambOptions()
    stored = configs.to_dict(config)
    assert "lamb" in stored["optimizer"] and "spans" not in stored["masking"]
    assert recipes.from_stored(stored) == config
    assert recipes.resolve(recipes.recipe_of(config)) == config


@pytest.mark.parametrize(
    "old, new",
    [
        (dict(masking=dict(whole_word=False, span_p=0.0, span_longest=10)), {}),
        (dict(masking=dict(whole_word=True)), {"masking.scheme": "whole_words"}),
        (
            dict(masking=dict(whole_word=True, span_p=0.3, span_longest=5)),
            {"masking.scheme": "spans", "masking.spans.p": 0.3, "masking.spans.longest": 5},
        ),
        (dict(optimizer=dict(name="adamw", trust_exclude=["a"])), {"optimizer.name": "adamw"}),
        (
            dict(optimizer=dict(name="lamb", trust_exclude=["a"])),
            {"optimizer.name": "lamb", "optimizer.lamb.trust_exclude": ("a",)},
        ),
        (
            dict(model=dict(features="last", lstm_layers=1), optimizer=dict(frozen=["^/bert/"])),
            {
                "probe.features": "last",
                "probe.lstm_layers": 1,
                "optimizer.frozen": ("^/bert/",),
            },
        ),
        (dict(mesh=dict(context=1, member=1, fsdp=2)), {"mesh.fsdp": 2}),
    ],
)
def test_configs_of_older_versions_are_read(old, new):
    found, defaults = configs.flat(recipes.from_stored(old)), configs.flat(configs.Config())
    assert {name: x for name, x in found.items() if defaults.get(name) != x} == new


def test_keys_of_other_versions_are_refused():
    with pytest.raises(UserError, match="model.rotation is not a key"):
        recipes.from_stored(dict(model=dict(rotation=True)))
    with pytest.raises(UserError, match="mesh.context is not a key"):
        recipes.from_stored(dict(mesh=dict(context=2)))


def test_checkpoints_of_older_versions_say_the_same():
    model = configs.to_dict(configs.ModelConfig())
    about = dict(
        model=model | dict(features="last", lstm_size=8, lstm_layers=2),
        heads=["tag"],
        origin={"a.b": 1},
    )
    now = renamed.updated_about(about)
    assert now["probe"] == dict(features="last", lstm_size=8, lstm_layers=2)
    assert now["model"] == model and now["origin"] == {"a.b": 1} and now["heads"] == ["tag"]
    assert architecture(dict(hidden_size=8)) == configs.ModelConfig(hidden_size=8)
    with pytest.raises(UserError, match="config.model.hidden is not a key"):
        architecture(dict(hidden=8))


def test_what_relates_an_entry_to_other_keys_is_checked():
    with pytest.raises(UserError, match="(?s)masking.draw is out of range.*'exact' with"):
        recipes.from_dict(dict(masking=dict(scheme="spans", draw="independent")))
    spans = recipes.from_dict(dict(masking=dict(scheme="spans", spans=dict(p=0.5))))
    assert spans.masking.options == SpanOptions(p=0.5)
    with pytest.raises(UserError, match="masking.spans.p is out of range"):
        recipes.from_dict(dict(masking=dict(scheme="spans", spans=dict(p=1.0))))


def test_all_help_texts_are_phrases():
    for name, declared in recipes.key_fields().items():
        assert declared.help[0].isupper() or declared.help.startswith("TFDS"), name
        assert not declared.help.endswith("."), name
