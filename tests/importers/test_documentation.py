import numpy as np
import pytest

from bert_jax.corpus.corpora import open_corpus
from bert_jax.errors import UserError
from bert_jax.importers import documentation
from bert_jax.importers.documentation import (
    Source,
    docstrings,
    prose,
    read,
    repeated,
    shingles,
    topics,
    unwrap,
)

DOCUMENTATION = """
Gradient clipping
=================
This rule scales the whole update when its norm
is larger than ``max_norm``, as :func:`~pkg.clip` does.

.. note:: The state of the rule is empty, so that it can be left out.

.. code-block:: python

    this is code and it should not be in the text at all, is it.

Use it like this, which is one of the ways to use it::

    update = clip(update) and this is a literal block of some code.

>>> clip(3) # and this is an example of what it does in the end.
and this is the output of it that should not stand in the text.

Args:
  max_norm: the largest norm that the update may have
    before it is scaled by the rule.
  other (int): this is the other argument of the rule, with its own text.
  last: this is the last of the arguments, and it is not needed.

Parameters
----------
x : array_like
    The array that is to be clipped by the rule, of any shape.

=====  =====
a      b
=====  =====

* The first point of a list, which is long enough to be kept.
* The second point of a list, which is long enough to be kept.
"""


def test_prose_keeps_sentences_and_drops_code_tables_and_titles():
    assert prose(DOCUMENTATION) == [
        "This rule scales the whole update when its norm is larger than max_norm, as clip does.",
        "The state of the rule is empty, so that it can be left out.",
        "Use it like this, which is one of the ways to use it:",
        "the largest norm that the update may have before it is scaled by the rule.",
        "this is the other argument of the rule, with its own text.",
        "this is the last of the arguments, and it is not needed.",
        "The array that is to be clipped by the rule, of any shape.",
        "The first point of a list, which is long enough to be kept.",
        "The second point of a list, which is long enough to be kept.",
    ]


@pytest.mark.parametrize(
    "marked, plain",
    [
        (":class:`text <pkg.Target>` and :meth:`!run`", "text and run"),
        ("a `link <https://a.b>`_ and [another](https://c.d)", "a link and another"),
        ("**bold**, *slanted*, 2 * 3 * 4 and ``a_b``", "bold, slanted, 2 * 3 * 4 and a_b"),
        ("shown in [1]_ and `~a.b.c`", "shown in [1] and c"),
    ],
)
def test_markup_is_unwrapped(marked, plain):
    assert unwrap(marked) == plain


def test_docstrings_stand_in_the_order_of_the_source():
    source = '''
"""module"""
_DESCRIPTION = """described"""
OTHER = "no"
class A:
    """class"""
    def f(self):
        """method"""
        "no"
try:
    async def g(): "function"
except ImportError:
    pass
add_newdoc("pkg", "name", ("attribute", """written in C"""))
'''
    assert list(docstrings(source)) == [
        "module",
        "described",
        "class",
        "method",
        "function",
        "pkg",
        "name",
        "attribute",
        "written in C",
    ]


def test_topics():
    assert topics("# generated\ntopics = {'a': 'one ' 'two', 'b': 'three'}") == {
        "a": "one two",
        "b": "three",
    }


def sentence(i):
    rng = np.random.default_rng(i)
    words = ["".join(rng.choice(list("abcdefghij"), 5)) for _ in range(12)]
    return f"This is the {' and the '.join(words)}."


def module(paragraphs):
    return '"""' + "\n\n".join(paragraphs) + '"""\n'


def source(tmp_path, package, name, paragraphs):
    path = tmp_path / f"{package}_{name}.py"
    path.write_text(module(paragraphs))
    return Source(package, name, str(path))


def test_repeats_and_near_repeats_are_found(tmp_path):
    near = sentence(1).replace("This is", "That was")
    half = sentence(3)[:-1] + " but " + sentence(4)
    first = read(source(tmp_path, "p", "a", [sentence(1), sentence(2), sentence(1)]))
    second = read(
        source(tmp_path, "p", "b", [near, half, sentence(4), sentence(2).upper().lower()])
    )
    assert repeated(first + second).tolist() == [False, False, True, True, False, True, True]


def test_shingles_are_stable_and_ignore_case_and_punctuation():
    text = "One two three four five six seven eight nine."
    assert (
        shingles(text).tolist()
        == shingles("one, two: three four (five) six seven eight NINE").tolist()
    )
    assert shingles(text).shape == (2,) and shingles("one").shape == (1,)
    assert shingles(text)[0] == 6177718017485959695


def test_held_out_text_is_never_learned_from(tmp_path):
    shared = [sentence(i) for i in range(5)]
    quotes = f"{sentence(40)} {sentence(41)} As they say: {shared[0]} {sentence(42)}"
    found = [
        source(tmp_path, "aaa", "m", shared + [quotes] + [sentence(i) for i in range(10, 15)]),
        source(tmp_path, "optax", "m", shared + [sentence(20)]),
        source(tmp_path, "bbb", "short", [sentence(30)]),
    ]
    assert [(split, document.paragraphs) for split, document in documentation.collect(found)] == [
        ("validation", shared + [sentence(20)]),
        ("train", [sentence(i) for i in range(10, 15)]),
    ]


def test_what_does_not_parse_is_left_out(tmp_path):
    (tmp_path / "bad.py").write_bytes(b"def f(:\n")
    (tmp_path / "latin.py").write_bytes(b'"\xe9"')
    assert read(Source("p", "a", str(tmp_path / "bad.py"))) == []
    assert read(Source("p", "a", str(tmp_path / "latin.py"))) == []


def test_sources_skip_tests_and_know_the_held_out_packages():
    found = documentation.sources()
    assert found == sorted(found) and len(found) > 1000
    assert documentation.HELD_OUT <= {s.package for s in found}
    assert not [s for s in found if "/tests/" in s.path or "/test_" in s.path]
    assert any(s.name == "pydoc_data/topics.py" for s in found)


def test_prepare_once_for_the_same_versions(tmp_path, monkeypatch):
    found = [
        s for s in documentation.sources() if s.package in ("argparse", "optparse", "textwrap")
    ]
    monkeypatch.setattr(documentation, "sources", lambda: found)
    monkeypatch.setattr(
        documentation.documentation_tasks, "TASKS", {}
    )  # of packages that are left out here
    (info,) = documentation.prepare(str(tmp_path))
    assert dict(info.metadata)["recipe"] == documentation.versions()
    assert (
        open_corpus("documentation", str(tmp_path), "validation")
        .texts(0, 1)[0]
        .startswith("This module")
    )
    monkeypatch.setattr(documentation, "collect", None)
    assert documentation.prepare(str(tmp_path))[0].splits["train"].num_examples == 2
    monkeypatch.setattr(documentation, "versions", lambda: {"python": "4"})
    with pytest.raises(UserError, match="now 4"):
        documentation.prepare(str(tmp_path))
