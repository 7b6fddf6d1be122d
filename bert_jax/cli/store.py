"""`python -m bert_jax prepare store`: makes the vocabulary and token stores of a recipe."""

import argparse
import json
from typing import Any

from rich.console import Console
from rich.table import Table

from bert_jax.checkpoint import initial
from bert_jax.checkpoint.runs import CHECKPOINTS
from bert_jax.cli.arguments import parse, parser_with_config
from bert_jax.config import Config
from bert_jax.corpus import preparation, statistics
from bert_jax.corpus.token_store import BUILDING, MANIFEST, STORES, TokenStore
from bert_jax.remote import path_of
from bert_jax.runs.files import read_config
from bert_jax.runs.mirror import Mirror
from bert_jax.tasks import examples, tokenised
from bert_jax.text.vocabulary import Vocabulary
from bert_jax.text.wordpiece import Encoder
from bert_jax.training.vocabularies import prepare_vocabulary

SUMMARY = (
    "Make the vocabulary and the token stores of a recipe ahead of training, as train.py would: on "
    "a machine without accelerators, for example. Prints statistics of the text with warnings, and "
    "writes them beside each store."
)
FILE = "statistics.json"
_SHOWN = 3  # overlapping examples of a split that are printed

_LENGTHS = "{median:,} / {p90:,} / {p99:,} / {longest:,}"
# (title, name in the statistics, format) of each row of the table
_ROWS = (
    ("documents", "documents", "{:,}"),
    ("empty documents", "empty_documents", "{:,}"),
    ("repeated documents", "repeated_documents", "{:,}"),
    ("sentences", "sentences", "{:,}"),
    ("tokens", "tokens", "{:,}"),
    ("bytes per token", "bytes_a_token", "{:.2f}"),
    ("[UNK]", "unknown_tokens", "{:.3%}"),
    ("unused entries", "unused_vocabulary", "{:,}"),
    ("tokens per sentence", "tokens_a_sentence", _LENGTHS),
    ("sentences per document", "sentences_a_document", _LENGTHS),
    ("sentences longer than a row", "sentences_longer_than_a_row", "{:.2%}"),
    ("documents of one sentence", "documents_of_one_sentence", "{:.2%}"),
)

# By name of the corpus and of the split.
Stores = dict[tuple[str, str], TokenStore]
Statistics = dict[tuple[str, str], dict[str, Any]]


def main(argv: list[str]) -> None:
    """Makes the stores, and prints and writes their statistics.

    Raises:
        UserError: as `prepare_vocabulary` and `preparation.open_or_make`; or a data set to compare
            with is not prepared.
        SystemExit: an option is wrong, or help was asked for.
    """
    args, config = parse(_parser(), argv)
    mirror = Mirror(args.workdir, copy="0", stores=STORES, manifest=MANIFEST, unfinished=BUILDING)
    mirror.pull(leave_out=(CHECKPOINTS,))
    config, source = initial.adopt(config, read_config(mirror.local))
    mirror.local.mkdir(parents=True, exist_ok=True)
    vocabulary = prepare_vocabulary(config, mirror.local, source)

    stores: Stores = {}
    for name, text in preparation.open_or_make(config, mirror.local, vocabulary).items():
        for split, store in text._asdict().items():
            stores[name, split] = store
    results = {
        key: statistics.of_store(store, config.instances.length) for key, store in stores.items()
    }
    console = Console()
    _show_statistics(console, results, len(vocabulary))
    _show_warnings(console, stores, config)
    _add_overlaps(console, results, stores, args, Encoder(vocabulary, config.tokenizer))

    for key, store in stores.items():
        (store.directory / FILE).write_text(json.dumps(results[key], indent=1) + "\n")
    mirror.push()
    directories = ", ".join(str(store.directory) for store in stores.values())
    console.print(f"  {FILE} beside each store, in {directories}", soft_wrap=True, highlight=False)


def _parser() -> argparse.ArgumentParser:
    parser = parser_with_config("python -m bert_jax prepare store", SUMMARY)
    parser.add_argument(
        "--workdir", required=True, type=path_of, help="directory of the run that will use them"
    )
    parser.add_argument(
        "--overlap",
        nargs="+",
        default=[],
        metavar="TASK",
        help="labelled TFDS data sets, such as glue/mrpc: report which of their examples, training "
        "examples aside, occur in the training text",
    )
    parser.add_argument(
        "--overlap_data_dir",
        default="",
        metavar="DIR",
        help="TFDS data directory that contains these data sets; empty: TFDS's default",
    )
    return parser


def _show_statistics(console: Console, results: Statistics, vocab_size: int) -> None:
    table = Table(
        f"vocabulary of {vocab_size:,}",
        *(f"{name}\n{split}" for name, split in results),
        caption="lengths: median / 90% / 99% / longest",
        caption_justify="left",
    )
    for title, name, form in _ROWS:
        values = [result[name] for result in results.values()]
        table.add_row(title, *(_formatted(form, value) for value in values))
    console.print(table)


def _formatted(form: str, value: Any) -> str:
    return form.format_map(value) if isinstance(value, dict) else form.format(value)


def _show_warnings(console: Console, stores: Stores, config: Config) -> None:
    for (name, split), store in stores.items():
        for warning in statistics.warnings_of(store, config.objectives):
            console.print(
                f"{name}, {split}: {warning}", soft_wrap=True, highlight=False, markup=False
            )


def _add_overlaps(
    console: Console, results: Statistics, stores: Stores, args: argparse.Namespace, encode: Encoder
) -> None:
    """Adds the overlap of each training text with each task to its statistics, and prints it."""
    for task in args.overlap:
        for (name, split), store in stores.items():
            if split == "train":
                overlaps = results[name, split].setdefault("overlap", {})
                overlaps[task] = _overlap(console, store, name, task, args.overlap_data_dir, encode)


def _overlap(
    console: Console, store: TokenStore, name: str, task: str, data_dir: str, encode: Encoder
) -> dict[str, dict[str, int]]:
    """Returns the number of texts of each split, training aside, that occur in a store, and prints
    it with some of the texts."""
    overlaps = {}
    for split in examples.opened(task, data_dir, "train").dataset_info.splits:
        if split == "train":
            continue
        of_split = tokenised.tokenise(examples.read(task, data_dir, split), encode)
        # A context that several questions share is one text.
        places = dict.fromkeys(
            zip(of_split.begins.ravel().tolist(), of_split.lengths.ravel().tolist())
        )
        texts = [of_split.tokens[begin : begin + length] for begin, length in places]
        n, long_enough, overlapping = statistics.overlap(store, texts)  # bool [texts] both
        overlaps[split] = dict(
            tokens=n,
            texts=len(texts),
            long_enough=int(long_enough.sum()),
            found=int(overlapping.sum()),
        )
        console.print(
            f"{task}, {split}: {overlapping.sum():,} of {long_enough.sum():,} texts of at least "
            f"{n} tokens have {n} consecutive tokens that also occur in {name}",
            soft_wrap=True,
            highlight=False,
        )
        for i in overlapping.nonzero()[0][:_SHOWN]:
            words = _text(texts[i][:24], encode.vocabulary)
            console.print(f"    {words}", soft_wrap=True, highlight=False, markup=False)
    return overlaps


def _text(tokens: Any, vocabulary: Vocabulary) -> str:
    return " ".join(vocabulary.tokens[token] for token in tokens).replace(" ##", "")
