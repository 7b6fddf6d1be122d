import dataclasses
import json
from pathlib import Path

import pytest

from bert_jax import config as configs
from bert_jax import recipes
from bert_jax.cli.arguments import load_recipe
from bert_jax.errors import UserError

ROOT = Path(__file__).parents[2]


def test_defaults_are_valid_and_survive_json():
    config = configs.resolve(configs.recipe())
    assert config == configs.Config()
    assert configs.from_dict(json.loads(json.dumps(configs.to_dict(config)))) == config


RECIPES = sorted(path for path in ROOT.glob("configs/**/*.py") if not path.name.startswith("_"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: str(p.relative_to(ROOT)))
def test_recipes_resolve(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.syspath_prepend(str(ROOT))
    configs.resolve(load_recipe(str(path)))


@pytest.mark.parametrize(
    "name, value, expected",
    [
        ("finetune/squad.py:2.0", ("task", "name"), "squad/v2.0"),
        ("finetune/ner.py:sentence", ("task", "length"), 128),
        ("finetune/ner.py:features-weighted_all", ("probe", "features"), "weighted_all"),
        ("evaluate/squad.py:2.0", ("protocol", "batch_sizes"), (48,)),
        ("evaluate/ner.py:sentence", ("protocol", "seeds"), 5),
        ("evaluate/ner.py:features-last", ("protocol", "learning_rates"), (1e-3,)),
    ],
)
def test_variants_of_recipes(name, value, expected, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    config = configs.resolve(load_recipe(str(ROOT / "configs" / name)))
    assert getattr(getattr(config, value[0]), value[1]) == expected


def test_paper_sizes(monkeypatch):
    """Hidden size, layers and heads of Devlin et al. (2018), table in section 3, and Turc et al.
    (2019), table 1."""
    monkeypatch.syspath_prepend(str(ROOT))
    sizes = dict(
        tiny=(128, 2, 2),
        mini=(256, 4, 4),
        small=(512, 4, 8),
        medium=(512, 8, 8),
        base=(768, 12, 12),
        large=(1024, 24, 16),
    )
    for name, expected in sizes.items():
        model = configs.resolve(load_recipe(str(ROOT / f"configs/pretrain/bert_{name}.py"))).model
        assert (model.hidden_size, model.num_layers, model.num_heads) == expected
        assert model.intermediate_size == 4 * model.hidden_size


@pytest.mark.parametrize(
    "key, nearest",
    [
        ("model.num_layer", "model.num_layers"),
        ("optimiser.learning_rate", "optimizer.learning_rate"),
        ("learning_rate", "optimizer.learning_rate"),
        ("modle", "model"),
    ],
)
def test_unknown_key_names_the_nearest(key, nearest):
    section, _, rest = key.rpartition(".")
    with pytest.raises(UserError, match=f"config.{key} is not a key") as error:
        configs.from_dict({section: {rest: 1}} if section in ("model",) else {key: 1})
    assert nearest in str(error.value)


@pytest.mark.parametrize(
    "key, value, expected",
    [
        ("model.num_heads", 7, "divisor of model.hidden_size"),
        ("model.activation", "gelu", "gelu_tanh"),
        ("model.hidden_dropout", 1.0, "below 1"),
        ("model.num_layers", "2", "like 12"),
        ("model.num_layers", True, "like 12"),
        ("instances.length", 1024, "max_position_embeddings"),
        ("masking.random_share", 0.5, "at most 0.2"),
        ("masking.rate", 0.0, "between 0 and 1"),
        ("train.accumulation", 7, "divisor of train.batch_size"),
        ("train.steps", 0, "at least 1"),
        ("optimizer.warmup_steps", 2_000_000, "at most train.steps"),
        ("mesh.data", 0, "or -1"),
        ("mesh.context", 2, "not a key"),
        ("mesh.data", -2, "or -1"),
        ("mesh.rules", [["kernel$", ["model"]]], "'model'"),
        ("mesh.rules", [["(", ["data"]]], "regular expression"),
        ("mesh.slice", 0, "at least 1"),
        ("instances.phases", ((128, 256),), "whole numbers from 1"),
        ("instances.phases", ((1024, 256, 10),), "max_position_embeddings"),
        ("instances.phases", ((128, 256, 10),), "and not 10"),
        ("instances.kind", "sentence_order", "with the objective 'nsp'"),
        ("masking.spans", dict(p=1.0), "no effect"),
        ("masking.scheme", "words", "one of 'tokens', 'whole_words', 'spans'"),
        ("train.tokens", -1.0, "not negative"),
        ("optimizer.layer_decay", 0.0, "above 0"),
        ("optimizer.final_share", 1.5, "from 0 to 1"),
        ("optimizer.decay_exclude", ["("], "regular expression"),
        ("optimizer.learning_rate", float("inf"), "finite"),
        ("optimizer.learning_rate", float("nan"), "finite"),
        ("protocol.learning_rates", [5e-5, float("inf")], "finite"),
        ("protocol.batch_sizes", [16, 0], "at least 1"),
        ("protocol.batch_sizes", [16.5], "like (32,)"),
        ("task.folds", 1, "at least 2, or 0"),
        ("objectives", [], "at least one"),
        ("objectives", ["mlm", "lm"], "one head"),
    ],
)
def test_bad_values_are_refused_by_name(key, value, expected):
    section, _, name = key.rpartition(".")
    with pytest.raises(UserError, match=f"config.{key}") as error:
        configs.from_dict({section: {name: value}} if section else {name: value})
    assert expected in str(error.value)


def test_resume_differences_name_what_may_not_change():
    before = configs.Config()
    free = dataclasses.replace(
        before,
        mesh=dataclasses.replace(before.mesh, fsdp=4),
        compute=dataclasses.replace(before.compute, dtype="bfloat16"),
    )
    assert configs.resume_differences(before, free) == []
    fixed = dataclasses.replace(
        before, seed=1, model=dataclasses.replace(before.model, num_layers=6)
    )
    assert configs.resume_differences(before, fixed) == [
        ("seed", 0, 1),
        ("model.num_layers", 12, 6),
    ]


def test_keys_of_older_versions_are_read_under_their_present_names():
    values = configs.to_dict(configs.Config())
    del values["log"]["sinks"]
    for tensorboard, sinks in ((True, ("tensorboard",)), (False, ())):
        values["log"]["tensorboard"] = tensorboard
        assert recipes.from_stored(values).log.sinks == sinks
