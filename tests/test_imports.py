"""The floors of the house, read from the imports: what docs/architecture.md says of them holds."""

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

from bert_jax.config import _NEED_REGISTRIES

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "bert_jax"
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()

# Rooms from the top to the bottom: each may import those below it. `bert_jax` is the library's
# door, bert_jax/__init__.py; the others are packages, or modules that lie beside them.
ORDER = (
    "__main__",
    "cli",
    "bert_jax",
    "importers",
    "protocol",
    "inference",
    "verification",
    "preflight",
    "training",
    "runs",
    "recipes",
    "tasks",
    "pretraining",
    "corpus",
    "datasets",
    "batching",
    "checkpoint",
    "objectives",
    "model",
    "optim",
    "parallel",
    "text",
    "config",
    "remote",
    "disk",
    "errors",
)
MODULES = ("__main__", "bert_jax", "recipes", "remote", "disk", "errors")
DATA = ("corpus", "datasets", "pretraining", "batching", "text")
REGISTRIES = ("recipes", "model", "optim", "pretraining", "tasks", "objectives", "runs")

# Imports that break a rule, as (module, module): reason.
EXCEPTIONS = {
    ("bert_jax.config", "bert_jax.recipes"): "recipes of people import `recipe` from "
    "bert_jax.config; it is looked up when it is asked for",
}
# Imports that are on their way out.
TEMPORARY = {
    ("bert_jax.tasks.entities", "bert_jax.importers.schemes"),
    ("bert_jax.tasks.examples", "bert_jax.importers.squad"),
    ("bert_jax.tasks.glue", "bert_jax.importers.glue"),
    ("bert_jax.tasks.tokenised", "bert_jax.importers.squad"),
}
# Files whose names two rooms share, on their way out.
SHARED_NAMES = {"glue.py", "predictions.py", "squad.py"}

# What a room never reaches, by whatever way through other modules.
NEVER_REACHED = {
    "config": REGISTRIES,
    "corpus": ("pretraining",),
    **{room: ("checkpoint", "parallel") for room in DATA},
    **{room: ("importers",) for room in ("training", "inference", "protocol", "runs", "tasks")},
}
# What a room never imports itself, of the package or of others.
FILES_AND_CLOCKS = (
    *("asyncio", "csv", "datetime", "etils", "fcntl", "io", "json", "logging", "mmap"),
    *("multiprocessing", "os", "pathlib", "pickle", "random", "shutil", "signal", "socket"),
    *("subprocess", "sys", "tempfile", "threading", "time", "urllib", "rich", "orbax"),
    *("bert_jax.disk", "bert_jax.remote"),
)
NEVER_IMPORTED = {
    "model": FILES_AND_CLOCKS,
    "objectives": FILES_AND_CLOCKS,
    "optim": FILES_AND_CLOCKS,
    "tasks": ("jax", "flax", "bert_jax.parallel"),
    "pretraining": ("jax", "flax", "bert_jax.parallel"),
}
# Functions of jax that ask for or choose devices, and the one that opens files.
IMPURE = re.compile(
    r"open|jax\.(devices|local_devices|device_count|local_device_count|device_put|device_get"
    r"|process_index|process_count|default_backend)"
)


class Import(NamedTuple):
    """One import: the module it stands in, its line, and the module that it names."""

    module: str
    line: int
    name: str


def paths() -> dict[str, Path]:
    """Returns the file of each module of the package."""
    result = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        result[name.removesuffix(".__init__")] = path
    return result


PATHS = paths()
TREES = {name: ast.parse(path.read_text()) for name, path in PATHS.items()}


def imports(name: str, tree: ast.Module) -> Iterator[Import]:
    """Returns all imports of a module: at its top, in functions, below TYPE_CHECKING, by name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(name, node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{name}:{node.lineno}: a relative import"
            for alias in node.names:
                yield Import(name, node.lineno, _named(node.module, alias.name))
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            text = ast.unparse(node.args[0]).strip("f'\"")
            # Of `f"bert_jax.cli.{name}"` the package.
            yield Import(name, node.lineno, text.partition(".{")[0])
        elif isinstance(node, ast.Attribute) and node.attr in _NEED_REGISTRIES:
            if ast.unparse(node.value) in ("configs", "bert_jax.config"):
                yield Import(name, node.lineno, "bert_jax.recipes")


def _named(module: str, name: str) -> str:
    """Returns the module that `from module import name` reads."""
    if module == "bert_jax.config" and name in _NEED_REGISTRIES:
        return "bert_jax.recipes"
    return f"{module}.{name}" if f"{module}.{name}" in PATHS else module


ALL = [one for name, tree in TREES.items() for one in imports(name, tree)]
INSIDE = [one for one in ALL if one.name in PATHS]
ALLOWED = EXCEPTIONS.keys() | TEMPORARY
EDGES = {name: set() for name in PATHS}
for one in INSIDE:
    if (one.module, one.name) not in ALLOWED:
        EDGES[one.module].add(one.name)


def room_of(module: str) -> str:
    """Returns `training` for bert_jax.training.loop, `bert_jax` for the door."""
    return (*module.split("."), "bert_jax")[1]


def modules_of(room: str) -> list[str]:
    return [name for name in PATHS if room_of(name) == room]


def way(start: str, rooms: tuple[str, ...]) -> list[str]:
    """Returns the modules on the shortest way of imports from one to a room; empty if none."""
    ways, tried = [[start]], {start}
    for steps in ways:
        for name in sorted(EDGES[steps[-1]] - tried):
            tried.add(name)
            ways.append([*steps, name])
            if room_of(name) in rooms:
                return ways[-1]
    return []


def begins(name: str, module: str) -> bool:
    return name == module or name.startswith(f"{module}.")


def test_the_order_names_every_room():
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    modules = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"} | {"bert_jax"}
    assert packages == set(ORDER) - set(MODULES)
    assert modules == set(MODULES)


def test_the_picture_of_the_architecture_has_this_order():
    picture = ARCHITECTURE.partition("```\n")[2].partition("```")[0]
    tree = picture.partition("bert_jax/")[2]
    drawn = re.findall(r"^   [├└]─ (\w+)/", tree, re.MULTILINE)
    assert drawn == [room for room in ORDER if room not in MODULES]
    for module in ("recipes", "remote", "disk", "errors"):
        assert f"`{module}.py`" in ARCHITECTURE


def test_a_room_imports_rooms_below_it_alone():
    floor = {room: number for number, room in enumerate(ORDER)}
    upward = [
        f"{module} imports {name}"
        for module, names in EDGES.items()
        for name in names
        if room_of(module) != room_of(name) and floor[room_of(module)] >= floor[room_of(name)]
    ]
    assert not upward


def test_exceptions_are_still_needed():
    there = {(one.module, one.name) for one in INSIDE}
    assert EXCEPTIONS.keys() <= there


def test_no_module_imports_itself_through_others():
    # Raises CycleError, which names the modules of the circle.
    TopologicalSorter(EDGES).prepare()


@pytest.mark.parametrize("room", NEVER_REACHED)
def test_rooms_that_are_never_reached(room):
    for module in modules_of(room):
        assert not way(module, NEVER_REACHED[room])


@pytest.mark.parametrize("room", NEVER_IMPORTED)
def test_modules_that_are_never_imported(room):
    wrong = [
        f"{one.module}:{one.line} imports {one.name}"
        for one in ALL
        if room_of(one.module) == room
        and any(begins(one.name, module) for module in NEVER_IMPORTED[room])
    ]
    assert not wrong


@pytest.mark.parametrize("room", ("model", "objectives", "optim", "tasks", "pretraining"))
def test_pure_rooms_ask_for_no_devices(room):
    calls = []
    for module in modules_of(room):
        nodes = [node for node in ast.walk(TREES[module]) if isinstance(node, ast.Call)]
        calls += [f"{module}:{node.lineno}: {ast.unparse(node.func)}" for node in nodes]
    opens = ("tasks", "pretraining")  # rooms that read data, and so may open files
    impure = [call for call in calls if IMPURE.fullmatch(call.partition(": ")[2])]
    assert not [call for call in impure if not (room in opens and call.endswith(": open"))]


def test_what_mirrors_buckets_knows_no_file_of_another_room():
    mirrors = ("bert_jax.remote", "bert_jax.runs.mirror")
    for module in mirrors:
        assert {room_of(name) for name in EDGES[module]} <= {"remote", "disk", "errors"}
    names = set()
    for module, tree in TREES.items():
        if module not in (*mirrors, "bert_jax.disk"):
            names |= {value for value in _constants(tree) if re.fullmatch(r"\.?\w+(\.\w+)?", value)}
    names -= {""}
    assert {"metrics.jsonl", "checkpoints", "manifest.json"} <= names
    for module in mirrors:
        assert not names & {
            node.value for node in ast.walk(TREES[module]) if isinstance(node, ast.Constant)
        }


def _constants(tree: ast.Module) -> Iterator[str]:
    """Returns the strings that a module's capital names stand for, such as METRICS."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).strip("()").isupper():
            for value in getattr(node.value, "elts", [node.value]):
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield value.value


def test_the_package_reads_nothing_of_the_tests():
    for module, tree in TREES.items():
        strings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
        strings = {value for value in strings if isinstance(value, str)}
        assert not [value for value in strings if re.fullmatch(r"tests(/.*)?", value)], module
        assert not [one for one in imports(module, tree) if begins(one.name, "tests")]


def test_file_names_are_unique_in_the_package():
    counts = Counter(path.name for path in PATHS.values())
    shared = {name for name, number in counts.items() if number > 1} - {"__init__.py"}
    assert shared <= SHARED_NAMES


def test_the_door_imports_no_jax():
    code = "import sys, bert_jax; print(*(m for m in ('jax', 'flax', 'grain') if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout.strip(), done.returncode) == ("", 0), done.stderr
