import shutil
import sys

import pytest
from tensorflow_datasets.text import glue as tfds_glue

from bert_jax.cli import prepare as command
from bert_jax.datasets import prepared
from bert_jax.errors import UserError
from bert_jax.importers import glue
from bert_jax.tasks import examples
from bert_jax.tasks.glue import TASKS
from tests.made_glue import official_files, text, write


@pytest.fixture(scope="module")
def official(tmp_path_factory):
    return write(official_files(), tmp_path_factory.mktemp("glue_data"))


@pytest.fixture
def folder(official, tmp_path):
    """A copy to spoil."""
    return shutil.copytree(official, tmp_path / "glue_data")


@pytest.fixture(autouse=True)
def without_tensorflow():
    yield
    assert "tensorflow" not in sys.modules


def expected_labels(name, split, count):
    classes = {"stsb": [0.25, 5, 3.333], "mnli": [0, 1, 2]}.get(name, [0, 1])
    return (
        None
        if split.startswith("test")
        else pytest.approx([classes[i % len(classes)] for i in range(count)])
    )


@pytest.mark.parametrize("name", glue.FILES)
def test_every_row_of_the_official_files_in_their_order(name, official, tmp_path):
    glue.prepare(name, official, str(tmp_path), partial=True)
    task = TASKS[name]
    for split in task.rows:
        read = examples.read(task.name, str(tmp_path), split)
        origin = split.split("_")[0]
        count = dict(train=9, validation=4, test=5)[origin]
        assert read.texts_a == [text(origin, i) for i in range(count)]
        assert read.texts_b == (
            [text(origin, i, 2) for i in range(count)] if len(task.texts) == 2 else None
        )
        assert (read.labels if read.labels is None else list(read.labels)) == expected_labels(
            name, split, count
        )
        assert read.kind == task.kind and read.label_names == task.labels
        assert read.features == dict(texts=task.texts, label="label")
        first = (
            9 if (name, split) == ("mrpc", "validation") else 0
        )  # numbered as in the file that it is a part of
        assert read.ids.tolist() == list(range(first, first + count))


def test_mrpc_takes_glue_s_test_file_and_tells_which_text_it_is(folder, tmp_path):
    glue.prepare("mrpc", folder, str(tmp_path / "a"), partial=True)
    original = folder / "MRPC/msr_paraphrase_test.txt"
    rows = [line.split("\t") for line in original.read_text("utf-8-sig").split("\n")[1:-1]]
    original.unlink()
    (folder / "MRPC/test.tsv").write_text(
        "".join(
            "\t".join(row) + "\n"
            for row in [
                ["index", "#1 ID", "#2 ID", "#1 String", "#2 String"],
                *([str(i), *row[1:]] for i, row in enumerate(rows)),
            ]
        )
    )
    info = glue.prepare("mrpc", folder, str(tmp_path / "b"), partial=True)
    a, b = (examples.read("glue/mrpc", str(tmp_path / d), "test") for d in "ab")
    assert (a.texts_a, a.texts_b, a.ids.tolist()) == (b.texts_a, b.texts_b, b.ids.tolist())
    assert "not SentEval's copy" in dict(info.metadata)["notes"][0]


def test_mrpc_without_the_original_says_what_is_missing(folder, tmp_path):
    for name in ("train", "dev", "test"):
        (folder / f"MRPC/{name}.tsv").write_text("Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n")
    (folder / "MRPC/msr_paraphrase_train.txt").unlink()
    (folder / "MRPC/dev_ids.tsv").unlink()
    with pytest.raises(UserError) as caught:
        glue.prepare("mrpc", folder, str(tmp_path / "tfds"), partial=True)
    for part in (
        "missing in",
        "MRPC/msr_paraphrase_train.txt, MRPC/dev_ids.tsv or",
        "MRPC/train.tsv",
        "SentEval",
    ):
        assert part in str(caught.value)
    assert not (tmp_path / "tfds").exists()


def test_numbers_that_are_not_the_published_ones_are_refused(official, tmp_path, monkeypatch):
    def refused(task, *parts):
        with pytest.raises(UserError) as caught:
            glue.prepare(task, official, str(tmp_path))
        for part in parts:
            assert part in str(caught.value)
        assert not list(tmp_path.iterdir())

    refused("cola", "CoLA/train.tsv", "9 rows", "8,551 rows", "--partial")
    monkeypatch.setitem(glue.ROWS, "cola", dict(train=9, validation=4, test=5))
    refused("cola", "CoLA/train.tsv", "{'unacceptable': 5, 'acceptable': 4}", "6023")
    monkeypatch.setitem(glue.LABELS, "cola", dict(train=(5, 4), validation=(2, 2)))
    counts = dict(glue.prepare("cola", official, str(tmp_path)).metadata)["counts"]
    assert counts["train"] == dict(rows=9, longest=7, labels=dict(unacceptable=5, acceptable=4))
    assert "labels" not in counts["test"]
    monkeypatch.setitem(glue.ROWS, "mrpc", dict(train=9, validation=5, test=5))
    with pytest.raises(
        UserError, match="msr_paraphrase_train.txt is not the whole split validation"
    ):
        glue.prepare("mrpc", official, str(tmp_path))
    # What was prepared as a part does not pass for the whole afterwards.
    glue.prepare("rte", official, str(tmp_path), partial=True)
    with pytest.raises(UserError, match="RTE/train.tsv"):
        glue.prepare("rte", official, str(tmp_path))


def test_two_downloads_of_qqp_are_whole(official, monkeypatch):
    counts = {split: dict(rows=rows) for split, rows in glue.ROWS["qqp"].items()}
    files = glue.find_files("qqp", official)
    glue._check("qqp", counts, files)
    glue._check("qqp", counts | {"train": dict(rows=363_849)}, files)
    with pytest.raises(UserError, match="363,847"):
        glue._check("qqp", counts | {"train": dict(rows=363_847)}, files)


def test_lines_that_tfds_drops_are_told(folder, tmp_path):
    with (folder / "QQP/train.tsv").open("a") as file:
        file.write("9\t9\t9\tonly one question\n\n")
    info = glue.prepare("qqp", folder, str(tmp_path), partial=True)
    assert dict(info.metadata)["notes"] == [
        "QQP/train.tsv: 10 lines made 9 rows; TFDS's builder drops lines with too few columns or "
        "no label"
    ]


def test_carriage_returns_within_lines_are_told(folder, tmp_path):
    with (folder / "SST-2/train.tsv").open("ab") as file:
        file.write(b"one\rtwo\t1\nthree\t1\r\n")
    info = glue.prepare("sst2", folder, str(tmp_path), partial=True)
    assert examples.read("glue/sst2", str(tmp_path), "train").texts_a[9:] == ["two", "three"]
    assert dict(info.metadata)["notes"] == [
        "SST-2/train.tsv: 1 lines have a carriage return within; TFDS's builder takes it for the "
        "end of a line"
    ]


@pytest.mark.parametrize(
    "name, content, parts",
    [
        (
            "RTE/dev.tsv",
            b"index\tsentence1\tsentence2\n0\ta\tb\n",
            ["RTE/dev.tsv has no labels", "row 0"],
        ),
        (
            "RTE/dev.tsv",
            b"index\tsentence1\tsentence2\tlabel\n0\ta\tb\tmaybe\n",
            ["cannot read the files of rte", "maybe"],
        ),
        (
            "RTE/dev.tsv",
            b"index,sentence1,sentence2,label\n0,a,b,entailment\n",
            ["cannot read the files of rte"],
        ),
        (
            "RTE/dev.tsv",
            b"index\tsentence1\tsentence2\tlabel\n",
            ["cannot read the files of rte", "No examples"],
        ),
        (
            "RTE/train.tsv",
            b"index\tsentence1\tsentence2\tlabel\n0\ta\xe9\tb\tentailment\n",
            ["RTE/train.tsv is not UTF-8", "0xe9 at byte offset 35, in line 2"],
        ),
    ],
)
def test_spoilt_files_are_named_and_leave_nothing(folder, tmp_path, name, content, parts):
    (folder / name).write_bytes(content)
    with pytest.raises(UserError) as caught:
        glue.prepare("rte", folder, str(tmp_path / "tfds"), partial=True)
    for part in parts:
        assert part in str(caught.value)
    assert not list((tmp_path / "tfds").glob("*"))


def test_the_same_files_again_are_no_work_and_others_are_refused(folder, tmp_path, monkeypatch):
    glue.prepare("wnli", folder, str(tmp_path / "tfds"), partial=True)
    with monkeypatch.context() as patch:
        patch.setattr(glue, "_build", None)
        glue.prepare("wnli", folder, str(tmp_path / "tfds"), partial=True)
    with (folder / "WNLI/train.tsv").open("a") as file:
        file.write("9\ta\tb\t1\n")
    with pytest.raises(UserError, match="holds something else"):
        glue.prepare("wnli", folder, str(tmp_path / "tfds"), partial=True)


def test_identity_is_of_the_data_not_of_the_place(official, folder, tmp_path):
    glue.prepare("mrpc", official, str(tmp_path / "a"), partial=True)
    glue.prepare("mrpc", folder, str(tmp_path / "b"), partial=True)
    (folder / "MRPC/msr_paraphrase_train.txt").write_text(
        (folder / "MRPC/msr_paraphrase_train.txt")
        .read_text("utf-8")
        .replace("train 3 1", "train 3 9"),
        "utf-8",
    )
    glue.prepare("mrpc", folder, str(tmp_path / "c"), partial=True)
    a, b, c = (examples.read("glue/mrpc", str(tmp_path / d), "train").identity for d in "abc")
    assert a == b != c
    # Another process would give the features of a record in another order, and other bytes, were
    # they not sorted.
    source = prepared.open_split("glue/mrpc", str(tmp_path / "a"), "train", section="task", hint="")
    for record in source.data_source.__getitems__(range(9)):
        places = [record.index(name) for name in (b"idx", b"label", b"sentence1", b"sentence2")]
        assert places == sorted(places)


def test_a_kill_midway_leaves_nothing_that_looks_finished(official, tmp_path, monkeypatch):
    generate = tfds_glue.Glue._generate_examples

    def killed(self, data_file, split, mrpc_files=None):
        yield from generate(self, data_file, split, mrpc_files)
        if split == "dev":
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tfds_glue.Glue, "_generate_examples", killed)
        with pytest.raises(KeyboardInterrupt):
            glue.prepare("rte", official, str(tmp_path), partial=True)
        assert not list(tmp_path.iterdir())
        patch.setattr(shutil, "rmtree", lambda *args, **kwargs: None)  # no time to clean up
        with pytest.raises(KeyboardInterrupt):
            glue.prepare("rte", official, str(tmp_path), partial=True)
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".glue-rte-incomplete-")
    with pytest.raises(UserError, match="not prepared in"):
        prepared.open_split("glue/rte", str(tmp_path), "train", section="task", hint="")
    glue.prepare("rte", official, str(tmp_path), partial=True)
    assert len(examples.read("glue/rte", str(tmp_path), "train")) == 9


def test_the_command_prints_a_table(official, folder, tmp_path, capsys):
    for name in ("MNLI", "QQP", "diagnostic", "MRPC"):
        shutil.rmtree(folder / name)
    command.main(["glue", "--input", str(folder), f"--data_dir={tmp_path}", "--partial"])
    printed = capsys.readouterr().out
    for part in (
        "unacceptable: 5",
        "0.25 to 5",
        "hidden",
        "Not in",
        "mrpc, qqp, mnli, ax",
        "--config.task.name=glue/cola",
        f"--config.task.data_dir={tmp_path}",
    ):
        assert part in printed
    command.main(
        [
            "glue",
            "--input",
            str(official),
            f"--data_dir={tmp_path}",
            "--partial",
            "--tasks",
            "ax",
            "mnli",
        ]
    )
    printed = capsys.readouterr().out
    assert "contradiction: 3" in printed and "Not in" not in printed


def test_the_command_tells_what_is_missing_before_it_writes(folder, tmp_path):
    (folder / "WNLI/dev.tsv").unlink()
    with pytest.raises(UserError, match="WNLI/dev.tsv"):
        command.main(
            ["glue", "--input", str(folder), f"--data_dir={tmp_path / 'tfds'}", "--partial"]
        )
    with pytest.raises(UserError, match="no file of GLUE"):
        command.main(
            ["glue", "--input", str(tmp_path / "nowhere"), f"--data_dir={tmp_path / 'tfds'}"]
        )
    with pytest.raises(UserError, match="no such directory"):
        command.main(["glue", "--input", str(tmp_path / "nowhere"), "--tasks", "rte"])
    assert not (tmp_path / "tfds").exists()
