from hypothesis import given
from hypothesis import strategies as st

from bert_jax.text.sentences import SPLITTERS, lines, split


def test_split_reads_on_over_hard_wrapped_lines_and_abbreviations():
    text = "He met Mr.\nSmith in\n  the park. They\r\ntalked for hours."
    assert split(text) == ["He met Mr. Smith in the park.", "They talked for hours."]


def test_a_blank_line_ends_a_sentence_even_one_with_white_space():
    assert split("A heading\n \t\nThe text of it.\r\n\r\nNo stop here\n\n\n") == [
        "A heading",
        "The text of it.",
        "No stop here",
    ]


def test_split_knows_languages():
    assert split("Das ist z. B. gut. Ja.", "de") == ["Das ist z. B. gut.", "Ja."]


def test_lines_keeps_lines():
    assert lines("  one. two.\n\n three \r\n\t\n") == ["one. two.", "three"]


@given(st.text())
def test_splitters_lose_no_word_and_give_no_blank(text):
    for splitter in SPLITTERS.values():
        sentences = splitter(text)
        assert all(s and s == s.strip() for s in sentences)
        assert "".join("".join(sentences).split()) == "".join(text.split())
