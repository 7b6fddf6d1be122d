"""Runs that learn a task, from beginning to end, on small data sets in which there is something to
learn."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import evaluate
from bert_jax import config as configs
from bert_jax.checkpoint.checkpoints import Checkpoints
from bert_jax.checkpoint.formats import open_pretrained
from bert_jax.checkpoint.pretrained import flat
from bert_jax.checkpoint.runs import CHECKPOINTS
from bert_jax.errors import UserError
from bert_jax.importers import conll
from bert_jax.objectives import OF_KIND
from bert_jax.parallel.mesh import make_mesh
from bert_jax.runs import files
from bert_jax.tasks import metrics
from bert_jax.training.loop import train
from bert_jax.training.task_workload import TaskData, unpacked_shapes
from tests.made_tasks import choice_rows, conll_file, rows, squad_file

GOLDEN = Path(__file__).parents[2] / "bert_jax" / "verification" / "golden" / "bert"


def predictions(workdir):
    return [
        json.loads(line)
        for line in (workdir / files.PREDICTIONS / "validation.jsonl").read_text().splitlines()
    ]


def go(recipe, workdir):
    return train(configs.resolve(recipe), workdir, Console(quiet=True))


def lines(workdir, kind):
    read = [json.loads(line) for line in (workdir / files.METRICS).read_text().splitlines()]
    return [line for line in read if line["kind"] == kind]


def test_a_class_is_learned_and_everything_written(task_recipe, tmp_path):
    results = go(task_recipe, tmp_path)
    assert results["validation/accuracy"] > 0.95 > 0.8 > results["baselines"]["validation/accuracy"]
    assert results["step"] == 156 and results["examples"] == 60
    assert [line["step"] for line in lines(tmp_path, "held_out")] == [78, 156]
    predicted = predictions(tmp_path)
    expected = rows("classification", 60, 1)
    assert [line["idx"] for line in predicted] == list(range(60))
    assert [line["label"] for line in predicted] == [row["label"] for row in expected]
    assert np.mean([line["prediction"] == line["label"] for line in predicted]) == pytest.approx(
        results["validation/accuracy"]
    )
    for line in predicted:
        assert sum(line["probabilities"]) == pytest.approx(1, abs=1e-5)
        assert ("no", "yes")[int(np.argmax(line["probabilities"]))] == line["prediction"]
    assert (tmp_path / files.CURVES).stat().st_size > 10_000
    assert go(task_recipe, tmp_path) == results  # done: nothing is trained again


@pytest.mark.full
@pytest.mark.parametrize(
    "kind, metric, least",
    [
        ("regression", "pearson", 0.9),
        ("tagging", "macro_f1", 0.95),
        ("multilabel", "micro_f1", 0.9),
    ],
)
def test_other_kinds_are_learned(task_recipe, tmp_path, kind, metric, least):
    task_recipe.task.name = kind
    results = go(task_recipe, tmp_path)
    assert (
        results[f"validation/{metric}"] > least > results["baselines"][f"validation/{metric}"] + 0.1
    )
    predicted = predictions(tmp_path)
    expected = [row["tags" if kind == "tagging" else "label"] for row in rows(kind, 60, 1)]
    assert [line["label"] for line in predicted] == expected
    if kind == "tagging":
        assert all(len(line["prediction"]) == len(line["label"]) for line in predicted)
    if kind == "regression":
        found = [line["prediction"] for line in predicted]
        assert metrics.score(["pearson"], np.array(expected), np.array(found))[
            "pearson"
        ] == pytest.approx(results["validation/pearson"])


@pytest.mark.full
@pytest.mark.parametrize("kind", ["span", "span2"])
def test_answers_are_found(task_recipe, tmp_path, kind):
    task_recipe.task.update(
        dict(name=kind, length=12, stride=3, max_answer_length=4)
    )  # two windows, some
    results = go(task_recipe, tmp_path)
    asked = {
        question["id"]: question["answers"]
        for paragraph in squad_file(kind, 60, 1)["data"][0]["paragraphs"]
        for question in paragraph["qas"]
    }
    counted = "best_f1" if kind == "span2" else "f1"
    assert results[f"validation/{counted}"] > 0.9 > results["baselines"][f"validation/{counted}"]
    said = json.loads((tmp_path / files.PREDICTIONS / "validation.predictions.json").read_text())
    right = {
        id: said[id] in ([answer["text"] for answer in answers] or [""])
        for id, answers in asked.items()
    }
    assert np.mean(list(right.values())) == pytest.approx(
        results["validation/best_exact" if kind == "span2" else "validation/exact"]
    )
    assert {line["idx"]: line["prediction"] for line in predictions(tmp_path)} == said
    for name in ("nbest_predictions", *["null_odds"] * (kind == "span2")):
        assert (
            json.loads(
                (tmp_path / files.PREDICTIONS / f"validation.{name}.json").read_text()
            ).keys()
            == said.keys()
        )
    assert (
        results["labels"] == ["answer", "no answer"][: 1 + (kind == "span2")]
        and results["kind"] == "span"
    )


@pytest.mark.full
def test_choices_are_made(task_recipe, tmp_path):
    task_recipe.task.name, task_recipe.task.length = "choice", 10
    results = go(task_recipe, tmp_path)
    assert results["validation/accuracy"] > 0.9 > 0.5 > results["baselines"]["validation/accuracy"]
    assert [int(line["label"]) for line in predictions(tmp_path)] == [
        row["label"] for row in choice_rows(60, 1)
    ]
    assert all(len(line["probabilities"]) == 3 for line in predictions(tmp_path))


@pytest.mark.full
def test_words_of_long_sentences_are_scored_once_each(short_recipe, tmp_path):
    short_recipe.task.name, short_recipe.task.length = "tagging", 7  # five words
    short_recipe.train.batch_size = 14  # and a last batch of other examples than those in order
    results, predicted = go(short_recipe, tmp_path), predictions(tmp_path)
    expected = [row["tags"] for row in rows("tagging", 60, 1)]
    assert max(map(len, expected)) > 5
    assert [line["label"] for line in predicted] == expected
    assert (
        [len(line["prediction"]) for line in predicted]
        == [len(line["probabilities"]) for line in predicted]
        == [len(tags) for tags in expected]
    )
    right = [
        guess == tag
        for line, tags in zip(predicted, expected)
        for guess, tag in zip(line["prediction"], tags)
    ]
    assert results["validation/accuracy"] == pytest.approx(np.mean(right))


@pytest.mark.full
def test_documents_tell_what_sentences_do_not(task_recipe, tmp_path):
    files = {split: tmp_path / f"{split}.txt" for split in ("train", "validation")}
    for (path, documents), seed in zip(((files["train"], 150), (files["validation"], 40)), (0, 1)):
        path.write_text(conll_file(documents, seed))
    conll.prepare(files, "documents", str(tmp_path / "data"))
    task_recipe.task.name, task_recipe.task.data_dir = "documents", str(tmp_path / "data")
    found = {}
    for context in ("document", "sentence"):
        task_recipe.task.context = context
        found[context] = go(task_recipe, tmp_path / context)["validation/entity_f1"]
    assert (
        found["document"] > 0.95 and found["sentence"] < 0.7
    )  # both find the words; only one can tell what they are


@pytest.mark.parametrize("kind", sorted(OF_KIND))
def test_shapes_are_known_without_data(task_recipe, tmp_path, kind):
    task_recipe.task.name = kind
    config = configs.resolve(task_recipe)
    mesh = make_mesh(config.mesh)
    data = TaskData(config, tmp_path, open_pretrained(GOLDEN), progress=False)
    workload = data.workload(config, mesh, Console(quiet=True))
    plan = workload.plan
    config = dataclasses.replace(config, objectives=plan.objectives, model=plan.model)
    found = unpacked_shapes(config, choices=3)
    shapes, *_ = workload.shapes().values()
    assert {name: x.dtype for name, x in shapes.items()} == {
        name: x.dtype for name, x in found.items()
    }
    # Packed there are several examples in a row, and fewer rows.
    assert {name: x.shape[2:] for name, x in shapes.items()} == {
        name: x.shape[2:] for name, x in found.items()
    }
    assert shapes["input_ids"].shape[1] == found["input_ids"].shape[1]
    places = shapes["labels"].shape[1] if kind != "tagging" else shapes["example_weights"].shape[1]
    for name in ("example_weights", "labels", "label_weights"):
        if name in found:
            per_token = found[name].shape[1] == found["input_ids"].shape[1]
            assert shapes[name].shape[1] == found[name].shape[1] * (1 if per_token else places), (
                name
            )


@pytest.mark.full
def test_stopped_and_resumed_it_is_the_same_run(short_recipe, tmp_path):
    short_recipe.checkpoint.every = -1
    whole = go(short_recipe, tmp_path / "whole")
    short_recipe.train.stop_after = 17
    assert go(short_recipe, tmp_path / "parts") is None
    short_recipe.train.stop_after = 0
    parts = go(short_recipe, tmp_path / "parts")
    for name in whole:
        if name != "seconds":
            assert parts[name] == whole[name], name


@pytest.mark.parametrize("stops", [False, pytest.param(True, marks=pytest.mark.full)])
def test_it_stops_early_and_keeps_the_best(task_recipe, tmp_path, stops):
    task_recipe.optimizer.learning_rate = 1e-2
    task_recipe.evaluate.every, task_recipe.train.patience, task_recipe.log.sinks = 13, 2, ()
    results = go(task_recipe, tmp_path / "whole")
    scores = [
        (line["step"], line["validation/mean"]) for line in lines(tmp_path / "whole", "held_out")
    ]
    best = max(scores, key=lambda at: (at[1], -at[0]))
    assert best[0] == results["step"] < results["trained_steps"] == best[0] + 26 < 156
    assert results["validation/mean"] == pytest.approx(best[1])
    predicted = predictions(tmp_path / "whole")  # of the best step, not of the last
    assert np.mean([line["prediction"] == line["label"] for line in predicted]) == pytest.approx(
        results["validation/accuracy"]
    )
    assert Checkpoints(tmp_path / "whole" / CHECKPOINTS, read_only=True).latest_good() == best[0]
    assert go(task_recipe, tmp_path / "whole") == results

    # Stopped between evaluations, and after the best one.
    for stop in range(10, results["trained_steps"], 10) if stops else ():
        task_recipe.train.stop_after = stop
        assert go(task_recipe, tmp_path / "parts") is None
    task_recipe.train.stop_after = 0
    parts = go(task_recipe, tmp_path / ("parts" if stops else "whole"))
    assert parts | dict(seconds=0) == results | dict(seconds=0)


@pytest.mark.full
def test_folds_are_scored_on_what_is_not_learned(short_recipe, tmp_path):
    short_recipe.task.folds, seen = 4, []
    for fold in (0, 3):
        short_recipe.task.fold = fold
        results = go(short_recipe, tmp_path / str(fold))
        assert (
            results["examples"] == 50
            and "fold/accuracy" in results
            and "validation/accuracy" not in results
        )
        seen.append(
            {
                json.loads(line)["idx"]
                for line in (tmp_path / str(fold) / files.PREDICTIONS / "fold.jsonl")
                .read_text()
                .splitlines()
            }
        )
    assert not seen[0] & seen[1]
    evaluate.main([f"--checkpoint={tmp_path / '3'}"])
    scored = json.loads((tmp_path / "3" / "evaluation.json").read_text())
    assert (
        scored["fold/accuracy"] == pytest.approx(results["fold/accuracy"])
        and scored["examples"] == 50
    )
    short_recipe.task.folds = 150
    with pytest.raises(UserError, match="more folds than there are examples of some class"):
        go(short_recipe, tmp_path / "many")


@pytest.mark.full
def test_a_model_of_other_labels_is_a_start_without_its_head(short_recipe, tmp_path):
    short_recipe.task.name = "multilabel"
    go(short_recipe, tmp_path / "three")
    short_recipe.task.name, short_recipe.init_from = "classification", str(tmp_path / "three")
    with pytest.raises(UserError, match="does not fit the recipe") as error:
        go(short_recipe, tmp_path / "two")
    assert "--config.init_parameters=encoder" in str(error.value)
    short_recipe.init_parameters = "encoder"
    assert go(short_recipe, tmp_path / "two")["labels"] == ["no", "yes"]


@pytest.mark.parametrize("parameters", ["encoder", "none"])
def test_which_parameters_are_taken(task_recipe, tmp_path, parameters):
    """Nothing is learned; so what is saved is what the run began with."""
    task_recipe.init_parameters, task_recipe.optimizer.learning_rate = parameters, 0.0
    task_recipe.train.epochs, task_recipe.train.steps, task_recipe.evaluate.every = 0.0, 1, 0
    go(task_recipe, tmp_path)
    ours, theirs = open_pretrained(tmp_path), open_pretrained(GOLDEN)
    assert (
        ours.vocabulary == theirs.vocabulary and ours.model.hidden_size == theirs.model.hidden_size
    )
    same = [
        np.array_equal(one, other)
        for path, one in flat(ours.read()["bert"]).items()
        if (other := flat(theirs.read()["bert"])[path]).std() > 0
        and path.endswith(("kernel", "embedding"))
    ]
    assert len(same) > 10 and set(same) == {parameters == "encoder"}


@pytest.mark.full
def test_meshes_and_row_counts_change_nothing(short_recipe, tmp_path):
    """With dropout off: how examples are packed and where rows lie is no part of what is
    learned."""
    short_recipe.model.update(
        dict(hidden_dropout=0.0, attention_dropout=0.0, classifier_dropout=0.0)
    )
    short_recipe.compute.matmul_precision = "highest"
    expected = go(short_recipe, tmp_path / "one")
    short_recipe.mesh.data, short_recipe.mesh.tensor, short_recipe.task.row_counts = 4, 2, 1
    found = go(short_recipe, tmp_path / "eight")
    for step, (one, other) in enumerate(
        zip(*(lines(tmp_path / name, "train") for name in ("one", "eight")))
    ):
        assert other["loss"] == pytest.approx(one["loss"], rel=1e-4), step
    assert found["validation/loss"] == pytest.approx(expected["validation/loss"], rel=1e-3)


@pytest.mark.full
def test_seeds_differ(short_recipe, tmp_path):
    first = go(short_recipe, tmp_path / "0")
    short_recipe.seed = 1
    assert go(short_recipe, tmp_path / "1")["validation/loss"] != first["validation/loss"]


def test_what_cannot_be_learned_is_refused(task_recipe, tmp_path):
    task_recipe.init_from = ""
    with pytest.raises(UserError, match="a task needs a vocabulary"):
        go(task_recipe, tmp_path)
    task_recipe.init_from = str(GOLDEN)
    task_recipe.task.metrics = ("acuracy",)
    with pytest.raises(UserError, match="did you mean 'accuracy'"):
        go(task_recipe, tmp_path)
    task_recipe.task.metrics = ()
    task_recipe.task.train_split = "trian"
    with pytest.raises(UserError, match="has no split 'trian'"):
        go(task_recipe, tmp_path)
    task_recipe.task.train_split = "train"
    task_recipe.task.length = 40
    with pytest.raises(UserError, match="task.length is out of range"):
        go(task_recipe, tmp_path)
    assert not (tmp_path / files.CONFIG).exists()


@pytest.mark.full
def test_a_model_at_random_learns_too(task_recipe, tmp_path):
    task_recipe.init_from = ""
    task_recipe.tokenizer.vocab_file = str(GOLDEN / "vocab.txt")
    task_recipe.model.update(
        dict(
            hidden_size=32,
            num_layers=1,
            num_heads=2,
            intermediate_size=64,
            max_position_embeddings=24,
        )
    )
    assert go(task_recipe, tmp_path)["validation/accuracy"] > 0.9
