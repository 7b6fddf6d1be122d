import copy
import json

import numpy as np
import pytest
import tensorflow_datasets as tfds

from bert_jax.cli import prepare as command
from bert_jax.errors import UserError
from bert_jax.importers import squad
from bert_jax.tasks import examples
from bert_jax.tasks.examples import Answer

CONTEXT = " The naïve café\u2028opened in 1901, in Łódź."
FIRST = dict(
    version="1.1",
    data=[
        dict(
            title="Café",
            paragraphs=[
                dict(
                    context=CONTEXT,
                    qas=[
                        dict(
                            id="56be85543aeaaa14008c9063",
                            question="When?",
                            answers=[
                                dict(text="1901", answer_start=26),
                                dict(text="in 1901", answer_start=23),
                            ],
                        ),
                        dict(
                            id="b", question="Where? ", answers=[dict(text="Łódź", answer_start=35)]
                        ),
                    ],
                )
            ],
        )
    ],
)


def second():
    made = copy.deepcopy(FIRST)
    made["version"] = "v2.0"
    for question in made["data"][0]["paragraphs"][0]["qas"]:
        question["is_impossible"] = False
    made["data"][0]["paragraphs"][0]["qas"].append(
        dict(
            id="c",
            question="Who?",
            answers=[],
            is_impossible=True,
            plausible_answers=[dict(text="Łódź", answer_start=35)],
        )
    )
    return made


@pytest.fixture
def make(tmp_path):
    """`make(values, **files)`: writes JSON by split, all splits the same unless they are given, and
    prepares `mine`."""

    def run(values, version="", **others):
        paths = {}
        for split in dict.fromkeys(("train", "validation", *others)):
            paths[split] = tmp_path / f"{split}.json"
            content = others.get(split, values)
            paths[split].write_text(
                content if isinstance(content, str) else json.dumps(content), "utf-8"
            )
        return squad.prepare(paths, "mine", str(tmp_path / "tfds"), version)

    return run


def read(tmp_path, split="train", name="mine"):
    return examples.read(name, str(tmp_path / "tfds"), split)


def test_questions_of_1_1(make, tmp_path):
    info = make(
        FIRST,
        test=dict(data=[dict(paragraphs=[dict(context="x", qas=[dict(id="t", question="?")])])]),
    )
    found = read(tmp_path)
    assert (
        found.kind == "span"
        and found.label_names == ("answer",)
        and found.features["texts"] == ("question", "context")
    )
    assert found.texts_a == ["When?", "Where? "] and found.texts_b == [CONTEXT] * 2
    assert found.ids.tolist() == ["56be85543aeaaa14008c9063", "b"]
    assert found.labels == [[Answer("1901", 26), Answer("in 1901", 23)], [Answer("Łódź", 35)]]
    assert read(tmp_path, "test").labels is None
    assert dict(info.metadata)["counts"]["train"] == dict(rows=2, contexts=1, longest=8)
    assert (
        make(FIRST, test=(tmp_path / "test.json").read_text()).full_name == info.full_name
    )  # no work


def test_questions_of_2_0(make, tmp_path):
    hidden = dict(data=[dict(paragraphs=[dict(context="x", qas=[dict(id="t", question="?")])])])
    assert dict(make(second(), test=hidden).metadata)["counts"]["train"]["unanswerable"] == 1
    found = read(tmp_path)
    assert found.label_names == ("answer", "no answer") and found.labels[2] == []
    assert (
        read(tmp_path, "test").labels is None
        and read(tmp_path, "test").label_names == found.label_names
    )


@pytest.mark.parametrize("config, values", [("v1.1", FIRST), ("v2.0", second())])
def test_what_tfds_makes_of_the_official_files_is_read_alike(
    make, tmp_path, config, values, monkeypatch
):
    make(values)
    builder = tfds.builder(f"squad/{config}", data_dir=str(tmp_path / "tfds"))
    monkeypatch.setattr(
        type(builder),
        "_split_generators",
        lambda self, _: {
            split: self._generate_examples(tmp_path / f"{split}.json")
            for split in ("train", "validation")
        },
    )
    builder.download_and_prepare(file_format="array_record")
    ours, theirs = read(tmp_path), read(tmp_path, name=f"squad/{config}")
    order = np.argsort(theirs.ids)
    assert [theirs.texts_a[i] for i in order] == [ours.texts_a[i] for i in np.argsort(ours.ids)]
    assert [theirs.labels[i] for i in order] == [ours.labels[i] for i in np.argsort(ours.ids)]
    assert theirs.label_names == ours.label_names and theirs.kind == ours.kind


def changed(path, value, values=FIRST):
    made = copy.deepcopy(values)
    *parents, last = path
    at = made["data"][0]["paragraphs"][0]
    for key in parents:
        at = at[key]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return made


@pytest.mark.parametrize(
    "values, said",
    [
        (
            changed(("qas", 0, "answers", 0, "answer_start"), 27),
            r"(?s)question '56be.*'.*is not in its context.*'901,' at character 27.*'1901', which "
            r"stands at 26",
        ),
        (changed(("qas", 1, "answers", 0, "text"), "Lodz"), "which stands nowhere"),
        (changed(("qas", 1, "answers", 0, "answer_start"), -4), "is not in its context"),
        (
            changed(("qas", 1, "answers"), []),
            "(?s)'b' of .* does not fit SQuAD 1.1.*at least one answer",
        ),
        (
            changed(("qas", 2, "is_impossible"), False, second()),
            "(?s)'c' of .* does not fit SQuAD 2.0.*0 answers",
        ),
        (changed(("qas", 0, "is_impossible"), True, second()), "2 answers, is_impossible: true"),
        (changed(("qas", 1, "id"), "56be85543aeaaa14008c9063"), "have one id"),
        (changed(("context",), None), "(?s)not in the format of SQuAD.*KeyError: 'context'"),
        (changed(("qas", 0, "question"), 5), "5 is no string"),
        (
            changed(("qas", 0, "question"), "\ud800"),
            "(?s)not in the format of SQuAD.*surrogates not allowed",
        ),
        (changed(("qas",), []), "has no questions"),
        ([FIRST], "not in the format of SQuAD"),
        ("{", "is not JSON"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_written(make, tmp_path, values, said):
    with pytest.raises(UserError, match=said):
        make(values)
    assert not (tmp_path / "tfds").exists()


def test_a_file_of_the_other_version_is_refused(make):
    with pytest.raises(
        UserError, match="(?s)validation.json is in the format of the other.*2.0.*1.1, as .*train"
    ):
        make(FIRST, validation=second())
    with pytest.raises(
        UserError,
        match="(?s)train.json is in the format of the other.*1.1: each.*2.0, as --version",
    ):
        make(FIRST, version="2.0")
    with pytest.raises(UserError, match="not a version"):
        make(FIRST, version="3")


def test_an_answer_that_is_not_there_is_found_in_data_from_elsewhere(make, tmp_path, monkeypatch):
    monkeypatch.setattr(squad, "check_answer", lambda *_: None)
    make(changed(("qas", 0, "answers", 0, "answer_start"), 3))
    with pytest.raises(UserError, match="an answer to question '56be.*' of mine/1.0.0 in"):
        read(tmp_path)


def test_the_command(make, tmp_path, capsys):
    make(second())
    command.main(
        [
            "squad",
            f"--train={tmp_path / 'train.json'}",
            f"--validation={tmp_path / 'validation.json'}",
            "--name=mine",
            f"--data_dir={tmp_path / 'tfds'}",
        ]
    )
    printed = capsys.readouterr().out
    assert "1 (33.3%)" in printed and "--config.task.name=mine" in printed
