"""The input pipeline: speed on one core beside its peers, memory, and planning of a large corpus.

    python -m benchmarks.input_pipeline
    python -m benchmarks.input_pipeline --text books/ --vocab vocab.txt --plan 150_000_000

Peers: Google's own code, if `--google` names a checkout of it (instances and their ids, without
writing them); the same procedure in lean Python, `benchmarks.google_procedure`, on the same token
ids; and, if transformers and torch are installed, `DataCollatorForLanguageModeling`, which masks
rows that were made before.
"""

import argparse
import importlib
import itertools
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import google_procedure
from benchmarks.planning import planning
from benchmarks.process_memory import MB, measured
from bert_jax.config import Config, CorpusConfig
from bert_jax.corpus.corpora import open_corpus
from bert_jax.corpus.store_building import open_or_build
from bert_jax.corpus.token_store import TokenStore
from bert_jax.importers import documentation, local_text
from bert_jax.pretraining.source import PairSource
from bert_jax.text.vocabulary import Vocabulary
from bert_jax.text.vocabulary_training import train as train_vocabulary

ROWS = 256
CONFIG = Config()  # rows of 128 tokens, at most 20 predictions
GOOGLE_TARGET, COLLATOR_TARGET = 20, 10


def main() -> None:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.input_pipeline",
        description=__doc__.partition("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--text",
        nargs="+",
        metavar="PATH",
        help="files and directories of plain text, with a document per file; by default the "
        "documentation in this Python installation",
    )
    parser.add_argument(
        "--vocab", metavar="FILE", help="vocabulary file; by default one is trained on the text"
    )
    parser.add_argument(
        "--data_dir",
        metavar="DIR",
        help="directory for the prepared text; by default a temporary one",
    )
    parser.add_argument(
        "--repeat", type=int, default=5, help="repetitions, whose median is printed"
    )
    parser.add_argument(
        "--megabytes",
        type=int,
        nargs="*",
        default=[5, 60],
        help="sizes of text to measure memory with",
    )
    parser.add_argument(
        "--google",
        metavar="DIR",
        help="checkout of google-research/bert, to compare with its own code too",
    )
    parser.add_argument(
        "--plan", type=int, default=0, metavar="N", help="also plan an epoch of so many sentences"
    )
    args = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory() as temporary:
        corpus, vocabulary = prepared(args, temporary)
        store = open_or_build(
            Path(temporary) / "store", corpus, "train", CONFIG.tokenizer, vocabulary
        )
        console.print(
            f"{len(store.document_offsets) - 1:,} documents, {len(store.tokens):,} tokens, "
            f"vocabulary of {len(vocabulary):,}"
        )
        console.print(speeds(store, vocabulary, args.repeat, args.google))
        if args.megabytes:
            console.print(memory(corpus, vocabulary, args.megabytes, temporary))
    if args.plan:
        console.print(planning(args.plan))


def prepared(args: argparse.Namespace, temporary: str) -> tuple[CorpusConfig, Vocabulary]:
    data_dir = args.data_dir or temporary
    if args.text:
        info = local_text.prepare(args.text, "documents", "benchmark", data_dir)
    else:
        info, *_ = documentation.prepare(data_dir)
    corpus = CorpusConfig(name=info.name, data_dir=data_dir)
    if args.vocab:
        return corpus, Vocabulary.load(args.vocab)
    return corpus, train_vocabulary(texts(corpus), CONFIG.tokenizer)


def texts(corpus: CorpusConfig) -> Iterator[str]:
    documents = open_corpus(corpus.name, corpus.data_dir, "train", corpus.text_feature)
    for number in range(len(documents)):
        yield from documents.texts(number, number + 1)


# Speed


def speeds(store: TokenStore, vocabulary: Vocabulary, repeat: int, checkout: str | None) -> Table:
    """Measures sequences per second on the same single core, in turns so that a slow moment affects
    all."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})  # threads that are begun from here on inherit it
    try:
        ways = {way.__name__: way(store, vocabulary) for way in (ours, google, collator)}
        ways["original"] = original(store, vocabulary, checkout) if checkout else None
        seconds = {name: [] for name, way in ways.items() if way}
        for _ in range(repeat):
            for name in seconds:
                seconds[name].append(ways[name]())
    finally:
        os.sched_setaffinity(0, cores)
    rate = {name: 1 / statistics.median(each) for name, each in seconds.items()}
    table = Table(
        "one core, rows of 128 tokens",
        "sequences/s",
        "ours is faster by",
        "target",
        title=f"median of {repeat}",
    )
    table.add_row("ours: plan, fetch and mask", f"{rate['ours']:,.0f}")
    for name, title, target in (
        ("original", "Google's own code", GOOGLE_TARGET),
        ("google", "the same procedure in lean Python", None),
        ("collator", "DataCollatorForLanguageModeling, masks only", COLLATOR_TARGET),
    ):
        if name in rate:
            table.add_row(
                title,
                f"{rate[name]:,.0f}",
                f"{rate['ours'] / rate[name]:.1f}x",
                target and f"{target}x",
            )
        else:
            table.add_row(
                title,
                "-",
                "not there" if name != "original" else "no --google",
                target and f"{target}x",
            )
    return table


def ours(store: TokenStore, vocabulary: Vocabulary) -> Callable[[], float]:
    def seconds_a_sequence() -> float:
        start = time.perf_counter()
        source = PairSource(store, vocabulary, CONFIG)  # plans an epoch
        plan = (time.perf_counter() - start) / len(source)
        # Half an epoch at most: from there on the next one would be planned, which is counted
        # above.
        batches = max(1, min(len(source) // 2 // ROWS, 200))
        source.batch(np.arange(ROWS))
        start = time.perf_counter()
        for number in range(batches):
            source.batch(number * ROWS + np.arange(ROWS))
        return plan + (time.perf_counter() - start) / (batches * ROWS)

    return seconds_a_sequence


def google(store: TokenStore, vocabulary: Vocabulary, sequences: int = 4000) -> Callable[[], float]:
    sentences = [s.tolist() for s in np.split(store.tokens, store.sentence_offsets[1:-1])]
    documents = [
        sentences[begin:end] for begin, end in itertools.pairwise(store.document_offsets.tolist())
    ]
    masking, instances = CONFIG.masking, CONFIG.instances

    def seconds_a_sequence() -> float:
        draw, made = random.Random(0), 0
        start = time.perf_counter()
        for pair in itertools.islice(
            google_procedure.instances(
                documents,
                length=instances.length,
                short_rate=instances.short_rate,
                random_next_rate=instances.random_next_rate,
                draw=draw,
            ),
            sequences,
        ):
            masked = google_procedure.mask(
                google_procedure.row(pair, vocabulary.cls, vocabulary.sep),
                special=(vocabulary.cls, vocabulary.sep),
                rate=masking.rate,
                max_predictions=masking.max_predictions,
                mask_share=masking.mask_share,
                random_share=masking.random_share,
                mask_id=vocabulary.mask,
                vocab_size=len(vocabulary),
                draw=draw,
            )
            google_procedure.features(pair, *masked, instances.length, masking.max_predictions)
            made += 1
        return (time.perf_counter() - start) / made

    return seconds_a_sequence


def original(
    store: TokenStore, vocabulary: Vocabulary, checkout: str, sequences: int = 2000
) -> Callable[[], float]:
    """Times `create_instances_from_document` of google-research/bert, on tokens as strings, as that
    code has them."""
    # The module reads flags and files by TensorFlow, and makes instances without it.
    with (
        mock.patch.dict(sys.modules, tensorflow=mock.MagicMock()),
        mock.patch.object(sys, "path", [checkout, *sys.path]),
    ):
        code, tokenization = map(
            importlib.import_module, ("create_pretraining_data", "tokenization")
        )
    code.FLAGS.do_whole_word_mask = False
    tokens = np.array(vocabulary.tokens, dtype=object)[store.tokens]
    sentences = [s.tolist() for s in np.split(tokens, store.sentence_offsets[1:-1])]
    documents = [
        sentences[begin:end] for begin, end in itertools.pairwise(store.document_offsets.tolist())
    ]
    masking, instances = CONFIG.masking, CONFIG.instances
    # Whole documents only: of those that are not huge, in random order.
    order = [
        i
        for i in random.Random(1).sample(range(len(documents)), len(documents))
        if len(documents[i]) < 5000
    ]

    def seconds_a_sequence() -> float:
        draw, made = random.Random(0), 0
        start = time.perf_counter()
        for index in order:
            pairs = code.create_instances_from_document(
                documents,
                index,
                instances.length,
                instances.short_rate,
                masking.rate,
                masking.max_predictions,
                vocabulary.tokens,
                draw,
            )
            for pair in pairs:
                tokenization.convert_by_vocab(vocabulary.ids, pair.tokens)
                tokenization.convert_by_vocab(vocabulary.ids, pair.masked_lm_labels)
            made += len(pairs)
            if made >= sequences:
                break
        return (time.perf_counter() - start) / made

    return seconds_a_sequence


def collator(
    store: TokenStore, vocabulary: Vocabulary, batches: int = 40
) -> Callable[[], float] | None:
    try:
        import torch
        from transformers import BertTokenizer, DataCollatorForLanguageModeling
    except ImportError:
        return None
    torch.set_num_threads(1)
    torch.manual_seed(0)
    collate = DataCollatorForLanguageModeling(
        BertTokenizer(vocabulary.ids), mlm=True, mlm_probability=CONFIG.masking.rate
    )
    batch = PairSource(store, vocabulary, CONFIG).batch(np.arange(ROWS))
    ids = torch.from_numpy(batch["input_ids"].astype(np.int64))
    special = torch.isin(ids, torch.tensor([vocabulary.cls, vocabulary.sep, vocabulary.pad])).long()
    rows = [dict(input_ids=i, special_tokens_mask=s) for i, s in zip(ids, special, strict=True)]

    def seconds_a_sequence() -> float:
        start = time.perf_counter()
        for _ in range(batches):
            collate([dict(row) for row in rows])
        return (time.perf_counter() - start) / (batches * ROWS)

    return seconds_a_sequence


# Memory


def memory(corpus: CorpusConfig, vocabulary: Vocabulary, sizes: list[int], directory: str) -> Table:
    """Measures the peaks of building a store and of reading an epoch from it, for each size."""
    table = Table(
        "peak memory of all processes, MB",
        *(f"{size} MB of text" for size in sizes),
        title="private memory (all resident, pages of mapped files and libraries included)",
    )
    corpora = [of_size(corpus, size, directory) for size in sizes]
    shown = {
        f"build, {workers} worker{'s' * (workers > 1)}": [
            measured(build, f"{directory}/store_{workers}_{made.name}", made, vocabulary, workers)
            for made in corpora
        ]
        for workers in (1, 2)
    }
    shown["read an epoch"] = [
        measured(read, f"{directory}/store_1_{made.name}", vocabulary) for made in corpora
    ]
    table.add_row("imports alone", *[peaks(measured(nothing))] * len(sizes))
    for title, each in shown.items():
        table.add_row(title, *map(peaks, each))
    return table


def peaks(measurement: tuple) -> str:
    _, private, resident = measurement
    return f"{private / MB:,.0f} ({resident / MB:,.0f})"


def of_size(corpus: CorpusConfig, megabytes: int, directory: str) -> CorpusConfig:
    """Makes a corpus of documents of 20 lines each, cut from anywhere in the text."""
    lines: list[str] = []
    for text in texts(corpus):
        lines += text.split("\n")
    draw = random.Random(0)
    path, written = Path(directory) / f"made_up_{megabytes}.jsonl", 0
    with path.open("w") as file:
        while written < megabytes * MB:
            begin = draw.randrange(max(1, len(lines) - 20))
            text = "\n".join(lines[begin : begin + 20])
            written += len(text.encode())
            if text.strip():
                file.write(json.dumps(dict(text=text)) + "\n")
    info = local_text.prepare([path], "jsonl", path.stem, directory)
    return CorpusConfig(name=info.name, data_dir=directory)


def build(directory: str, corpus: CorpusConfig, vocabulary: Vocabulary, workers: int) -> None:
    open_or_build(directory, corpus, "train", CONFIG.tokenizer, vocabulary, workers, progress=False)


def read(directory: str, vocabulary: Vocabulary) -> None:
    source = PairSource(TokenStore.open(directory), vocabulary, CONFIG)
    for start in range(0, len(source), ROWS):
        source.batch(start + np.arange(ROWS))


def nothing() -> None:
    time.sleep(0.2)


if __name__ == "__main__":
    main()
