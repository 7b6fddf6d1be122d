"""The ledger says what is so: its keys have these defaults, its tests exist, and presets are what
it marks."""

import ast
import re
from pathlib import Path

from bert_jax import config as configs
from bert_jax.config.presets import DETAILS, PRESETS

ROOT = Path(__file__).parents[1]
LEDGER = (ROOT / "docs" / "fidelity.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in LEDGER.splitlines()
    if line.startswith("| ") and not line.startswith("| detail |")
]


def test_every_row_is_held_by_tests_that_exist():
    assert len(ROWS) > 35
    for row in ROWS:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row[-1])
        assert named, f"no test: {row[0]}"
        for file, test in named:
            defined = {
                node.name
                for node in ast.walk(ast.parse((ROOT / file).read_text()))
                if isinstance(node, ast.FunctionDef)
            }
            assert test in defined, f"{file}::{test}, of {row[0]!r}"


def test_keys_have_the_defaults_that_it_states():
    values, stated = {name: key.default for name, key in configs.key_fields().items()}, 0
    for row in ROWS:
        for key, value in re.findall(r"`(\w+(?:\.\w+)+)`(?: = `([^`]+)`)?", row[3]):
            assert key in values, f"{key}, of {row[0]!r}"
            if value:
                assert values[key] == ast.literal_eval(value), key
                stated += 1
    assert stated > 25


def test_presets_are_what_it_marks_and_google_is_the_default():
    marked = {
        key for row in ROWS if "**P**" in row[0] for key in re.findall(r"`(\w+\.\w+)`", row[3])
    }
    assert set(DETAILS) <= marked
    values = configs.flat(configs.Config())
    for key in DETAILS:
        assert PRESETS["google"][key] == values[key] != PRESETS["huggingface"][key]
