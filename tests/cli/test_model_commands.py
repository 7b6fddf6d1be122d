"""`encode` and `fill-mask` on the command line, with the tiny BERT of verification."""

import json

import numpy as np
import pytest

import bert_jax
from bert_jax.__main__ import main
from bert_jax.errors import UserError
from tests.made_models import GOLDEN

TEXTS = ["a b c", "w34 r a b [MASK] c [MASK]", "b a"]


@pytest.fixture(scope="module")
def model():
    return bert_jax.load(GOLDEN)


def run(capsys, *argv):
    main([*argv])
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_printed_vectors_are_those_of_the_library(model, capsys):
    printed = run(capsys, "encode", f"--checkpoint={GOLDEN}", "--text", *TEXTS, "--no_normalize")
    np.testing.assert_allclose(printed, model.encode(TEXTS, normalize=False), rtol=1e-6)


@pytest.mark.parametrize("name", ["texts.txt", "texts.jsonl", "texts.csv"])
def test_vectors_of_a_file_are_written_as_an_array(model, capsys, tmp_path, name):
    lines = dict(
        txt=TEXTS,
        jsonl=[json.dumps(dict(id=number, text=text)) for number, text in enumerate(TEXTS)],
        csv=["id,text", *(f"{number},{text}" for number, text in enumerate(TEXTS))],
    )[name.partition(".")[2]]
    (tmp_path / name).write_text("".join(f"{line}\n" for line in lines))
    output = tmp_path / "vectors.npy"
    input = f"--input={tmp_path / name}"
    options = [input, f"--output={output}", "--pooling=cls"]
    assert run(capsys, "encode", f"--checkpoint={GOLDEN}", *options) == []
    vectors = np.load(output)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, model.encode(TEXTS, "cls"), atol=1e-6)


def test_candidates_for_masks_are_those_of_the_library(model, capsys):
    (printed,) = run(capsys, "fill-mask", f"--checkpoint={GOLDEN}", "--text", TEXTS[1], "--top_k=3")
    expected = model.fill_mask(TEXTS[1], top_k=3)
    assert printed["text"] == TEXTS[1] and len(printed["masks"]) == 2
    for shown, mask in zip(printed["masks"], expected, strict=True):
        assert shown == [candidate._asdict() for candidate in mask]


@pytest.mark.parametrize(
    "options, message",
    [
        (["encode"], "there is no text"),
        (["encode", "--text=a", "--input=texts.txt"], "both --text and --input"),
        (["encode", "--input=texts.txt"], "texts.txt does not exist"),
        (["fill-mask", "--text=a b"], "has no [MASK]"),
    ],
)
def test_wrong_input_is_refused_by_name(options, message):
    with pytest.raises(UserError) as error:
        main([options[0], f"--checkpoint={GOLDEN}", *options[1:]])
    assert message in str(error.value)


def test_a_column_that_does_not_hold_texts_is_refused(tmp_path):
    (tmp_path / "texts.jsonl").write_text('{"text": "a"}\n{"text": 3}\n')
    with pytest.raises(UserError, match="texts.jsonl:2 has no text in 'text'"):
        main(["encode", f"--checkpoint={GOLDEN}", f"--input={tmp_path / 'texts.jsonl'}"])
