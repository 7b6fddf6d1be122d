import pytest

from bert_jax.cli import prepare as command
from bert_jax.errors import UserError
from bert_jax.importers import conll
from bert_jax.tasks import examples

# As CoNLL-2003's official files, which are in IOB1.
OFFICIAL = """-DOCSTART- -X- O O

EU NNP I-NP I-ORG
rejects VBZ I-VP O
German JJ I-NP I-MISC
. . O O

Peter NNP I-NP I-PER
Blackburn NNP I-NP I-PER

-DOCSTART- -X- O O

Paris NNP I-NP I-LOC
London NNP I-NP B-LOC

"""
# As WNUT-17's: tabs, IOB2, a line of a tab between sentences, words that are spaces or marks.
TABBED = 'Sonmarg\tB-location\n,\tO\n\t\nAlan\tB-person\nTuring\tI-person\n\u200b\tO\n"\tO\n'


@pytest.fixture
def make(tmp_path):
    """`make(text, ...)`: writes a file by split, all of them `text` unless they are given, and
    prepares `mine`."""

    def run(text, layout=conll.Layout(), **others):
        paths = {}
        for split in dict.fromkeys(("train", "validation", *others)):
            paths[split] = tmp_path / f"{split}.conll"
            paths[split].write_text(others.get(split, text), "utf-8", newline="")
        return conll.prepare(paths, "mine", str(tmp_path / "tfds"), layout)

    return run


def read(tmp_path, split="train"):
    found = examples.read("mine", str(tmp_path / "tfds"), split)
    return found, [[found.label_names[i] for i in labels] for labels in found.labels]


def test_official_files_have_documents_and_become_iob2(make, tmp_path):
    info = make(OFFICIAL)
    found, tags = read(tmp_path)
    assert found.kind == "tagging" and found.texts_a == [
        ["EU", "rejects", "German", "."],
        ["Peter", "Blackburn"],
        ["Paris", "London"],
    ]
    assert tags == [["B-ORG", "O", "B-MISC", "O"], ["B-PER", "I-PER"], ["B-LOC", "B-LOC"]]
    assert found.documents.tolist() == [0, 0, 1]
    assert found.label_names[0] == "O" and len(found.label_names) == 9
    counts = dict(info.metadata)["counts"]["train"]
    assert (counts["rows"], counts["documents"], counts["entities"]) == (3, 2, 5)
    assert dict(info.metadata)["recipe"]["scheme"] == "IOB1"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_words_between_tabs(make, tmp_path, end):
    make(TABBED.replace("\n", end))
    found, tags = read(tmp_path)
    assert found.texts_a == [["Sonmarg", ","], ["Alan", "Turing", "\u200b", '"']]
    assert tags == [["B-location", "O"], ["B-person", "I-person", "O", "O"]]
    assert found.documents.tolist() == [0, 1]  # nothing says what belongs together


def test_bioes_and_other_columns(make, tmp_path):
    make("1 S-A Bo x\n2 B-A Al y\n3 L-A Ko z\n", conll.Layout(word=2, tag=1))
    found, tags = read(tmp_path)
    assert found.texts_a == [["Bo", "Al", "Ko"]] and tags == [["B-A", "B-A", "I-A"]]


@pytest.mark.parametrize(
    "text, layout, said",
    [
        (
            "a O\nb I-P\nc B-P\n\nd O\ne B-P\n",
            conll.Layout(),
            r"(?s)train.conll:2: the tag 'I-P' does not follow IOB2|"
            r"train.conll:6: the tag 'B-P' does not follow IOB1",
        ),
        (
            "a O\nb I-P\n",
            conll.Layout(scheme="IOB2"),
            r"(?s):2: the tag 'I-P' does not follow IOB2.*'b', O before it",
        ),
        (
            "a I-P\n\nb B-P\n",
            conll.Layout(scheme="IOB1"),
            r"(?s):3: the tag 'B-P' does not.*first in its sentence",
        ),
        ("a O\nb B-P\nc E-P\nd B-P\n", conll.Layout(), r":4: the tag 'B-P' does not follow BIOES"),
        ("a O\nb PER\n", conll.Layout(), r"(?s):2: 'PER' is no tag of entities.*prepare task"),
        ("a O\nb\n", conll.Layout(), r":2 has no word and tag"),
        ("a x O\nb y B-P\n", conll.Layout(tag=5), r"(?s):1 has no word and tag.*number 5"),
        ("a O\nb O\n", conll.Layout(), "has no entities"),
        ("\n\n", conll.Layout(), "has no sentences"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_written(make, tmp_path, text, layout, said):
    with pytest.raises(UserError, match=said):
        make(text, layout)
    assert not (tmp_path / "tfds").exists()


def test_other_splits_follow_the_training_file(make):
    with pytest.raises(
        UserError, match="(?s)validation.conll:1 has an entity of a type.*X.*LOC, MISC, ORG, PER"
    ):
        make(OFFICIAL, validation="a I-X\n")
    with pytest.raises(UserError, match="validation.conll:2: the tag 'B-PER' does not follow IOB1"):
        make(OFFICIAL, validation="a O\nb B-PER\n")


def test_the_command(make, tmp_path, capsys):
    make(TABBED)
    command.main(
        [
            "ner",
            f"--train={tmp_path / 'train.conll'}",
            f"--validation={tmp_path / 'validation.conll'}",
            "--name=mine",
            f"--data_dir={tmp_path / 'tfds'}",
        ]
    )
    printed = capsys.readouterr().out
    assert "location" in printed and "entities" in printed and "--config.task.name=mine" in printed
