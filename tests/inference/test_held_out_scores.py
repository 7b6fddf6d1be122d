"""Scoring a checkpoint by the door that users take."""

import json

import pytest
from rich.console import Console

from bert_jax import config as configs
from bert_jax.checkpoint import runs
from bert_jax.checkpoint.formats import convert, open_pretrained
from bert_jax.errors import UserError
from bert_jax.inference.held_out_scores import evaluate, recipe_of
from bert_jax.training.loop import train


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    made = {}

    def make(recipe):
        if not made:
            made["workdir"] = tmp_path_factory.mktemp("runs") / "run"
            made["results"] = train(configs.resolve(recipe), made["workdir"], Console(quiet=True))
        return made["workdir"], made["results"]

    return make


def changed(config, **keys):
    values = configs.to_dict(config)
    for name, value in keys.items():
        section, _, key = name.partition("__")
        values[section][key] = value
    return configs.from_dict(values)


def test_scores_are_those_of_training(run_recipe, trained, tmp_path):
    workdir, results = trained(run_recipe)
    for checkpoint in (workdir, workdir / "checkpoints", workdir / "checkpoints" / "6"):
        scores = evaluate(
            changed(recipe_of(checkpoint, elsewhere=False), mesh__data=1),
            checkpoint,
            tmp_path,
            Console(quiet=True),
        )
        assert scores == {
            name: value
            for name, value in results.items()
            if name not in ("seconds", "trained_steps")
        }
    earlier = evaluate(
        changed(recipe_of(workdir, False), mesh__data=1),
        workdir / "checkpoints" / "4",
        tmp_path,
        Console(quiet=True),
    )
    assert earlier["step"] == 4 and earlier["mlm_loss"] != results["mlm_loss"]


def test_any_mesh_counts_every_example_once(run_recipe, trained, tmp_path):
    """20 examples in batches of 8 over 8 devices: the last batch is filled with padding rows."""
    workdir, results = trained(run_recipe)
    scores = evaluate(
        changed(recipe_of(workdir, False), mesh__data=8), workdir, tmp_path, Console(quiet=True)
    )
    assert scores["examples"] == results["examples"] == 20
    for name in ("mlm_loss", "mlm_accuracy", "nsp_loss", "nsp_accuracy"):
        assert scores[name] == pytest.approx(results[name], rel=1e-5)


@pytest.mark.parametrize(
    "key, value",
    [("model__activation", "relu"), ("model__layer_norm_epsilon", 0.1), ("model__num_layers", 3)],
)
def test_another_model_is_refused(run_recipe, trained, tmp_path, key, value):
    workdir, _ = trained(run_recipe)
    config = changed(recipe_of(workdir, False), mesh__data=1, **{key: value})
    with pytest.raises(UserError, match="config.model is not that of") as error:
        evaluate(config, workdir, tmp_path, Console(quiet=True))
    assert f"{key.replace('__', '.')}={value!r}" in str(error.value)


def test_another_tokenizer_is_refused(run_recipe, trained, tmp_path):
    workdir, _ = trained(run_recipe)
    for key, value, expected in (
        ("lowercase", False, "True"),
        ("rules", "huggingface", "'google'"),
    ):
        config = changed(recipe_of(workdir, True), mesh__data=1, **{f"tokenizer__{key}": value})
        with pytest.raises(UserError, match=f"tokenizer.{key}={expected}"):
            evaluate(config, workdir, tmp_path, Console(quiet=True))


def test_heads_are_scored_that_the_checkpoint_has(run_recipe, trained, tmp_path):
    workdir, results = trained(run_recipe)
    values = configs.to_dict(recipe_of(workdir, False)) | dict(objectives=("mlm",))
    scores = evaluate(
        changed(configs.from_dict(values), mesh__data=1), workdir, tmp_path, Console(quiet=True)
    )
    assert (
        scores["mlm_loss"] == pytest.approx(results["mlm_loss"], rel=1e-6)
        and "nsp_loss" not in scores
    )
    convert(open_pretrained(workdir, heads=("mlm",)), tmp_path / "mlm", "orbax")
    with pytest.raises(UserError, match="has no head 'nsp'"):
        evaluate(
            changed(recipe_of(workdir, False), mesh__data=1),
            tmp_path / "mlm",
            tmp_path,
            Console(quiet=True),
        )


def test_a_converted_checkpoint_scores_the_same(run_recipe, trained, tmp_path):
    """Through Hugging Face's format and back; the recipe says nothing of the architecture."""
    workdir, results = trained(run_recipe)
    convert(open_pretrained(workdir), tmp_path / "hf", "hf")
    convert(open_pretrained(tmp_path / "hf"), tmp_path / "back", "orbax")
    values = configs.to_dict(recipe_of(workdir, False))
    values |= dict(model=configs.to_dict(configs.Config())["model"])
    values["tokenizer"] |= dict(rules="huggingface")
    (tmp_path / "new").mkdir()
    values["store"] |= dict(dir="")
    for directory in ("hf", "back"):
        scores = evaluate(
            changed(configs.from_dict(values), mesh__data=1),
            tmp_path / directory,
            tmp_path / "new",
            Console(quiet=True),
        )
        for name in ("mlm_loss", "nsp_loss", "examples"):
            assert scores[name] == pytest.approx(results[name], rel=1e-5)
    with pytest.raises(UserError, match="no recipe of its own"):
        recipe_of(tmp_path / "back", False)


def test_seeds_are_scored_on_the_same_examples(run_recipe, trained, tmp_path):
    workdir, results = trained(run_recipe)
    values = configs.to_dict(recipe_of(workdir, False)) | dict(seed=7)
    scores = evaluate(
        changed(configs.from_dict(values), mesh__data=1), workdir, tmp_path, Console(quiet=True)
    )
    assert scores["mlm_loss"] == results["mlm_loss"]


def test_what_is_no_checkpoint(run_recipe, trained, tmp_path):
    with pytest.raises(UserError, match="is not a checkpoint"):
        runs.find(tmp_path)
    workdir, _ = trained(run_recipe)
    with pytest.raises(UserError, match="no such checkpoint") as error:
        evaluate(
            changed(recipe_of(workdir, False), mesh__data=1),
            workdir / "checkpoints" / "5",
            tmp_path,
            Console(quiet=True),
        )
    assert "[2, 4, 6]" in str(error.value)
    assert json.loads((workdir / "results.json").read_text())["step"] == 6
