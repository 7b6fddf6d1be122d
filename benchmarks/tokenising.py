"""Tokenising a corpus into a store: speed, memory, and the cost of a kill.

    python -m benchmarks.tokenising --text books/ --vocab vocab.txt

The text is cut into documents of 20 lines until there are 60 MB. For one process and for two,
prints seconds, MB/s, and the peak of private memory of all processes. Then all processes are killed
half-way by SIGKILL, and the same call resumes: prints the number of shards that were kept, the
seconds of the rest, and whether the store is the same to the byte.
"""

import argparse
import multiprocessing
import os
import signal
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.input_pipeline import build, of_size, prepared
from benchmarks.process_memory import MB, family, measured
from bert_jax.config import CorpusConfig
from bert_jax.corpus.token_store import BUILDING, TokenStore
from bert_jax.text.vocabulary import Vocabulary


def main() -> None:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.tokenising",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
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
    parser.add_argument("--megabytes", type=int, default=60, help="size of the text")
    parser.add_argument(
        "--workers", type=int, nargs="+", default=[1, 2], metavar="N", help="numbers of processes"
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        corpus, vocabulary = prepared(args, temporary)
        corpus = of_size(corpus, args.megabytes, temporary)
        table = Table("processes", "seconds", "MB/s", "private memory")
        for workers in args.workers:
            directory = f"{temporary}/store_{workers}"
            seconds, private, _ = measured(_timed, directory, corpus, vocabulary, workers)
            counts = TokenStore.open(directory).manifest["counts"]
            table.add_row(
                str(workers),
                f"{seconds:.1f}",
                f"{counts['text_bytes'] / MB / seconds:.1f}",
                f"{private / MB:,.0f} MB",
            )
        Console().print(
            f"{counts['documents']:,} documents, {counts['text_bytes'] / MB:.0f} MB, "
            f"{counts['tokens']:,} tokens, vocabulary of {len(vocabulary):,}",
            highlight=False,
        )
        Console().print(table)

        killed = Path(temporary) / "killed"
        kill = _killed(killed, Path(directory), corpus, vocabulary, workers, seconds)
        Console().print(kill, highlight=False)


def _killed(
    directory: Path,
    whole: Path,
    corpus: CorpusConfig,
    vocabulary: Vocabulary,
    workers: int,
    seconds: float,
) -> str:
    """Builds a store, kills all processes half-way and resumes.

    Args:
        directory: directory of the store.
        whole: a store of the same text that was built without a kill, in `seconds`.
        corpus, vocabulary, workers: arguments of `build`.
        seconds: time that the whole takes.

    Returns:
        A sentence with what was kept and what the rest took.
    """
    process = multiprocessing.get_context("spawn").Process(
        target=build, args=(str(directory), corpus, vocabulary, workers)
    )
    process.start()
    time.sleep(seconds / 2)
    for pid in family(process.pid):
        os.kill(pid, signal.SIGKILL)
    process.join()
    kept = len(list((directory / BUILDING).glob("*/counts.json")))
    rest, *_ = measured(_timed, str(directory), corpus, vocabulary, workers)
    same = TokenStore.open(directory).manifest["files"] == TokenStore.open(whole).manifest["files"]
    return (
        f"killed after {seconds / 2:.1f} s with {kept} shards kept; the rest took {rest:.1f} s; "
        f"the store is {'the same' if same else 'NOT the same'}"
    )


def _timed(*args) -> float:
    begin = time.perf_counter()
    build(*args)
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
