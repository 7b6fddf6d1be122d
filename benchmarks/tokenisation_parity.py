r"""Token ids beside those of Google's and Hugging Face's own code, for any texts and vocabularies.

    python -m benchmarks.tokenisation_parity --texts udhr.zip --vocab vocab.txt --google DIR \
        --code_points

Peers: transformers' `BertTokenizerLegacy`, in Python, which `rules=huggingface` follows; Google's
`tokenization.py`, if `--google` names a checkout of google-research/bert, which `rules=google`
follows; and, to show what those two do differently, the `tokenizers` library alone, which is
transformers' `BertTokenizer`.
"""

import argparse
import functools
import importlib
import json
import sys
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import transformers
from rich.console import Console
from rich.table import Table
from transformers.models.bert.tokenization_bert_legacy import BertTokenizerLegacy

from bert_jax.config import TokenizerConfig
from bert_jax.errors import UserError
from bert_jax.text.vocabulary import Vocabulary
from bert_jax.text.wordpiece import wordpiece
from bert_jax.text.words import splitter

# All tokenizers agree on these patterns by themselves: differences are due to the code point.
AROUND = ("{0}", "a{0}b", "A{0}Σ{0}B", "e{0}\u0301", "\u1100{0}\u1161")
POINTS_AT_ONCE = 1024


class Tokenizer(NamedTuple):
    """Tokenizer of one side: from a text to its words before WordPiece, and to its ids."""

    words: Callable[[str], list[str]]
    ids: Callable[[str], list[int]]


def main() -> None:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.tokenisation_parity",
        description=__doc__.partition("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--texts",
        required=True,
        metavar="PATH",
        help="texts: a zip or a directory of UTF-8 files, or a JSON object",
    )
    parser.add_argument(
        "--vocab",
        nargs="+",
        required=True,
        metavar="FILE",
        help="vocabulary files in the format of Google's vocab.txt",
    )
    parser.add_argument("--google", metavar="DIR", help="checkout of google-research/bert")
    parser.add_argument(
        "--code_points",
        action="store_true",
        help="also compare the words of every code point, alone and among other characters",
    )
    args = parser.parse_args()
    try:
        texts = read_texts(Path(args.texts))
        console = Console(width=120)
        console.print(
            f"{len(texts):,} texts, {sum(map(len, texts.values())):,} characters; transformers "
            f"{transformers.__version__}, Unicode {unicodedata.unidata_version}"
        )
        for path in args.vocab:
            console.print(compare_ids(texts, path, args.google))
        if args.code_points:
            console.print(compare_code_points(args.vocab[0], args.google))
    except UserError as error:
        raise SystemExit(f"error: {error}") from None


def read_texts(path: Path) -> dict[str, str]:
    """Returns the texts of a zip, a directory or a JSON object, by name.

    Raises:
        UserError: the path is none of these.
    """
    if path.is_dir():
        files = {
            str(file.relative_to(path)): file.read_bytes()
            for file in sorted(path.rglob("*"))
            if file.is_file()
        }
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            files = {
                name: archive.read(name) for name in archive.namelist() if not name.endswith("/")
            }
    elif path.suffix == ".json":
        return json.loads(path.read_text("utf-8"))
    else:
        raise UserError(
            f"{path} cannot be read as texts",
            found="a file of another kind" if path.exists() else "no such file",
            expected="a zip, a directory of UTF-8 files, or a JSON object of texts",
        )
    return {name: content.decode("utf-8") for name, content in files.items()}


# Peers


def ours(vocab: str, lowercase: bool, rules: str) -> Tokenizer:
    longest = dict(google=200, huggingface=100)[rules]
    config = TokenizerConfig(rules=rules, lowercase=lowercase, max_chars_per_word=longest)
    return Tokenizer(splitter(config), wordpiece(Vocabulary.load(vocab), config))


def hugging_face(vocab: str, lowercase: bool) -> Tokenizer:
    legacy = BertTokenizerLegacy(vocab, do_lower_case=lowercase)
    return Tokenizer(
        legacy.basic_tokenizer.tokenize, functools.partial(legacy.encode, add_special_tokens=False)
    )


def google(vocab: str, lowercase: bool, checkout: str) -> Tokenizer:
    # The module needs TensorFlow to open the vocabulary, and nothing else.
    tensorflow = mock.MagicMock()
    tensorflow.gfile.GFile = functools.partial(open, encoding="utf-8", newline="\n")
    with (
        mock.patch.dict(sys.modules, tensorflow=tensorflow),
        mock.patch.object(sys, "path", [checkout, *sys.path]),
    ):
        original = importlib.import_module("tokenization").FullTokenizer(vocab, lowercase)
    return Tokenizer(
        original.basic_tokenizer.tokenize,
        lambda text: original.convert_tokens_to_ids(original.tokenize(text)),
    )


def library(vocab: str, lowercase: bool) -> Tokenizer:
    fast = transformers.BertTokenizer(Vocabulary.load(vocab).ids, do_lower_case=lowercase)
    backend = fast.backend_tokenizer

    def words(text: str) -> list[str]:
        return [
            word
            for word, _ in backend.pre_tokenizer.pre_tokenize_str(
                backend.normalizer.normalize_str(text)
            )
        ]

    return Tokenizer(words, functools.partial(fast.encode, add_special_tokens=False))


def pairs(
    vocab: str, lowercase: bool, checkout: str | None
) -> Iterator[tuple[str, Tokenizer, Tokenizer]]:
    """Yields a title and two tokenizers for each comparison."""
    by_hugging_face, theirs = ours(vocab, lowercase, "huggingface"), hugging_face(vocab, lowercase)
    yield "ours, rules=huggingface: BertTokenizerLegacy", by_hugging_face, theirs
    alone = library(vocab, lowercase)
    if checkout:
        original = google(vocab, lowercase, checkout)
        yield "ours, rules=google: Google's code", ours(vocab, lowercase, "google"), original
        yield "(the library alone: Google's code)", alone, original
        yield "(BertTokenizerLegacy: Google's code)", theirs, original
    yield "(the library alone: BertTokenizerLegacy)", alone, theirs


# Comparisons


def compare_ids(texts: dict[str, str], vocab: str, checkout: str | None) -> Table:
    """Returns a table of the texts, words and ids of each comparison, with those that differ."""
    table = Table(
        "",
        "",
        "texts",
        "differ",
        "words",
        "differ",
        "ids",
        "differ",
        title=Path(vocab).name,
        title_justify="left",
    )
    for lowercase in (False, True):
        for title, one, other in pairs(vocab, lowercase, checkout):
            words = [(one.words(text), other.words(text)) for text in texts.values()]
            ids = [(one.ids(text), other.ids(text)) for text in texts.values()]
            differing = sum(a != b for a, b in ids)
            table.add_row(
                "uncased" if lowercase else "cased",
                title,
                f"{len(ids):,}",
                f"{differing:,}",
                *differences(words),
                *differences(ids),
            )
        table.add_section()
    return table


def differences(compared: Iterable[tuple[list, list]]) -> tuple[str, str]:
    """Returns the number of elements in the second lists, and how many of them the first ones
    lack."""
    total = lacking = 0
    for first, second in compared:
        total += len(second)
        lacking += (Counter(second) - Counter(first)).total()
    return f"{total:,}", f"{lacking:,}"


def compare_code_points(vocab: str, checkout: str | None) -> Table:
    """Returns a table of the code points, surrogates aside, whose words differ in any of several
    neighbourhoods."""
    table = Table(
        "",
        "",
        "code points",
        "differ",
        "for example",
        title=f"every code point, in {len(AROUND)} neighbourhoods",
        title_justify="left",
    )
    points = [chr(code) for code in range(0x110000) if not 0xD800 <= code <= 0xDFFF]
    for lowercase in (False, True):
        for title, one, other in pairs(vocab, lowercase, checkout):
            differing = list(differing_points(points, one.words, other.words))
            examples = " ".join(
                f"U+{ord(c):04X}" for c in differing[:: max(1, len(differing) // 3)][:3]
            )
            table.add_row(
                "uncased" if lowercase else "cased",
                title,
                f"{len(points):,}",
                f"{len(differing):,}",
                examples,
            )
        table.add_section()
    return table


def differing_points(points: list[str], one: Callable, other: Callable) -> Iterator[str]:
    for begin in range(0, len(points), POINTS_AT_ONCE):
        some = points[begin : begin + POINTS_AT_ONCE]
        # All at once first: most of the time nothing differs.
        if one(together := " ".join(map(surrounded, some))) != other(together):
            yield from (c for c in some if one(surrounded(c)) != other(surrounded(c)))


def surrounded(character: str) -> str:
    return " ".join(around.format(character) for around in AROUND)


if __name__ == "__main__":
    main()
