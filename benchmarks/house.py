"""Counts what makes the source dear to change and slow to read.

    python -m benchmarks.house [--root .] [--where]

Prints a line per count: branches on kinds of tasks outside the modules of the kinds, statements by
package, long lines, nested comprehensions, docstrings that do not begin with a verb or a noun,
words that mean too many things, long functions and files, and file names that several packages
share. `--where` lists each place.
"""

import argparse
import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

KINDS = {"classification", "regression", "multilabel", "tagging", "span", "choice", "tag"}
# Modules that are about one kind of task may name it; everything else would have to change with a
# new kind.
VERTICAL = re.compile(
    r"bert_jax/(tasks/(classification|regression|multilabel|tagging|span|multiple_choice|squad|entities)\.py"
    r"|tasks/__init__\.py|(data/builders|importers)/|objectives/|model/heads)"
)
# Where `kind` is of instances, devices, dtypes or HLO.
OTHER_KINDS = re.compile(
    r"bert_jax/(preflight/(hlo|interconnect|chips)|verification/|text/|checkpoint/(torch_files|pretrained)"
    r"|(data|pretraining)/(instances|source)|(training|runs)/curves|config)"
)
OPENINGS = re.compile(r"^(What|Whether|Of|Which|Where|How|That|By)\b")
WORDS = ("found", "said", "counted", "held", "material", "of_x", "at")
MOST_COLUMNS, MOST_LINES, MOST_FILE_LINES = 100, 60, 400


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--root", type=Path, default=Path("."))
    parser.add_argument("--where", action="store_true", help="list each place")
    args = parser.parse_args()
    for name, places in counts(args.root).items():
        files = {place.partition(":")[0] for place in places}
        print(f"{len(places):6,}  {name}, in {len(files)} files")
        if args.where:
            print("".join(f"            {place}\n" for place in places), end="")
    for package, number in statements(args.root).items():
        print(f"{number:6,}  statements in {package}")


def counts(root: Path) -> dict[str, list[str]]:
    """Returns the places of each count, as PATH:LINE and the code there."""
    trees = {path.relative_to(root).as_posix(): path.read_text() for path in sources(root)}
    result: dict[str, list[str]] = {}
    for path, text in trees.items():
        tree = ast.parse(text)
        branches = [] if VERTICAL.match(path) or OTHER_KINDS.match(path) else kind_branches(tree)
        of_file = {
            "branches on kinds of tasks": [(node.lineno, ast.unparse(node)) for node in branches],
            f"lines of more than {MOST_COLUMNS} columns": [
                (number, line.strip())
                for number, line in enumerate(text.splitlines(), 1)
                if len(line) > MOST_COLUMNS
            ],
            "comprehensions with several `for`": nested_comprehensions(tree),
            "docstrings that begin with What, Whether, Of, ...": [
                (line, doc) for line, doc in docstrings(tree) if OPENINGS.match(doc)
            ],
            f"functions of more than {MOST_LINES} lines": long_functions(tree),
            f"files of more than {MOST_FILE_LINES} lines": [(1, f"{text.count(chr(10))} lines")]
            * (text.count("\n") > MOST_FILE_LINES),
        }
        for word in WORDS:
            of_file[f"bindings of `{word}`"] = bindings(tree, word)
        for name, places in of_file.items():
            result.setdefault(name, []).extend(
                f"{path}:{line}: {what[:90]}" for line, what in places
            )
    names = Counter(path.rpartition("/")[2] for path in trees)
    result["file names that several packages share"] = [
        f"{path}:1:"
        for path in trees
        if names[path.rpartition("/")[2]] > 1 and not path.endswith("__init__.py")
    ]
    return result


def sources(root: Path) -> list[Path]:
    return sorted((root / "bert_jax").rglob("*.py"))


def kind_branches(tree: ast.Module) -> list[ast.AST]:
    """Comparisons with, look-ups by and type tests for a kind of task, its objective or its
    head."""
    return [
        node for node in ast.walk(tree) if _compares(node) or _looks_up(node) or _tests_type(node)
    ]


def _compares(node: ast.AST) -> bool:
    """`kind == "span"`, `objective in ("tag", "choice")`, `"mlm" in heads` not among them."""
    if not isinstance(node, ast.Compare):
        return False
    sides = [node.left, *node.comparators]
    literals = {x.value for side in sides for x in ast.walk(side) if isinstance(x, ast.Constant)}
    return (
        bool(literals & KINDS)
        or any(_is_kind(side) for side in sides)
        and not literals & {"", None}
    )


def _looks_up(node: ast.AST) -> bool:
    """`TABLE[task.kind]`, `TABLE.get(kind)`, and literal tables whose keys are kinds."""
    if isinstance(node, ast.Subscript):
        return _is_kind(node.slice)
    if isinstance(node, ast.Dict):
        return len({key.value for key in node.keys if isinstance(key, ast.Constant)} & KINDS) > 1
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Name) and node.func.id == "dict":
        return len({keyword.arg for keyword in node.keywords} & KINDS) > 1
    return (
        isinstance(node.func, ast.Attribute)
        and node.func.attr == "get"
        and any(map(_is_kind, node.args))
    )


def _tests_type(node: ast.AST) -> bool:
    """`isinstance(x, Answers)`, `hasattr(task, ...)`."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
        return False
    if node.func.id == "hasattr":
        return True
    return node.func.id == "isinstance" and any(
        name in ast.unparse(node.args[1])
        for name in ("Answers", "Predictions", "Classification", "Tagging")
    )


def _is_kind(node: ast.AST) -> bool:
    """Returns True if an expression is named as a kind of task, or as its objective."""
    name = getattr(node, "attr", getattr(node, "id", ""))
    if name not in ("kind", "objective"):
        return False
    owner = ast.unparse(node.value) if isinstance(node, ast.Attribute) else ""
    # The kinds of instances, devices and tests are other things.
    return not owner.endswith(("instances", "self.instances", "device", "param"))


def nested_comprehensions(tree: ast.Module) -> list[tuple[int, str]]:
    kinds = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
    return [
        (node.lineno, ast.unparse(node))
        for node in ast.walk(tree)
        if isinstance(node, kinds) and len(node.generators) > 1
    ]


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (
            doc := ast.get_docstring(node)
        ):
            yield node.body[0].lineno, doc.splitlines()[0]


def long_functions(tree: ast.Module) -> list[tuple[int, str]]:
    return [
        (node.lineno, f"{node.name}: {node.end_lineno - node.lineno + 1} lines")
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno >= MOST_LINES
    ]


def bindings(tree: ast.Module, word: str) -> list[tuple[int, str]]:
    """Returns the lines that bind a name, as a variable or as an argument."""
    stored = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id == word
    ]
    stored += [
        node.lineno for node in ast.walk(tree) if isinstance(node, ast.arg) and node.arg == word
    ]
    return [(line, word) for line in sorted(stored)]


def statements(root: Path) -> dict[str, int]:
    """Returns the number of statements by package, docstrings left out; their sum is the last."""
    by_package: Counter[str] = Counter()
    for path in sources(root):
        nodes = ast.walk(ast.parse(path.read_text()))
        package = (
            "/".join(path.relative_to(root).parts[:2]) if path.parent.parent != root else "bert_jax"
        )
        by_package[package] += sum(
            isinstance(node, ast.stmt) and not _is_docstring(node) for node in nodes
        )
    return dict(sorted(by_package.items())) | {"all": by_package.total()}


def _is_docstring(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


if __name__ == "__main__":
    main()
