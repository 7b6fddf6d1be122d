"""The demo corpus `documentation`: the English that stands in the installation itself.

Docstrings of the standard library and of the packages this project runs on, and `pydoc`'s reference
pages. Sources are parsed, never imported. A module or a page is a document: its paragraphs of
prose, a blank line between them; code, tables and markup are left out. Near-repeats of paragraphs
are dropped. Some packages are held out whole, and no eight words in a row of theirs stand in the
rest.
"""

import ast
import hashlib
import importlib.metadata
import importlib.util
import inspect
import itertools
import os
import platform
import re
import sysconfig
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bert_jax.importers import dataset, documentation_tasks

NAME = "documentation"

# Packages with the distributions that their versions are read from; those not installed are left
# out.
PACKAGES = {
    "absl": "absl-py",
    "array_record": "array_record",
    "attr": "attrs",
    "dateutil": "python-dateutil",
    "etils": "etils",
    "flax": "flax",
    "fontTools": "fonttools",
    "fsspec": "fsspec",
    "google.protobuf": "protobuf",
    "grain": "grain",
    "huggingface_hub": "huggingface_hub",
    "humanize": "humanize",
    "jax": "jax",
    "jaxlib": "jaxlib",
    "matplotlib": "matplotlib",
    "ml_collections": "ml_collections",
    "numpy": "numpy",
    "optax": "optax",
    "orbax": "orbax-checkpoint",
    "packaging": "packaging",
    "PIL": "pillow",
    "psutil": "psutil",
    "pyarrow": "pyarrow",
    "pygments": "pygments",
    "pyparsing": "pyparsing",
    "requests": "requests",
    "rich": "rich",
    "scipy": "scipy",
    "simple_parsing": "simple-parsing",
    "tensorflow_datasets": "tensorflow-datasets",
    "tokenizers": "tokenizers",
    "treescope": "treescope",
    "urllib3": "urllib3",
    "yaml": "pyyaml",
}

# About a twentieth of the text: well-written, and neither too near to the rest nor too far from it.
HELD_OUT = frozenset({"argparse", "asyncio", "email", "http", "logging", "optax", "unittest"})

MIN_PARAGRAPH_WORDS = 8
MIN_DOCUMENT_WORDS = 50
SHINGLE_WORDS = 8

_SKIPPED_FOLDERS = re.compile(
    r"tests?|testing|test_.*|.*_tests?|_?vendor(ed)?|site-packages|lib2to3|idlelib|turtledemo|__pycache__"
)
_SKIPPED_FILES = re.compile(r"test_.*|.*_tests?\.py|conftest\.py")


class Source(NamedTuple):
    """A file to read: the package that it counts to, its name there, and where it is."""

    package: str
    name: str
    path: str


class Document(NamedTuple):
    """The prose of one module or page.

    `shingles` holds the hashes of all paragraphs, one after the other, uint64; `lengths` how many
    are whose.
    """

    package: str
    name: str
    paragraphs: list[str]
    shingles: np.ndarray
    lengths: list[int]


# --------------------------------------------------------------------------------------------------
# Sources


def sources() -> list[Source]:
    """Every source file to read, sorted by package and path."""
    stdlib = Path(sysconfig.get_path("stdlib"))
    found = []
    for path in _python_files(stdlib):
        relative = path.relative_to(stdlib)
        found.append(Source(relative.parts[0].removesuffix(".py"), relative.as_posix(), str(path)))
    for package in PACKAGES:
        for root in _package_directories(package):
            for path in _python_files(root):
                name = f"{package.replace('.', '/')}/{path.relative_to(root).as_posix()}"
                found.append(Source(package, name, str(path)))
    return sorted(found)


def _package_directories(package: str) -> list[Path]:
    try:
        spec = importlib.util.find_spec(package)
    except ModuleNotFoundError:
        return []
    return sorted(Path(p) for p in spec.submodule_search_locations or []) if spec else []


def _python_files(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root):
        folders[:] = [f for f in folders if not _SKIPPED_FOLDERS.fullmatch(f)]
        yield from (
            Path(folder, f) for f in files if f.endswith(".py") and not _SKIPPED_FILES.fullmatch(f)
        )


def docstrings(source: str) -> Iterator[str]:
    """The documentation in Python source, in order: docstrings, `add_newdoc` calls, DESCRIPTION
    constants.

    Raises:
        SyntaxError: it is not Python (templates, sources of another version).
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(source)
    yield from _documentation(tree)


def _documentation(node: ast.AST) -> Iterator[str]:
    for i, child in enumerate(getattr(node, "body", ())):
        match child:
            case ast.Expr(value=ast.Constant(value=str(text))) if i == 0:
                yield text
            case ast.Expr(value=ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name))):
                # Documentation of what is written in C.
                if "add_newdoc" in name:
                    strings = (
                        part.value for part in ast.walk(child) if isinstance(part, ast.Constant)
                    )
                    yield from (text for text in strings if isinstance(text, str))
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(text))):
                # Data sets of TFDS.
                if name.endswith("DESCRIPTION"):
                    yield text
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef() | ast.If() | ast.Try():
                yield from _documentation(child)


def topics(source: str) -> dict[str, str]:
    """The pages of `pydoc_data/topics.py`: `{'assert': 'The \"assert\" statement ...'}`."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            return ast.literal_eval(node.value)
    return {}


# --------------------------------------------------------------------------------------------------
# Prose

_UNDERLINE = re.compile(r"([-=~^\"'#*+.`_])\1{2,}")
_DIRECTIVE = re.compile(r"\.\. ([\w:-]+)::\s*(.*)")
_ADMONITIONS = {"note", "warning", "tip", "important", "caution", "hint", "attention"}
_BULLET = re.compile(r"(?:[*+•-]|\(?(?:\d{1,2}|[a-z])[.)]|:\w+[^:`]*:)\s+(?=\S)")
_ARGUMENT = re.compile(r"(\*{0,2}[\w.`]+)(?:\s?\([^)]*\))?:\s+(?=\S)")
_COLUMNS = re.compile(r"[^\s.!?:]\s{3,}\S|\|.*\|")


def prose(documentation: str) -> list[str]:
    """The paragraphs of a docstring or page that read as English sentences, without their
    markup."""
    texts = (unwrap(" ".join(lines)) for lines in _blocks(inspect.cleandoc(documentation)))
    return [text for text in texts if reads_as_prose(text)]


def _blocks(text: str) -> Iterator[list[str]]:
    """Runs of lines that belong together by their breaks, indentation and list markers."""
    block: list[str] = []
    indent, hanging = 0, False
    for depth, line in _lines(text):
        if not line or _UNDERLINE.fullmatch(line):
            yield block[:-1] if line else block  # an underlined title is no prose
            block = []
            continue
        opening = not block or depth != indent or (hanging and len(block) == 1)
        item = _BULLET.match(line) or (opening and depth > 0 and _ARGUMENT.match(line))
        continued = depth == indent or (hanging and len(block) == 1 and depth > indent)
        if item or not continued:
            yield block
            block = []
        if not block:
            hanging = bool(item)
        indent = depth
        block.append(line[item.end() :] if item and not item[0][0].isupper() else line)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Indentation and content of every line outside code and tables; an empty one where text breaks
    off."""
    fenced = doctest = False
    literal = None  # lines that are indented more than this are code
    for line in text.expandtabs().split("\n"):
        content = line.strip()
        depth = len(line) - len(line.lstrip())
        if content.startswith("```"):
            fenced, content = not fenced, ""
        if fenced or (literal is not None and content and depth > literal):
            content = ""
        elif content:
            literal = None
        doctest = bool(content) and (doctest or content.startswith((">>>", "In [")))
        if doctest or _COLUMNS.search(content):
            yield 0, ""
        elif content.startswith(".."):
            yield 0, ""
            directive = _DIRECTIVE.match(content)
            if directive and directive[1] in _ADMONITIONS:
                yield depth, directive[2]
            else:
                literal = depth
        else:
            yield depth, content
            if content.endswith("::"):
                yield 0, ""
                literal = depth
    yield 0, ""


_MARKUP = (
    (re.compile(r":[\w:+-]+:(?=`)"), ""),
    (re.compile(r"`[~!.]+(?:[\w.]*\.)?(\w+)(?:\(\))?`"), r"\1"),
    (re.compile(r"``(.+?)``"), r"\1"),
    (re.compile(r"`([^`<]+?)\s*<[^`>]+>`_{0,2}"), r"\1"),
    (re.compile(r"`([^`]+)`_{0,2}"), r"\1"),
    (re.compile(r"!?\[([^\]]+)\]\([^)\s]+\)"), r"\1"),
    (re.compile(r"(\[[#\w]{1,20}\])_"), r"\1"),
    (re.compile(r"\s*(?:\(https?://[^\s)]+\)|<https?://[^\s>]+>)"), ""),
    (re.compile(r"\*\*(\S(?:.*?\S)?)\*\*"), r"\1"),
    (re.compile(r"(?<![\w*])\*(\w(?:[^*]*\w)?)\*(?![\w*])"), r"\1"),
    (re.compile(r"\|(\w+)\|"), r"\1"),
    (re.compile(r"\\([*_`|])"), r"\1"),
    (re.compile(r"::$"), ":"),
    (re.compile(r"\s+"), " "),
)


def unwrap(text: str) -> str:
    """A paragraph without reStructuredText's and Markdown's inline markup."""
    for pattern, replacement in _MARKUP:
        text = pattern.sub(replacement, text)
    return text.strip()


_SENTENCES = re.compile(r"[\w\"'(].*[.!?:)\"']")
_PARAMETER = re.compile(r"[\w*., ]{1,40} : ")
_WORD = re.compile(r"[\"'(]*[A-Za-z]+(?:['’/-][A-Za-z]+)*[.,;:!?)\"']*|--")
_SMALL = frozenset(
    """
    a an and are as at be been but by can do does for from has have if in into is it its may must no
    not of on only or should so such than that the their then there these they this to used was we
    when where which will with would you your
""".split()
)


def reads_as_prose(text: str) -> bool:
    """Returns True if text looks like sentences: long enough, ended, mostly plain words, some of
    them short function words."""
    words = text.split()
    if len(words) < MIN_PARAGRAPH_WORDS or not _SENTENCES.fullmatch(text) or _PARAMETER.match(text):
        return False
    plain = sum(_WORD.fullmatch(w) is not None for w in words)
    small = sum(w.lower() in _SMALL for w in words)
    return plain >= 0.8 * len(words) and small >= 0.15 * len(words)


# --------------------------------------------------------------------------------------------------
# Near-duplicates


def _stable_hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


_word_hash = cache(_stable_hash)


_MULTIPLIERS = np.array([_word_hash(f"position {i}") | 1 for i in range(SHINGLE_WORDS)], np.uint64)


def shingles(text: str) -> np.ndarray:
    """Hashes of every run of 8 words, case and punctuation apart: uint64 `[max(1, words - 7)]`."""
    hashes = [_word_hash(w) for w in re.findall(r"[a-z0-9]+", text.lower())]
    hashes += [0] * (SHINGLE_WORDS - len(hashes))
    windows = np.lib.stride_tricks.sliding_window_view(np.array(hashes, np.uint64), SHINGLE_WORDS)
    return (windows * _MULTIPLIERS).sum(1, dtype=np.uint64)


def repeated(documents: list[Document]) -> np.ndarray:
    """bool `[paragraphs]`: which to drop, of documents in an order that has the held-out ones
    first.

    A paragraph repeats earlier ones when more than half of its shingles stood there. To learn from,
    one that shares a single shingle with held-out text is too much: a short paragraph may be quoted
    within a long one.
    """
    lengths = np.array([*itertools.chain.from_iterable(d.lengths for d in documents)], np.int64)
    if not lengths.size:
        return np.zeros(0, bool)
    paragraph = np.repeat(np.arange(lengths.size), lengths)
    hashes = np.concatenate([d.shingles for d in documents])
    _, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    earliest = paragraph[first][inverse]
    held_out = np.repeat(
        [d.package in HELD_OUT for d in documents], [len(d.lengths) for d in documents]
    )
    repeats = np.bincount(paragraph, earliest < paragraph, lengths.size) > lengths / 2
    leaks = np.bincount(paragraph, held_out[earliest] & ~held_out[paragraph], lengths.size) > 0
    return repeats | leaks


# --------------------------------------------------------------------------------------------------
# The corpus


def read(source: Source) -> list[Document]:
    """The documents of a file: one of a module, one a page of `pydoc`'s topics; none if it does not
    parse."""
    try:
        text = Path(source.path).read_text("utf-8")
        if source.name == "pydoc_data/topics.py":
            pages = {
                f"{source.name}:{title}": [page] for title, page in sorted(topics(text).items())
            }
        else:
            pages = {source.name: list(docstrings(text))}
    except (SyntaxError, UnicodeDecodeError, RecursionError):
        return []
    documents = []
    for name, parts in pages.items():
        paragraphs = list(itertools.chain.from_iterable(map(prose, parts)))
        if paragraphs:
            hashes = [shingles(p) for p in paragraphs]
            lengths = [len(h) for h in hashes]
            documents.append(
                Document(source.package, name, paragraphs, np.concatenate(hashes), lengths)
            )
    return documents


def collect(found: list[Source]) -> list[tuple[str, Document]]:
    """(split, document) of every document that is worth keeping, without what it repeats, held-out
    packages first."""
    found = sorted(found, key=lambda s: (s.package not in HELD_OUT, s))
    workers = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    # Forking a process that runs JAX's threads can hang.
    with ProcessPoolExecutor(min(8, workers), get_context("spawn")) as pool:
        files = dataset.progress(
            pool.map(read, found, chunksize=16), "reading documentation", len(found)
        )
        documents = list(itertools.chain.from_iterable(files))
    drop = iter(repeated(documents))
    documents = [
        document._replace(paragraphs=[p for p in document.paragraphs if not next(drop)])
        for document in documents
    ]
    return [
        ("validation" if document.package in HELD_OUT else "train", document)
        for document in documents
        if sum(len(p.split()) for p in document.paragraphs) >= MIN_DOCUMENT_WORDS
    ]


def versions() -> dict[str, str]:
    """Versions of Python and of every package that is read: what the text is a function of."""
    found = {"python": platform.python_version()}
    for package, distribution in sorted(PACKAGES.items()):
        if _package_directories(package):
            found[package] = importlib.metadata.version(distribution)
    return found


def prepare(data_dir: str) -> list:
    """Writes the corpus and the tasks of it under `data_dir`, about 20 s on 2 cores, and returns
    their `DatasetInfo`s.

    At once when they are there already, from the same versions.

    Raises:
        UserError: they are there from other versions.
    """
    recipe = versions()
    infos = {
        name: dataset.existing(name, data_dir, recipe)
        for name in (NAME, *documentation_tasks.TASKS)
    }
    if not all(infos.values()):
        documents = collect(sources())
        infos[NAME] = infos[NAME] or dataset.write(
            ((split, "\n\n".join(document.paragraphs)) for split, document in documents),
            name=NAME,
            data_dir=data_dir,
            recipe=recipe,
            description="English documentation found in a Python installation: docstrings and "
            "pydoc's topics, "
            f"prose only. Held out: {', '.join(sorted(HELD_OUT))}.",
        )
        learned = [document for split, document in documents if split == "train"]
        for name in documentation_tasks.TASKS:
            infos[name] = infos[name] or documentation_tasks.write(
                name, lambda split, packages: paragraphs(learned, split, packages), data_dir, recipe
            )
    return list(infos.values())


def paragraphs(documents: list[Document], split: str, packages: tuple[str, ...]) -> list[str]:
    """Returns the paragraphs of some packages, each once, in an order that mixes documents; a
    quarter of the documents are for validation."""
    texts: dict[int, str] = {}
    for document in documents:
        for_validation = _stable_hash(document.name) % 4 == 0
        if document.package in packages and for_validation == (split == "validation"):
            texts |= {_stable_hash(text): text for text in document.paragraphs}
    return [text for _, text in sorted(texts.items())]
