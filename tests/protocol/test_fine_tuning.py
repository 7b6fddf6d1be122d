"""The protocol schedules runs, selects and reports; what it reports is what the runs said."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from rich.console import Console

import evaluate
from bert_jax import config as configs
from bert_jax.checkpoint.runs import CHECKPOINTS
from bert_jax.errors import UserError
from bert_jax.importers import glue
from bert_jax.protocol import fine_tuning, pages
from bert_jax.runs import files
from tests.made_glue import official_files, write


@pytest.fixture
def planned(short_recipe, tmp_path):
    """Two settings of two seeds on one small task."""
    short_recipe.train.epochs = 0.0
    short_recipe.protocol.update(
        dict(
            tasks=("classification",),
            learning_rates=(5e-3, 1e-5),
            batch_sizes=(16,),
            epochs=(1.0,),
            seeds=2,
        )
    )
    config = configs.resolve(short_recipe)
    return fine_tuning.plan(config, short_recipe.init_from, tmp_path, config.protocol.tasks)


def test_every_setting_and_seed_is_planned_once(planned):
    assert [one.name for one in planned] == [
        f"classification/bs16-ep1-lr{rate}-seed{seed}"
        for rate in ("0.005", "1e-05")
        for seed in (0, 1)
    ]
    assert {
        (
            one.config.optimizer.learning_rate,
            one.config.train.batch_size,
            one.config.train.epochs,
            one.config.seed,
        )
        for one in planned
    } == {(rate, 16, 1.0, seed) for rate in (5e-3, 1e-5) for seed in (0, 1)}


def test_folds_are_runs(short_recipe, tmp_path):
    short_recipe.protocol.update(dict(learning_rates=(5e-3,), epochs=(1.0,), seeds=2, folds=3))
    planned = fine_tuning.plan(
        configs.resolve(short_recipe), short_recipe.init_from, tmp_path, ("classification",)
    )
    assert [(one.config.seed, one.config.task.folds, one.config.task.fold) for one in planned] == [
        (seed, 3, fold) for seed in (0, 1) for fold in (0, 1, 2)
    ]
    assert len({one.name for one in planned}) == 6


def test_each_run_may_come_from_scratch_too(short_recipe, tmp_path):
    short_recipe.protocol.update(dict(learning_rates=(5e-3,), epochs=(1.0,), from_scratch=True))
    planned = fine_tuning.plan(
        configs.resolve(short_recipe), short_recipe.init_from, tmp_path, ("classification",)
    )
    assert [(one.task, one.config.init_parameters) for one in planned] == [
        ("classification", "all"),
        ("classification-from-scratch", "none"),
    ]
    assert planned[0].config == dataclasses.replace(planned[1].config, init_parameters="all")


@pytest.fixture
def nli_recipe(short_recipe, tmp_path):
    """The protocol on small MNLI and RTE, from MNLI's best model."""
    folder = write(official_files(train=60, validation=12, test=12), tmp_path / "glue_data")
    for task in ("mnli", "rte"):
        glue.prepare(task, folder, str(tmp_path / "data"), partial=True)
    short_recipe.task.data_dir, short_recipe.train.epochs = str(tmp_path / "data"), 0.0
    short_recipe.protocol.update(dict(from_mnli=True, learning_rates=(5e-3, 1e-5), epochs=(1.0,)))
    return short_recipe


def test_mnli_comes_first_and_its_best_model_is_the_start(nli_recipe, tmp_path, monkeypatch):
    planned = fine_tuning.plan(
        configs.resolve(nli_recipe), nli_recipe.init_from, tmp_path, ("rte",)
    )
    assert [one.task for one in planned] == ["mnli", "mnli", "rte", "rte"]
    assert [fine_tuning.recipe_of(one, tmp_path) is None for one in planned] == [
        False,
        False,
        True,
        True,
    ]
    monkeypatch.setattr(fine_tuning, "is_done", lambda one, workdir: True)
    for one, score in zip(planned[:2], (0.3, 0.5)):
        (tmp_path / one.name).mkdir(parents=True)
        files.write_json(
            tmp_path / one.name / files.RESULTS,
            {
                "kind": "classification",
                "seconds": dict(all=1),
                "validation_matched/accuracy": score,
            },
        )
    recipe = fine_tuning.recipe_of(planned[2], tmp_path)
    assert (
        recipe.init_from == str(tmp_path / planned[1].name) and recipe.init_parameters == "encoder"
    )
    nli_recipe.protocol.from_mnli = False
    planned = fine_tuning.plan(
        configs.resolve(nli_recipe), nli_recipe.init_from, tmp_path, ("rte", "mnli")
    )
    assert [one.task for one in planned] == ["rte", "rte", "mnli", "mnli"] and not any(
        one.through for one in planned
    )


@pytest.mark.full
def test_rte_starts_from_mnli(nli_recipe, tmp_path):
    planned = fine_tuning.plan(
        configs.resolve(nli_recipe), nli_recipe.init_from, tmp_path / "glue", ("rte",)
    )
    results = fine_tuning.fine_tune(planned, tmp_path / "glue", Console(quiet=True))
    best = str(tmp_path / "glue" / results["mnli"]["best"])
    for one in planned[2:]:
        assert files.read_config(tmp_path / "glue" / one.name).init_from == best
    assert fine_tuning.fine_tune(planned, tmp_path / "glue", Console(quiet=True)) == results


@pytest.mark.full
def test_runs_are_done_once_selected_and_reported(planned, tmp_path):
    console = Console(quiet=True)
    results = fine_tuning.fine_tune(planned, tmp_path, console)["classification"]
    said = {
        one.name: json.loads((tmp_path / one.name / files.RESULTS).read_text()) for one in planned
    }
    assert results["metric"] == "validation/mean"
    for setting in results["settings"]:
        scores = [
            said[one.name]["validation/mean"]
            for one in planned
            if one.setting == setting["setting"]
        ]
        assert setting["runs"] == 2 and setting["mean"] == pytest.approx(np.mean(scores))
        assert setting["best"] == max(scores) and setting["deviation"] == pytest.approx(
            np.std(scores, ddof=1)
        )
        assert min(scores) <= setting["interval"][0] <= setting["interval"][1] <= max(scores)
    means = {json.dumps(one["setting"]): one["mean"] for one in results["settings"]}
    assert results["selected"] == json.loads(max(means, key=means.get))
    of_selected = {
        one.name: said[one.name]["validation/mean"]
        for one in planned
        if one.setting == results["selected"]
    }
    assert of_selected[results["best"]] == max(of_selected.values())
    assert [one.name for one in planned if (tmp_path / one.name / CHECKPOINTS).exists()] == [
        results["best"]
    ]
    assert 0 <= results["expected_calibration_error"] <= 1
    evaluate.main(
        [f"--checkpoint={tmp_path / results['best']}"]
    )  # it alone, not the protocol that it is a run of
    scored = json.loads((tmp_path / results["best"] / "evaluation.json").read_text())
    assert scored["validation/mean"] == pytest.approx(said[results["best"]]["validation/mean"])
    pages.write({"classification": results}, "checkpoint", "python evaluate.py", tmp_path)
    written = (tmp_path / pages.MARKDOWN).read_text()
    assert (tmp_path / pages.HTML).read_text().count("<img") == 4
    assert written.count("| classification |") == 3 and f"{max(means.values()):.4f}" in written

    # A second time nothing is trained, and a run that is not there is done alone.
    before = {one.name: (tmp_path / one.name / files.RESULTS).stat().st_mtime_ns for one in planned}
    shutil.rmtree(tmp_path / planned[3].name)
    assert (
        fine_tuning.fine_tune(planned, tmp_path, console)["classification"]["settings"]
        == results["settings"]
    )
    after = {one.name: (tmp_path / one.name / files.RESULTS).stat().st_mtime_ns for one in planned}
    assert [name for name in before if before[name] != after[name]] == [planned[3].name]
    changed = dataclasses.replace(
        planned[0],
        config=dataclasses.replace(
            planned[0].config, task=dataclasses.replace(planned[0].config.task, length=20)
        ),
    )
    with pytest.raises(UserError, match="config.task.length"):
        fine_tuning.is_done(changed, tmp_path)


def test_published_scores_stand_beside_ours():
    run = dict(
        directory="a",
        scores={"validation/f1": 0.9, "validation/exact": 0.8, "validation/loss": 1.0},
    )
    setting = dict(
        setting={"lr": 1.0}, best=0.9, median=0.9, mean=0.9, deviation=None, interval=None, runs=1
    )
    found = dict(
        kind="span",
        metric="validation/f1",
        runs=[run],
        settings=[setting],
        selected={"lr": 1.0},
        best="a",
    )
    section = pages.sections({"squad1": found, "other": found})[1]
    ((columns, rows),) = section.tables
    assert columns == ["squad1", "f1", "exact"] and rows[0] == [
        "this checkpoint, best run",
        "90.0",
        "80.0",
    ]
    assert rows[1] == ["BERT-base (Devlin et al. (2018), table 2)", "88.5", "80.8"]


def test_statistics_of_one_run_and_of_equal_ones():
    one = fine_tuning.summary({}, [0.5])
    assert (
        one["best"] == one["median"] == one["mean"] == 0.5
        and one["deviation"] is one["interval"] is None
    )
    assert fine_tuning.summary({}, [0.5, 0.5])["interval"] == [0.5, 0.5]
    many = fine_tuning.summary({}, np.random.default_rng(0).normal(0.8, 0.1, 50))
    low, high = many["interval"]
    assert low < many["mean"] < high and (high - low) == pytest.approx(
        2 * 1.96 * many["deviation"] / 50**0.5, rel=0.2
    )


def test_tasks_that_are_not_there_are_refused(short_recipe, tmp_path):
    config = configs.resolve(short_recipe)
    with pytest.raises(UserError, match="has nothing to train on"):
        fine_tuning.plan(config, "x", tmp_path, ("ax",))
    with pytest.raises(UserError, match="'clasification' is not prepared") as error:
        fine_tuning.plan(config, "x", tmp_path, ("clasification",))
    assert "classification" in str(error.value)


def test_the_door_shows_its_plan(short_recipe, tmp_path, capsys):
    (tmp_path / "recipe.py").write_text("from bert_jax.config import recipe as get_config\n")
    arguments = [
        f"--config={tmp_path / 'recipe.py'}",
        f"--checkpoint={short_recipe.init_from}",
        f"--workdir={tmp_path / 'run'}",
        f"--config.task.data_dir={short_recipe.task.data_dir}",
        "--config.task.length=24",
        "--config.optimizer.warmup_share=0.1",
        "--tasks=tagging",
        "--config.task.row_counts=1",
        "--dry_run",
    ]
    evaluate.main(arguments)
    printed = capsys.readouterr().out
    task, examples, runs, done, steps, clock, memory, unit = next(
        line for line in printed.splitlines() if line.startswith("tagging")
    ).split()
    assert (examples, runs, done, steps) == ("200", "4", "0", "84")
    hours, minutes, seconds = map(int, clock.split(":"))
    assert (hours, minutes, seconds) > (0, 0, 0) and float(memory) > 0 and unit == "MiB"
    assert f"about {clock} (h:mm:ss) in all" in printed
    assert [path.name for path in (tmp_path / "run").iterdir()] == [
        "tokenised"
    ]  # nothing is trained
    with pytest.raises(UserError, match="needs a directory for its runs"):
        evaluate.main([a for a in arguments if not a.startswith("--workdir")])


def test_tasks_need_a_recipe(run_recipe, tmp_path):
    files.write_json(tmp_path / files.CONFIG, configs.to_dict(configs.resolve(run_recipe)))
    (tmp_path / CHECKPOINTS).mkdir()
    with pytest.raises(UserError, match="--tasks needs a recipe"):
        evaluate.main(
            [f"--checkpoint={tmp_path}", f"--workdir={tmp_path / 'tasks'}", "--tasks=rte"]
        )
