"""The zip for gluebenchmark.com has what the best models say, row by row, and nothing that it would
refuse."""

import dataclasses
import functools
import types
import zipfile
from pathlib import Path

import jax
import numpy as np
import pytest
from rich.console import Console

import evaluate
from bert_jax import config as configs
from bert_jax.checkpoint.runs import CHECKPOINTS
from bert_jax.config import TokenizerConfig
from bert_jax.errors import UserError
from bert_jax.importers import glue
from bert_jax.protocol import fine_tuning, submission
from bert_jax.tasks import examples
from bert_jax.tasks.glue import TASKS, leaderboard_file
from bert_jax.text.vocabulary import Vocabulary
from tests.made_glue import official_files, write

ROWS = {"CoLA.tsv": 12, "MNLI-m.tsv": 11, "MNLI-mm.tsv": 10, "AX.tsv": 9}
COLA, NLI = TASKS["cola"].labels, TASKS["mnli"].labels


def telling(split, i, which=1):
    """A text that tells its class: of two classes by one word, of three by another."""
    return f"{'qz'[i % 2]} {'klm'[i % 3]} {'abcde'[i % 5]}"


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """CoLA, MNLI and AX with test sets of different sizes, prepared as parts."""
    root = tmp_path_factory.mktemp("glue")
    files = official_files(telling, train=60, validation=12, test=12)
    for name, file in (
        ("MNLI/test_matched.tsv", "MNLI-m.tsv"),
        ("MNLI/test_mismatched.tsv", "MNLI-mm.tsv"),
        ("diagnostic/diagnostic.tsv", "AX.tsv"),
    ):
        files[name] = files[name][: ROWS[file] + 1]
    folder = write(files, root / "glue_data")
    for task in ("cola", "mnli", "ax"):
        glue.prepare(task, folder, str(root / "data"), partial=True)
    return root / "data"


@pytest.fixture
def learning(task_recipe, data_dir):
    task_recipe.task.data_dir, task_recipe.task.row_counts = str(data_dir), 1
    task_recipe.train.epochs, task_recipe.evaluate.every = 0.0, 0
    task_recipe.compute.scan_layers = True
    task_recipe.protocol.update(
        dict(tasks=("mnli",), learning_rates=(5e-3,), batch_sizes=(16,), epochs=(12.0,))
    )
    return task_recipe


@pytest.mark.full
def test_the_door_makes_a_zip_of_what_the_models_say(learning, tmp_path, capsys):
    (tmp_path / "recipe.py").write_text(
        "import json\nfrom bert_jax.config import recipe\n\n\ndef get_config():\n    config = "
        "recipe()\n"
        f"    config.update(json.loads({learning.to_json()!r}))\n    return config\n"
    )
    evaluate.main(
        [
            f"--config={tmp_path / 'recipe.py'}",
            f"--checkpoint={learning.init_from}",
            f"--workdir={tmp_path / 'run'}",
        ]
    )
    printed = capsys.readouterr().out
    with zipfile.ZipFile(tmp_path / "run" / submission.ARCHIVE) as archive:
        assert archive.namelist() == ["AX.tsv", "MNLI-m.tsv", "MNLI-mm.tsv"]
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    for name, text in texts.items():
        # What the model has learned is right for each row; the prepared rows are in another order.
        assert text == "index\tprediction\n" + "".join(
            f"{i}\t{NLI[i % 3]}\n" for i in range(ROWS[name])
        )
        assert (tmp_path / "run" / submission.DIRECTORY / name).read_text() == text
    assert (
        "has 3 of the 11 files" in printed
        and f"{tmp_path / 'run' / submission.ARCHIVE}: " in printed
    )
    assert (
        "missing: CoLA.tsv, SST-2.tsv, MRPC.tsv, QQP.tsv, STS-B.tsv, QNLI.tsv, RTE.tsv, WNLI.tsv\n"
        in printed
    )
    assert "AX.tsv: 9 rows where 1,104 are published" in printed


@pytest.fixture
def stubbed(learning, tmp_path, monkeypatch):
    """`stubbed(cola=(labels, decided))`: a protocol whose best model of a task has these labels,
    and what it says."""

    def answer(decided, task):
        return types.SimpleNamespace(task=task, decided=np.full(len(task), decided))

    def make(**said):
        config = configs.resolve(learning)
        planned = fine_tuning.plan(config, config.init_from, tmp_path, tuple(said))
        models = {}
        for one, (labels, decided) in zip(planned, said.values(), strict=True):
            (tmp_path / one.name / CHECKPOINTS).mkdir(parents=True)
            models[tmp_path / one.name] = types.SimpleNamespace(
                labels=labels,
                vocabulary=Vocabulary.load(Path(config.init_from) / "vocab.txt"),
                tokenizer=TokenizerConfig(),
                predictions=functools.partial(answer, decided),
            )

        def load(path, length, compute):
            assert (length, compute) == (24, config.compute)
            return models[path]

        monkeypatch.setattr(submission, "FineTuned", types.SimpleNamespace(load=load))
        return planned, {one.task: dict(best=one.name) for one in planned}

    return make


@pytest.fixture
def console(capsys):
    return Console(width=300)


def test_every_file_is_of_its_own_task_s_model(stubbed, tmp_path, console):
    path = submission.make(*stubbed(cola=(COLA, 1), mnli=(NLI, 2)), tmp_path, console)
    submission.check(path, ROWS)
    with zipfile.ZipFile(path) as archive:
        lines = {name: archive.read(name).decode().splitlines()[1:] for name in ROWS}
    said = {name: {line.split("\t")[1] for line in lines[name]} for name in ROWS}
    assert said == {name: {"1" if name == "CoLA.tsv" else "contradiction"} for name in ROWS}


def test_the_published_number_of_rows_is_needed_unless_a_part_was_meant(
    stubbed, tmp_path, console, monkeypatch
):
    planned, results = stubbed(cola=(COLA, 0))
    source = examples.opened("glue/cola", planned[0].config.task.data_dir, "test")
    assert "prepared with --partial" in submission.check_rows(TASKS["cola"], "test", source)
    monkeypatch.setitem(glue.ROWS, "cola", glue.ROWS["cola"] | dict(test=12))
    assert submission.check_rows(TASKS["cola"], "test", source) == ""
    monkeypatch.setitem(glue.ROWS, "cola", glue.ROWS["cola"] | dict(test=13))
    for metadata in (
        {},
        {"counts": {"test": {"rows": 13}}},
    ):  # made by TFDS itself, and cut afterwards
        cut = type(
            "Source",
            (),
            dict(__len__=lambda self: 12, dataset_info=types.SimpleNamespace(metadata=metadata)),
        )
        monkeypatch.setattr(examples, "opened", lambda *args: cut())
        with pytest.raises(UserError) as error:
            submission.make(planned, results, tmp_path, console)
        for part in ("'test' of glue/cola", "12 rows", "13 rows, as published"):
            assert part in str(error.value)
    assert not (tmp_path / submission.ARCHIVE).exists()


@pytest.mark.parametrize(
    "labels, decided, parts",
    [
        (COLA[::-1], 0, ("has other classes than glue/cola", "acceptable, unacceptable")),
        ((), 0.0, ("has other classes", "numbers")),
        (COLA, 2, ("CoLA.tsv cannot be made", "2 is no class")),
    ],
)
def test_a_model_that_does_not_fit_makes_no_file(
    stubbed, tmp_path, console, labels, decided, parts
):
    with pytest.raises(UserError) as error:
        submission.make(*stubbed(cola=(labels, decided)), tmp_path, console)
    assert all(part in str(error.value) for part in parts)
    assert (
        not (tmp_path / submission.ARCHIVE).exists()
        and not (tmp_path / submission.DIRECTORY).exists()
    )


def test_what_cannot_be_predicted_is_left_out_with_a_line(
    stubbed, tmp_path, console, capsys, monkeypatch
):
    planned, results = stubbed(mnli=(NLI, 0))
    assert submission.make(planned, {}, tmp_path, console) is None
    assert submission.make(planned, {"tagging": results["mnli"]}, tmp_path, console) is None
    assert capsys.readouterr().out == ""
    with monkeypatch.context() as patch:
        patch.setattr(jax, "process_count", lambda: 2)
        assert submission.make(planned, results, tmp_path, console) is None
        assert "not made by several hosts" in capsys.readouterr().out
    elsewhere = [
        dataclasses.replace(
            planned[0],
            config=dataclasses.replace(
                planned[0].config,
                task=dataclasses.replace(planned[0].config.task, data_dir=str(tmp_path / "none")),
            ),
        )
    ]
    assert submission.make(elsewhere, results, tmp_path, console) is None
    assert "AX.tsv: left out, the data set 'glue/ax' is not prepared in" in capsys.readouterr().out
    (tmp_path / planned[0].name / CHECKPOINTS).rmdir()
    assert submission.make(planned, results, tmp_path, console) is None
    printed = capsys.readouterr().out
    assert [line.split(":")[0].strip() for line in printed.splitlines()] == [
        "MNLI-m.tsv",
        "MNLI-mm.tsv",
        "AX.tsv",
    ]
    assert "there is no checkpoint" in printed and not (tmp_path / submission.ARCHIVE).exists()


def test_equal_files_make_equal_bytes_and_what_is_wrong_replaces_nothing(tmp_path):
    texts = {
        "RTE.tsv": leaderboard_file(TASKS["rte"], [0, 1], [0, 1]),
        "STS-B.tsv": leaderboard_file(TASKS["stsb"], [0, 1, 2], [0.5, 5, 3.14159]),
    }
    rows = {"RTE.tsv": 2, "STS-B.tsv": 3}
    for name, order in (("a", list), ("b", reversed)):
        (tmp_path / name).mkdir()
        submission.write(dict(order(list(texts.items()))), rows, tmp_path / name)
    before = (tmp_path / "a" / submission.ARCHIVE).read_bytes()
    assert before == (tmp_path / "b" / submission.ARCHIVE).read_bytes()
    with pytest.raises(UserError, match="RTE.tsv"):
        submission.write(texts, rows | {"RTE.tsv": 3}, tmp_path / "a")
    assert (tmp_path / "a" / submission.ARCHIVE).read_bytes() == before
    submission.write({"RTE.tsv": texts["RTE.tsv"]}, {"RTE.tsv": 2}, tmp_path / "a")
    assert sorted(path.name for path in (tmp_path / "a").rglob("*")) == [
        "RTE.tsv",
        "submission",
        "submission.zip",
    ]


@pytest.mark.parametrize(
    "name, text, found",
    [
        ("RTE.tsv", "id\tprediction\n0\tentailment\n1\tentailment\n", "'id\\tprediction'"),
        ("RTE.tsv", "index\tprediction\n0\tentailment\n1\tentailment", "does not end"),
        ("RTE.tsv", "index\tprediction", "does not end"),
        ("RTE.tsv", "index\tprediction\n0\tentailment\n", "1 rows"),
        (
            "RTE.tsv",
            "index\tprediction\n1\tentailment\n0\tentailment\n",
            "'1\\tentailment' in row 0",
        ),
        ("RTE.tsv", "index\tprediction\n0\tentailment\n1\tneutral\n", "'neutral' in row 1"),
        ("RTE.tsv", "index\tprediction\n0\tentailment\n1\n", "'' in row 1"),
        ("STS-B.tsv", "index\tprediction\n0\t5.001\n1\t0.000\n", "'5.001' in row 0"),
        ("STS-B.tsv", "index\tprediction\n0\tnan\n1\t0.000\n", "'nan' in row 0"),
    ],
)
def test_what_would_be_refused_is_found_in_the_zip(tmp_path, name, text, found):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(name, text)
    with pytest.raises(UserError) as error:
        submission.check(tmp_path / "x.zip", {name: 2})
    assert found in str(error.value) and name in str(error.value)


def test_a_damaged_zip_and_other_files_are_found(tmp_path):
    path = submission.write({"CoLA.tsv": "index\tprediction\n0\t1\n"}, {"CoLA.tsv": 1}, tmp_path)
    with pytest.raises(UserError, match="has other files"):
        submission.check(path, {"CoLA.tsv": 1, "RTE.tsv": 1})
    content = path.read_bytes()
    for spoilt in (content[:-30], content.replace(b"0\t1\n", b"0\t0\n")):
        path.write_bytes(spoilt)
        with pytest.raises(UserError, match="cannot be read"):
            submission.check(path, {"CoLA.tsv": 1})
