"""Planning of an epoch of a large corpus: time and memory."""

import math
import os
import time

import numpy as np
from rich.table import Table

from benchmarks.process_memory import MB, measured, resident
from bert_jax.batching import randomness
from bert_jax.config import InstancesConfig
from bert_jax.pretraining.instances import plan_pairs

SENTENCE_TOKENS, DOCUMENT_SENTENCES = 25, 20  # means


def planning(sentences: int) -> Table:
    """Plans an epoch of a made-up corpus, and returns its time and memory as a table."""
    (pairs, inputs, plan, order), private, _ = measured(plan_epoch, sentences)
    table = Table(
        "planning an epoch",
        f"{sentences:,} sentences",
        title=f"sentences of {SENTENCE_TOKENS} tokens "
        f"and documents of {DOCUMENT_SENTENCES} sentences on average",
    )
    table.add_row("pairs", f"{pairs:,}")
    table.add_row("plan_pairs", f"{plan:,.1f} s")
    table.add_row("permutation", f"{order:,.1f} s")
    taken = private - inputs
    table.add_row(
        "peak memory beside the offsets", f"{taken / MB:,.0f} MB, {taken / pairs:,.0f} bytes a pair"
    )
    return table


def plan_epoch(sentences: int) -> tuple[int, float, float, float]:
    """Returns the number of pairs, private bytes before planning, and seconds of plan and order."""
    draw = np.random.default_rng(0)
    counts = draw.geometric(1 / DOCUMENT_SENTENCES, 2 * sentences // DOCUMENT_SENTENCES)
    end = np.cumsum(counts)
    end = np.append(end[end < sentences], sentences)
    offsets = np.zeros(sentences + 1, np.int64)
    deviation = 0.7
    location = math.log(SENTENCE_TOKENS) - deviation**2 / 2
    for start in range(0, sentences, 1 << 20):  # in parts, so that memory is that of the offsets
        part = offsets[1:][start : start + (1 << 20)]
        part[:] = np.maximum(1, draw.lognormal(location, deviation, len(part)))
    np.cumsum(offsets, out=offsets)
    begin = np.concatenate([[0], end[:-1]])
    instances = InstancesConfig()
    inputs = resident(os.getpid())[0]
    start = time.perf_counter()
    pairs = plan_pairs(
        offsets,
        begin,
        end,
        length=instances.length,
        short_rate=instances.short_rate,
        random_next_rate=instances.random_next_rate,
        seed=0,
        version=0,
    )
    planned = time.perf_counter()
    randomness.permutation(randomness.key(0, "order"), len(pairs))
    return len(pairs), inputs, planned - start, time.perf_counter() - planned
