"""The examples of docs/library.md run, on tiny models in the place of those that it names."""

import doctest
from pathlib import Path

from tests.made_models import GOLDEN, write_model

DOCS = Path(__file__).parents[2] / "docs" / "library.md"


def test_examples_of_the_library(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("runs").mkdir()
    Path("runs/books").symlink_to(GOLDEN)
    labels = ("negative", "positive")
    write_model(Path("runs/sentiment"), ("class",), labels=labels, kind="classification")
    examples = doctest.testfile(str(DOCS), module_relative=False, encoding="utf-8")
    assert examples.attempted > 15 and not examples.failed
