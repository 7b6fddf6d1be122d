"""`python -m bert_jax prepare store`: the vocabulary and token stores of a recipe, and what the text is like."""

import argparse
import json

from rich.console import Console
from rich.table import Table

from bert_jax.checkpoint import initial
from bert_jax.checkpoint.runs import CHECKPOINTS
from bert_jax.cli.arguments import parse, parser_with_config
from bert_jax.data import preparation, statistics
from bert_jax.data.store import TokenStore
from bert_jax.remote import Mirror, path_of
from bert_jax.tasks import examples, tokenised
from bert_jax.text.vocabulary import Vocabulary
from bert_jax.text.wordpiece import Encoder
from bert_jax.training.run import read_config

SUMMARY = ("The vocabulary and token stores of a recipe, as train.py would make them: on a machine without devices, "
           "say. Shows what the text is like and what may be wrong with it, and writes it beside each store.")
FILE = "statistics.json"
_SHOWN = 3  # examples of a split that are found in the text

_ROWS = (
    ("documents", "documents", "{:,}"), ("of them empty", "empty_documents", "{:,}"),
    ("that repeat others", "repeated_documents", "{:,}"), ("sentences", "sentences", "{:,}"),
    ("tokens", "tokens", "{:,}"), ("bytes a token", "bytes_a_token", "{:.2f}"), ("[UNK]", "unknown_tokens", "{:.3%}"),
    ("entries never met", "unused_vocabulary", "{:,}"),
    ("tokens a sentence", "tokens_a_sentence", "{median:,} / {p90:,} / {p99:,} / {longest:,}"),
    ("sentences a document", "sentences_a_document", "{median:,} / {p90:,} / {p99:,} / {longest:,}"),
    ("sentences longer than a row", "sentences_longer_than_a_row", "{:.2%}"),
    ("documents of one sentence", "documents_of_one_sentence", "{:.2%}"),
)


def main(argv: list[str]) -> None:
    """Makes the stores and prints their statistics.

    Raises:
        UserError: as `preparation.open_or_make`, or a data set to compare with is not there.
    """
    parser = parser_with_config("python -m bert_jax prepare store", SUMMARY)
    parser.add_argument("--workdir", required=True, type=path_of, help="of the run to come")
    parser.add_argument("--overlap", nargs="+", default=[], metavar="TASK",
                        help="labelled TFDS data sets, as glue/mrpc: which examples that are not for training stand in "
                        "the training text")
    parser.add_argument("--overlap_data_dir", default="", metavar="DIR", help="where these are prepared; empty: TFDS's "
                        "own default")
    args, config = parse(parser, argv)
    mirror = Mirror(args.workdir, copy="0")
    mirror.pull(leave_out=(CHECKPOINTS,))
    config, source = initial.adopt(config, read_config(mirror.local))
    mirror.local.mkdir(parents=True, exist_ok=True)
    vocabulary, texts = preparation.open_or_make(config, mirror.local, source)
    console = Console()
    stores = {(name, split): store for name, text in texts.items() for split, store in text._asdict().items()}
    found = {of: statistics.of_store(store, config.instances.length) for of, store in stores.items()}
    table = Table(f"vocabulary of {len(vocabulary):,}", *(f"{name}\n{split}" for name, split in found),
                  caption="of lengths: median / 90% / 99% / longest", caption_justify="left")
    for label, key, shown in _ROWS:
        table.add_row(label, *(shown.format_map(of[key]) if isinstance(of[key], dict) else shown.format(of[key])
                               for of in found.values()))
    console.print(table)
    for (name, split), store in stores.items():
        for warning in statistics.warnings_of(store, config.objectives):
            console.print(f"{name}, {split}: {warning}", soft_wrap=True, highlight=False, markup=False)
    for task in args.overlap:
        for (name, split), store in stores.items():
            if split == "train":
                found[name, split].setdefault("overlap", {})[task] = _show_overlap(
                    console, store, name, task, args, vocabulary, Encoder(vocabulary, config.tokenizer))
    for of, store in stores.items():
        (store.directory / FILE).write_text(json.dumps(found[of], indent=1) + "\n")
    mirror.push()
    console.print(f"  {FILE} beside each store, in {', '.join(str(store.directory) for store in stores.values())}",
                  soft_wrap=True, highlight=False)


def _show_overlap(console: Console, store: TokenStore, name: str, task: str, args: argparse.Namespace,
                  vocabulary: Vocabulary, encode: Encoder) -> dict[str, dict]:
    """How much of each split that is not for training stands in a store; prints it with examples."""
    said = {}
    for split in examples.opened(task, args.overlap_data_dir, "train").dataset_info.splits:
        if split == "train":
            continue
        of_split = tokenised.tokenise(examples.read(task, args.overlap_data_dir, split), encode)
        # A context that several questions share is one text.
        places = dict.fromkeys(zip(of_split.begins.ravel().tolist(), of_split.lengths.ravel().tolist()))
        texts = [of_split.tokens[begin:begin + length] for begin, length in places]
        n, long, found = statistics.overlap(store, texts)
        said[split] = dict(tokens=n, texts=len(texts), long_enough=int(long.sum()), found=int(found.sum()))
        console.print(f"{task}, {split}: {found.sum():,} of {long.sum():,} texts of at least {n} tokens have {n} of "
                      f"them in a row that stand in {name}", soft_wrap=True, highlight=False)
        for i in [i for i in range(len(texts)) if found[i]][:_SHOWN]:
            words = " ".join(vocabulary.tokens[token] for token in texts[i][:24]).replace(" ##", "")
            console.print(f"    {words}", soft_wrap=True, highlight=False, markup=False)
    return said
