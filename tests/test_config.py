import dataclasses
import json
from pathlib import Path

import pytest

from bert_jax import config as configs
from bert_jax.cli.arguments import load_recipe
from bert_jax.errors import UserError

ROOT = Path(__file__).parents[1]


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


@pytest.mark.parametrize("name, value, expected", [
    ("finetune/squad.py:2.0", ("task", "name"), "squad/v2.0"), ("finetune/ner.py:sentence", ("task", "length"), 128),
    ("finetune/ner.py:features-weighted_all", ("model", "features"), "weighted_all"),
    ("evaluate/squad.py:2.0", ("protocol", "batch_sizes"), (48,)),
    ("evaluate/ner.py:sentence", ("protocol", "seeds"), 5),
    ("evaluate/ner.py:features-last", ("protocol", "learning_rates"), (1e-3,)),
])
def test_variants_of_recipes(name, value, expected, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    config = configs.resolve(load_recipe(str(ROOT / "configs" / name)))
    assert getattr(getattr(config, value[0]), value[1]) == expected


def test_paper_sizes(monkeypatch):
    """Hidden size, layers and heads of Devlin et al. (2018), table in section 3, and Turc et al. (2019), table 1."""
    monkeypatch.syspath_prepend(str(ROOT))
    sizes = dict(tiny=(128, 2, 2), mini=(256, 4, 4), small=(512, 4, 8), medium=(512, 8, 8), base=(768, 12, 12),
                 large=(1024, 24, 16))
    for name, expected in sizes.items():
        model = configs.resolve(load_recipe(str(ROOT / f"configs/pretrain/bert_{name}.py"))).model
        assert (model.hidden_size, model.num_layers, model.num_heads) == expected
        assert model.intermediate_size == 4 * model.hidden_size


@pytest.mark.parametrize("key, nearest", [
    ("model.num_layer", "model.num_layers"), ("optimiser.learning_rate", "optimizer.learning_rate"),
    ("learning_rate", "optimizer.learning_rate"), ("modle", "model"),
])
def test_unknown_key_names_the_nearest(key, nearest):
    section, _, rest = key.rpartition(".")
    with pytest.raises(UserError, match=f"config.{key} is not a key") as error:
        configs.from_dict({section: {rest: 1}} if section in ("model",) else {key: 1})
    assert nearest in str(error.value)


@pytest.mark.parametrize("key, value, expected", [
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
    ("mesh.context", 2, "one of 1"),
    ("mesh.rules", [["kernel$", ["model"]]], "'model'"),
    ("mesh.rules", [["(", ["data"]]], "regular expression"),
    ("mesh.slice", 0, "at least 1"),
    ("instances.phases", ((128, 256),), "whole numbers from 1"),
    ("instances.phases", ((1024, 256, 10),), "max_position_embeddings"),
    ("instances.phases", ((128, 256, 10),), "and not 10"),
    ("instances.kind", "sentence_order", "with the objective 'nsp'"),
    ("masking.span_p", 1.0, "below 1"),
    ("train.tokens", -1.0, "not negative"),
    ("optimizer.layer_decay", 0.0, "above 0"),
    ("optimizer.final_share", 1.5, "from 0 to 1"),
    ("optimizer.trust_exclude", ["("], "regular expression"),
    ("objectives", [], "at least one"),
    ("objectives", ["mlm", "lm"], "one head"),
])
def test_bad_values_are_refused_by_name(key, value, expected):
    section, _, name = key.rpartition(".")
    with pytest.raises(UserError, match=f"config.{key}") as error:
        configs.from_dict({section: {name: value}} if section else {name: value})
    assert expected in str(error.value)


def test_resume_differences_name_what_may_not_change():
    before = configs.Config()
    free = dataclasses.replace(before, mesh=dataclasses.replace(before.mesh, fsdp=4),
                               compute=dataclasses.replace(before.compute, dtype="bfloat16"))
    assert configs.resume_differences(before, free) == []
    fixed = dataclasses.replace(before, seed=1, model=dataclasses.replace(before.model, num_layers=6))
    assert configs.resume_differences(before, fixed) == [("seed", 0, 1), ("model.num_layers", 12, 6)]


def test_vocabulary_size_is_taken_or_checked():
    config = configs.Config()
    assert configs.with_vocabulary(config, 99).model.vocab_size == 99
    with pytest.raises(UserError, match="vocab_size"):
        configs.with_vocabulary(configs.with_vocabulary(config, 99), 100)


def test_epochs_and_shares_become_steps():
    config = configs.recipe()
    config.train.epochs, config.train.batch_size, config.optimizer.warmup_share = 3.0, 32, 0.1
    config.evaluate.every = config.checkpoint.every = -1
    made = configs.with_steps(configs.resolve(config), 3668)
    assert (made.train.steps, made.optimizer.warmup_steps, made.evaluate.every, made.checkpoint.every) == (
        345, 34, 115, 115)
    config.train.epochs, config.optimizer.warmup_share, config.evaluate.every = 0.0, 0.0, 7
    made = configs.with_steps(configs.resolve(config), 3668)
    assert (made.train.steps, made.optimizer.warmup_steps, made.evaluate.every) == (1_000_000, 10_000, 7)
    config.train.epochs = 3.0
    with pytest.raises(UserError, match="warmup_steps is out of range"):
        configs.with_steps(configs.resolve(config), 3668)
