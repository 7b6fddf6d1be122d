"""The input pipeline's speed on one core against two peers, its memory, and the planning of a large corpus.

    python -m benchmarks.input_pipeline
    python -m benchmarks.input_pipeline --text books/ --vocab vocab.txt --plan 150_000_000

Peers: Google's own code, where `--google` names a checkout of it (instances and their ids, without writing them);
the same procedure in lean Python, `benchmarks.google_procedure`, on the same token ids; and, where transformers and
torch are installed, `DataCollatorForLanguageModeling`, which masks rows made before.
"""

import argparse
import contextlib
import importlib
import itertools
import json
import math
import multiprocessing
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import google_procedure
from bert_jax.config import Config, CorpusConfig
from bert_jax.data import randomness
from bert_jax.data.builders import documentation, local_text
from bert_jax.data.corpora import open_corpus
from bert_jax.data.instances import plan_pairs
from bert_jax.data.source import PairSource
from bert_jax.data.store import TokenStore
from bert_jax.data.store_building import open_or_build
from bert_jax.text.vocabulary import Vocabulary
from bert_jax.text.vocabulary_training import train as train_vocabulary

ROWS = 256
CONFIG = Config()  # rows of 128 tokens, at most 20 predictions
GOOGLE_TARGET, COLLATOR_TARGET = 20, 10
SENTENCE_TOKENS, DOCUMENT_SENTENCES = 25, 20  # means of the planned corpus
MB = 1e6


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.input_pipeline", description=__doc__.partition("\n")[0],
                                     formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--text", nargs="+", metavar="PATH", help="files or directories of plain text, a document a "
                        "file; else the documentation found in this Python installation")
    parser.add_argument("--vocab", metavar="FILE", help="a vocab.txt; else one is trained on the text")
    parser.add_argument("--data_dir", metavar="DIR", help="where prepared text is kept; else a temporary directory")
    parser.add_argument("--repeat", type=int, default=5, help="repetitions, of which the median counts")
    parser.add_argument("--megabytes", type=int, nargs="*", default=[5, 60], help="sizes of text to measure memory on")
    parser.add_argument("--google", metavar="DIR",
                        help="a checkout of google-research/bert, whose own code is then a peer")
    parser.add_argument("--plan", type=int, default=0, metavar="N", help="plan an epoch of so many sentences too")
    args = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory() as temporary:
        corpus, vocabulary = prepared(args, temporary)
        store = open_or_build(Path(temporary) / "store", corpus, "train", CONFIG.tokenizer, vocabulary)
        console.print(f"{len(store.document_offsets) - 1:,} documents, {len(store.tokens):,} tokens, "
                      f"vocabulary of {len(vocabulary):,}")
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


def texts(corpus: CorpusConfig):
    documents = open_corpus(corpus.name, corpus.data_dir, "train", corpus.text_feature)
    return (text for at in range(len(documents)) for text in documents.texts(at, at + 1))


# Speed


def speeds(store: TokenStore, vocabulary: Vocabulary, repeat: int, checkout: str | None) -> Table:
    """Sequences a second of all on the same single core, taken in turn so that a slow moment strikes all."""
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
    table = Table("one core, rows of 128 tokens", "sequences/s", "ours is faster by", "target",
                  title=f"median of {repeat}")
    table.add_row("ours: plan, fetch and mask", f"{rate['ours']:,.0f}")
    for name, what, target in (("original", "Google's own code", GOOGLE_TARGET),
                               ("google", "the same procedure in lean Python", None),
                               ("collator", "DataCollatorForLanguageModeling, masks only", COLLATOR_TARGET)):
        if name in rate:
            table.add_row(what, f"{rate[name]:,.0f}", f"{rate['ours'] / rate[name]:.1f}x", target and f"{target}x")
        else:
            table.add_row(what, "-", "not there" if name != "original" else "no --google", target and f"{target}x")
    return table


def ours(store: TokenStore, vocabulary: Vocabulary) -> Callable[[], float]:
    def seconds_a_sequence() -> float:
        start = time.perf_counter()
        source = PairSource(store, vocabulary, CONFIG)  # plans an epoch
        plan = (time.perf_counter() - start) / len(source)
        # Half an epoch at most: from there on the next one would be planned, which is counted above.
        batches = max(1, min(len(source) // 2 // ROWS, 200))
        source.batch(np.arange(ROWS))
        start = time.perf_counter()
        for number in range(batches):
            source.batch(number * ROWS + np.arange(ROWS))
        return plan + (time.perf_counter() - start) / (batches * ROWS)

    return seconds_a_sequence


def google(store: TokenStore, vocabulary: Vocabulary, sequences: int = 4000) -> Callable[[], float]:
    sentences = [s.tolist() for s in np.split(store.tokens, store.sentence_offsets[1:-1])]
    documents = [sentences[begin:end] for begin, end in itertools.pairwise(store.document_offsets.tolist())]
    masking, instances = CONFIG.masking, CONFIG.instances

    def seconds_a_sequence() -> float:
        draw, made = random.Random(0), 0
        start = time.perf_counter()
        for pair in itertools.islice(google_procedure.instances(
                documents, length=instances.length, short_rate=instances.short_rate,
                random_next_rate=instances.random_next_rate, draw=draw), sequences):
            masked = google_procedure.mask(
                google_procedure.row(pair, vocabulary.cls, vocabulary.sep),
                special=(vocabulary.cls, vocabulary.sep), rate=masking.rate,
                max_predictions=masking.max_predictions, mask_share=masking.mask_share,
                random_share=masking.random_share, mask_id=vocabulary.mask, vocab_size=len(vocabulary), draw=draw)
            google_procedure.features(pair, *masked, instances.length, masking.max_predictions)
            made += 1
        return (time.perf_counter() - start) / made

    return seconds_a_sequence


def original(store: TokenStore, vocabulary: Vocabulary, checkout: str, sequences: int = 2000) -> Callable[[], float]:
    """`create_instances_from_document` of google-research/bert, on tokens as strings, as that code has them."""
    # The module reads flags and files by TensorFlow, and makes instances without it.
    with (mock.patch.dict(sys.modules, tensorflow=mock.MagicMock()),
          mock.patch.object(sys, "path", [checkout, *sys.path])):
        code, tokenization = map(importlib.import_module, ("create_pretraining_data", "tokenization"))
    code.FLAGS.do_whole_word_mask = False
    tokens = np.array(vocabulary.tokens, dtype=object)[store.tokens]
    sentences = [s.tolist() for s in np.split(tokens, store.sentence_offsets[1:-1])]
    documents = [sentences[begin:end] for begin, end in itertools.pairwise(store.document_offsets.tolist())]
    masking, instances = CONFIG.masking, CONFIG.instances
    # Whole documents only: of those that are not huge, in random order.
    order = [i for i in random.Random(1).sample(range(len(documents)), len(documents)) if len(documents[i]) < 5000]

    def seconds_a_sequence() -> float:
        draw, made = random.Random(0), 0
        start = time.perf_counter()
        for index in order:
            pairs = code.create_instances_from_document(
                documents, index, instances.length, instances.short_rate, masking.rate, masking.max_predictions,
                vocabulary.tokens, draw)
            for pair in pairs:
                tokenization.convert_by_vocab(vocabulary.ids, pair.tokens)
                tokenization.convert_by_vocab(vocabulary.ids, pair.masked_lm_labels)
            made += len(pairs)
            if made >= sequences:
                break
        return (time.perf_counter() - start) / made

    return seconds_a_sequence


def collator(store: TokenStore, vocabulary: Vocabulary, batches: int = 40) -> Callable[[], float] | None:
    try:
        import torch
        from transformers import BertTokenizer, DataCollatorForLanguageModeling
    except ImportError:
        return None
    torch.set_num_threads(1)
    torch.manual_seed(0)
    collate = DataCollatorForLanguageModeling(
        BertTokenizer(vocabulary.ids), mlm=True, mlm_probability=CONFIG.masking.rate)
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
    """Peaks of building a store and of reading an epoch from it, for each size of text."""
    table = Table("peak memory of all processes, MB", *(f"{size} MB of text" for size in sizes),
                  title="private memory (all resident, pages of mapped files and libraries included)")
    corpora = [of_size(corpus, size, directory) for size in sizes]
    shown = {f"build, {workers} worker{'s' * (workers > 1)}": [
        measured(build, f"{directory}/store_{workers}_{made.name}", made, vocabulary, workers) for made in corpora]
        for workers in (1, 2)}
    shown["read an epoch"] = [measured(read, f"{directory}/store_1_{made.name}", vocabulary) for made in corpora]
    table.add_row("imports alone", *[peaks(measured(nothing))] * len(sizes))
    for what, each in shown.items():
        table.add_row(what, *map(peaks, each))
    return table


def peaks(measurement: tuple) -> str:
    _, private, resident = measurement
    return f"{private / MB:,.0f} ({resident / MB:,.0f})"


def of_size(corpus: CorpusConfig, megabytes: int, directory: str) -> CorpusConfig:
    """A corpus of documents of 20 lines each, cut from anywhere in the text."""
    lines, draw = [line for text in texts(corpus) for line in text.split("\n")], random.Random(0)
    path, written = Path(directory) / f"made_up_{megabytes}.jsonl", 0
    with path.open("w") as file:
        while written < megabytes * MB:
            at = draw.randrange(max(1, len(lines) - 20))
            text = "\n".join(lines[at:at + 20])
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


def measured(work: Callable, *args) -> tuple:
    """What `work` returns in a fresh process, and the peaks of its private and of all its resident bytes."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=answer, args=(there, work, args))
    process.start()
    there.close()
    peak = np.zeros(2)
    while process.is_alive():
        peak = np.maximum(peak, sum((resident(pid) for pid in family(process.pid)), np.zeros(2)))
        process.join(0.02)
    if process.exitcode:
        raise SystemExit(f"{work.__name__} failed")
    return here.recv(), *peak


def answer(connection, work: Callable, args: tuple) -> None:
    connection.send(work(*args))


def family(pid: int) -> list[int]:
    children = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # gone since
            children += map(int, task.read_text().split())
    return [pid, *itertools.chain.from_iterable(map(family, children))]


def resident(pid: int) -> np.ndarray:
    """Private and all resident bytes of a process."""
    try:
        lines = (line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        sizes = {words[0]: int(words[1]) * 1024 for words in lines if words[0] in ("RssAnon:", "VmRSS:")}
    except OSError:  # gone since
        sizes = {}
    return np.array([sizes.get("RssAnon:", 0), sizes.get("VmRSS:", 0)])


# Planning


def planning(sentences: int) -> Table:
    (pairs, inputs, plan, order), private, _ = measured(plan_epoch, sentences)
    table = Table("planning an epoch", f"{sentences:,} sentences", title=f"sentences of {SENTENCE_TOKENS} tokens "
                  f"and documents of {DOCUMENT_SENTENCES} sentences on average")
    table.add_row("pairs", f"{pairs:,}")
    table.add_row("plan_pairs", f"{plan:,.1f} s")
    table.add_row("permutation", f"{order:,.1f} s")
    taken = private - inputs
    table.add_row("peak memory beside the offsets", f"{taken / MB:,.0f} MB, {taken / pairs:,.0f} bytes a pair")
    return table


def plan_epoch(sentences: int) -> tuple[int, float, float, float]:
    """Pairs, private bytes before planning, seconds of the plan and of the order."""
    draw = np.random.default_rng(0)
    counts = draw.geometric(1 / DOCUMENT_SENTENCES, 2 * sentences // DOCUMENT_SENTENCES)
    end = np.cumsum(counts)
    end = np.append(end[end < sentences], sentences)
    offsets = np.zeros(sentences + 1, np.int64)
    deviation = 0.7
    location = math.log(SENTENCE_TOKENS) - deviation**2 / 2
    for at in range(0, sentences, 1 << 20):  # in parts: only the offsets count
        part = offsets[1:][at:at + (1 << 20)]
        part[:] = np.maximum(1, draw.lognormal(location, deviation, len(part)))
    np.cumsum(offsets, out=offsets)
    begin = np.concatenate([[0], end[:-1]])
    inputs = resident(os.getpid())[0]
    start = time.perf_counter()
    pairs = plan_pairs(offsets, begin, end, length=CONFIG.instances.length, short_rate=CONFIG.instances.short_rate,
                       random_next_rate=CONFIG.instances.random_next_rate, seed=0, version=0)
    planned = time.perf_counter()
    randomness.permutation(randomness.key(0, "order"), len(pairs))
    return len(pairs), inputs, planned - start, time.perf_counter() - planned


if __name__ == "__main__":
    main()
