import pytest
from tensorflow_datasets.text import glue as tfds_glue

from bert_jax.importers import glue as builder
from bert_jax.tasks.glue import TASKS, leaderboard_file
from bert_jax.tasks.metrics import METRICS


@pytest.mark.parametrize("name", TASKS)
def test_tasks_are_as_tfds_has_them(name):
    config = tfds_glue.Glue.builder_configs[name]
    task = TASKS[name]
    assert task.name == f"glue/{config.name}"
    assert task.texts == tuple(config.text_features)
    assert task.labels == tuple(config.label_classes or ())
    assert task.kind == ("classification" if task.labels else "regression")
    assert len(task.spelling) == len(task.labels)


@pytest.mark.parametrize("name", TASKS)
def test_splits_are_those_with_published_rows(name):
    task = TASKS[name]
    splits = [*filter(None, [task.train]), *task.validation, *task.leaderboard]
    assert splits == list(task.rows) == list(builder.ROWS[name])
    assert set(task.metrics) <= set(METRICS)
    assert not task.bert or task.bert in task.metrics
    assert task.selection in (*task.metrics, "mean")
    assert task.scored_by == ("mnli" if name == "ax" else "")


def test_selection_is_the_mean_of_two():
    assert {
        name: task.selection for name, task in TASKS.items() if task.selection != "accuracy"
    } == {"cola": "matthews", "mrpc": "mean", "qqp": "mean", "stsb": "mean", "ax": "matthews"}


def test_leaderboard_files_and_spelling():
    files = [file for task in TASKS.values() for file in task.leaderboard.values()]
    assert sorted(files) == [
        "AX.tsv",
        "CoLA.tsv",
        "MNLI-m.tsv",
        "MNLI-mm.tsv",
        "MRPC.tsv",
        "QNLI.tsv",
        "QQP.tsv",
        "RTE.tsv",
        "SST-2.tsv",
        "STS-B.tsv",
        "WNLI.tsv",
    ]
    assert leaderboard_file(TASKS["rte"], [2, 0, 1], [0, 1, 0]) == (
        "index\tprediction\n0\tnot_entailment\n1\tentailment\n2\tentailment\n"
    )
    assert leaderboard_file(TASKS["ax"], [0, 1, 2], [0, 1, 2]).split("\n")[1:-1] == [
        "0\tentailment",
        "1\tneutral",
        "2\tcontradiction",
    ]
    assert leaderboard_file(TASKS["wnli"], [0, 1], [1, 0]) == "index\tprediction\n0\t1\n1\t0\n"
    assert leaderboard_file(TASKS["stsb"], [1, 0, 2], [5.2, 3.14159, -1]) == (
        "index\tprediction\n0\t3.142\n1\t5.000\n2\t0.000\n"
    )


@pytest.mark.parametrize(
    "name, ids, predictions, match",
    [
        ("rte", [0, 2], [0, 0], "rows 0 to 1"),
        ("rte", [0, 0], [0, 0], "rows 0 to 1"),
        ("rte", [0, 1], [0, 2], "no class"),
        ("cola", [0], [-1], "no class"),
        ("stsb", [0], [float("nan")], "no score"),
    ],
)
def test_wrong_predictions_are_not_written(name, ids, predictions, match):
    with pytest.raises(ValueError, match=match):
        leaderboard_file(TASKS[name], ids, predictions)
