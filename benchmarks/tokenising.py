"""Tokenising a corpus into a store: speed, memory, and what a kill costs.

    python -m benchmarks.tokenising --text books/ --vocab vocab.txt

The text is cut into documents of 20 lines until there are 60 MB. For one process and for two: seconds, MB/s, and the
peak of private memory of all processes. Then all of them are killed half-way, by SIGKILL, and the same call goes on:
how many shards were kept, how long the rest took, and whether the store is the same to the byte.
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

from benchmarks.input_pipeline import MB, build, family, measured, of_size, prepared
from bert_jax.data.store import BUILDING, TokenStore


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.tokenising", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", nargs="+", metavar="PATH", help="files or directories of plain text, a document a "
                        "file; else the documentation found in this Python installation")
    parser.add_argument("--vocab", metavar="FILE", help="a vocab.txt; else one is trained on the text")
    parser.add_argument("--data_dir", metavar="DIR", help="where prepared text is kept; else a temporary directory")
    parser.add_argument("--megabytes", type=int, default=60)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], metavar="N")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        corpus, vocabulary = prepared(args, temporary)
        corpus = of_size(corpus, args.megabytes, temporary)
        table = Table("processes", "seconds", "MB/s", "private memory")
        for workers in args.workers:
            directory = f"{temporary}/store_{workers}"
            seconds, private, _ = measured(_timed, directory, corpus, vocabulary, workers)
            counts = TokenStore.open(directory).manifest["counts"]
            table.add_row(str(workers), f"{seconds:.1f}", f"{counts['text_bytes'] / MB / seconds:.1f}",
                          f"{private / MB:,.0f} MB")
        Console().print(f"{counts['documents']:,} documents, {counts['text_bytes'] / MB:.0f} MB, "
                        f"{counts['tokens']:,} tokens, vocabulary of {len(vocabulary):,}", highlight=False)
        Console().print(table)

        killed = Path(temporary) / "killed"
        process = multiprocessing.get_context("spawn").Process(
            target=build, args=(str(killed), corpus, vocabulary, workers))
        process.start()
        time.sleep(seconds / 2)
        for pid in family(process.pid):
            os.kill(pid, signal.SIGKILL)
        process.join()
        kept = len(list((killed / BUILDING).glob("*/counts.json")))
        rest, *_ = measured(_timed, str(killed), corpus, vocabulary, workers)
        same = TokenStore.open(killed).manifest["files"] == TokenStore.open(directory).manifest["files"]
        Console().print(f"killed after {seconds / 2:.1f} s with {kept} shards finished; the rest took {rest:.1f} s; "
                        f"the store is {'the same' if same else 'NOT the same'}", highlight=False)


def _timed(*args) -> float:
    begin = time.perf_counter()
    build(*args)
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
