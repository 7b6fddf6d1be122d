import json

import pytest

from bert_jax.cli import prepare as command
from bert_jax.errors import UserError
from bert_jax.importers import choice
from bert_jax.tasks import examples

# As SWAG's official train.csv.
HEADER = (
    ",video-id,fold-ind,startphrase,sent1,sent2,gold-source,ending0,ending1,ending2,ending3,label"
)
SWAG = [
    HEADER,
    '0,v1,3,"Ann, sat. She",Ann sat.,She,gold,"sang, loud.",ate.,flew.,"said ""no"".",3',
    "1,v2,4,Bob stood. He,Bob stood.,He,gen,ran.,hid.,naïve.,left.,0",
]
ROWS = [
    dict(question="Two?", options=["1", "2"], label=1),
    dict(question="One?", options=["1", "2"], label=0),
]


@pytest.fixture
def make(tmp_path):
    """`make(rows, format, ...)`: writes files by split, all of them the same unless they are given;
    prepares `mine`."""

    def run(rows, format="csv", options={}, **others):
        paths = {}
        for split in dict.fromkeys(("train", "validation", *others)):
            paths[split] = tmp_path / f"{split}.{format}"
            lines = [
                row if isinstance(row, str) else json.dumps(row) for row in others.get(split, rows)
            ]
            paths[split].write_text("\n".join(lines) + "\n", "utf-8")
        layout = choice.infer(paths["train"], **options)
        return layout, choice.prepare(paths, layout, "mine", str(tmp_path / "tfds"))

    return run


def read(tmp_path, split="train"):
    return examples.read("mine", str(tmp_path / "tfds"), split)


def test_swag(make, tmp_path):
    test = [line.rsplit(",", 1)[0] for line in SWAG]
    layout, info = make(SWAG, test=test)
    assert layout.count == 4 and layout.before == "sent2"
    found = read(tmp_path)
    assert (
        found.kind == "choice"
        and found.texts_a == ["Ann sat.", "Bob stood."]
        and found.labels.tolist() == [3, 0]
    )
    assert found.texts_b[0] == ["She sang, loud.", "She ate.", "She flew.", 'She said "no".']
    assert found.label_names == ("0", "1", "2", "3") and found.ids.tolist() == [0, 1]
    assert read(tmp_path, "test").labels is None
    assert dict(info.metadata)["counts"]["train"]["labels"] == {"0": 1, "1": 0, "2": 0, "3": 1}


def test_rows_of_lists(make, tmp_path):
    layout, _ = make(ROWS, "jsonl")
    assert layout == choice.Layout("question", "", ("options",), "label", "jsonl", 2)
    assert read(tmp_path).texts_b == [["1", "2"]] * 2 and read(tmp_path).labels.tolist() == [1, 0]


def test_columns_that_are_named(make, tmp_path):
    rows = ["q,from,a,b,right", "x,y,c,d,1"]
    make(rows, options=dict(text="q", before="from", choices=("a", "b"), label="right"))
    assert read(tmp_path).texts_b == [["y c", "y d"]]


@pytest.mark.parametrize(
    "rows, said",
    [
        (
            [*ROWS, dict(question="?", options=["1", "2", "3"], label=0)],
            "(?s)train.jsonl:3 has another number of choices.*3: '1', '2', '3'.*2, as its first "
            "row",
        ),
        (
            [*ROWS, dict(question="?", options=["1", "2"], label=2)],
            "(?s):3: the label is none of the choices.*from 0 to 1",
        ),
        ([*ROWS, dict(question="?", options=["1", "2"], label=True)], "none of the choices"),
        (
            [*ROWS, dict(question="?", options="12", label=0)],
            "(?s):3: 'options' is no list of choices",
        ),
        ([*ROWS, dict(question=1, options=["1", "2"], label=0)], ":3: 'question' is no text"),
        ([dict(question="?", options=["1"], label=0)], "too few choices"),
        ([dict(question="?", answers=["1", "2"], label=0)], "has no column 'choices' of choices"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_written(make, tmp_path, rows, said):
    with pytest.raises(UserError, match=said):
        make(rows, "jsonl")
    assert not (tmp_path / "tfds").exists()


def test_a_row_with_five_endings_is_refused(make):
    with pytest.raises(UserError, match="(?s)train.csv:4 has another number of columns.*13.*12"):
        make([*SWAG, "2,v2,4,Bob stood. He,Bob stood.,He,gen,ran.,hid.,n.,left.,sat.,0"])


def test_the_command(make, tmp_path, capsys):
    make(SWAG)
    command.main(
        [
            "choice",
            f"--train={tmp_path / 'train.csv'}",
            f"--validation={tmp_path / 'validation.csv'}",
            "--name=mine",
            f"--data_dir={tmp_path / 'tfds'}",
        ]
    )
    assert "0: 1 (50.0%)" in capsys.readouterr().out
