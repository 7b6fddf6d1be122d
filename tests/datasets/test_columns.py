import pytest

from bert_jax.datasets.columns import choose_label, choose_texts
from bert_jax.errors import UserError

OPTIONS = ("--text", "--text_pair")


@pytest.mark.parametrize(
    "names, given, expected",
    [
        (["id", "premise", "hypothesis", "genre"], ("", ""), ("premise", "hypothesis")),
        (["question", "sentence"], ("", ""), ("question", "sentence")),
        (["idx", "sentence", "source"], ("", ""), ("sentence",)),
        (["guid", "abstract"], ("", ""), ("abstract",)),
        (["sentence1", "sentence2"], ("sentence2", ""), ("sentence2",)),
        (["a", "b"], ("b", "a"), ("b", "a")),
    ],
)
def test_texts(names, given, expected):
    assert choose_texts(names, given, "FILE", OPTIONS) == expected


@pytest.mark.parametrize(
    "names, given, parts",
    [
        (["a", "b"], ("", ""), ["not clear", "'a', 'b'", "--text=COLUMN"]),
        (["id"], ("", ""), ["not clear"]),
        (["text"], ("txt", ""), ["FILE has no column 'txt' for --text", "--text=text"]),
        (["text"], ("text", "pear"), ["no column 'pear' for --text_pair"]),
        (["text", "b"], ("", "b"), ["--text_pair needs --text"]),
    ],
)
def test_unclear_texts(names, given, parts):
    with pytest.raises(UserError) as caught:
        choose_texts(names, given, "FILE", OPTIONS)
    for part in parts:
        assert part in str(caught.value)


def test_label():
    assert choose_label(["text", "score"], "", "FILE", "--label") == "score"
    assert choose_label(["text", "label", "score"], "score", "FILE", "--label") == "score"


@pytest.mark.parametrize(
    "names, given, parts",
    [
        (["text", "label", "score"], "", ["not clear", "--label=label"]),
        (["text", "x"], "", ["not clear", "'text', 'x'"]),
        (["text", "label"], "lable", ["no column 'lable'", "--label=label"]),
    ],
)
def test_unclear_label(names, given, parts):
    with pytest.raises(UserError) as caught:
        choose_label(names, given, "FILE", "--label")
    for part in parts:
        assert part in str(caught.value)
