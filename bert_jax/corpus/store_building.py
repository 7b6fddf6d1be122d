"""The making of a token store, by parallel processes that may be killed at any time.

Documents are tokenised in shards and the shards joined. A store's bytes depend on the corpus and
the settings alone: not on the number of processes, nor on how often the work was killed and begun
again.
"""

import functools
import hashlib
import importlib.metadata
import json
import multiprocessing
import os
import shutil
import signal
import sys
import threading
import time
import types
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from bert_jax.config import CorpusConfig, TokenizerConfig
from bert_jax.corpus.corpora import open_split
from bert_jax.corpus.known import cleaning_of
from bert_jax.corpus.token_store import (
    BUILDING,
    DOCUMENTS,
    FILES,
    FORMAT,
    HASHES,
    MANIFEST,
    SENTENCES,
    TOKENS,
    TokenStore,
)
from bert_jax.disk import LOCK, flush_to_disk, locked, write_json
from bert_jax.errors import UserError, plain, refuse_differences, with_defaults
from bert_jax.remote import drop_copies
from bert_jax.text.sentences import SPLITTERS, batches
from bert_jax.text.vocabulary import Vocabulary
from bert_jax.text.wordpiece import Encoder, identity

_DOCUMENTS_AT_ONCE = 256  # ArrayRecord reads so many as fast as a few
_CHARS_AT_ONCE = 1 << 18  # whose ids are small in memory
_BYTES_AT_ONCE = 1 << 23
_COUNTED = ("documents", "sentences", "tokens", "unknown_tokens", "empty_documents", "text_bytes")


def open_or_build(
    directory: str | os.PathLike,
    corpus: CorpusConfig,
    split: str,
    tokenizer: TokenizerConfig,
    vocabulary: Vocabulary,
    workers: int = 0,
    progress: bool = True,
) -> TokenStore:
    """The store of a split, made if it is not there; what a killed run had finished is kept.

    Of several processes that call this at once, one makes the store and the others wait for it.

    Args:
        split: TFDS split, slices included.
        workers: processes that tokenise; 0: one a core; 1: this one.
        progress: show on stderr how far it is.

    Raises:
        UserError: the store, or its unfinished shards, were made with other settings; the corpus
            has no text; a process died.
    """
    directory = Path(directory)
    job = _Job(directory, corpus, split, tokenizer, vocabulary)
    expected = settings(corpus, split, tokenizer, vocabulary)
    if not (directory / MANIFEST).exists() or job.building.exists():
        directory.mkdir(parents=True, exist_ok=True)
        waiting = f"waiting for another process that makes {directory}"
        with locked(directory / LOCK, on_wait=lambda: print(waiting, file=sys.stderr)):
            if not (directory / MANIFEST).exists():
                _build(job, expected, workers or len(os.sched_getaffinity(0)), progress)
                drop_copies(open_split(corpus, split).source.dataset_info.data_dir)
            shutil.rmtree(job.building, ignore_errors=True)
    return TokenStore.open(directory, expected, defaults())


def settings(
    corpus: CorpusConfig, split: str, tokenizer: TokenizerConfig, vocabulary: Vocabulary
) -> dict:
    """All that the contents of a store depend on, as its manifest holds it."""
    return plain(
        {
            "format": FORMAT,
            "source": open_split(corpus, split).identity,
            "vocabulary": vocabulary.digest,
            "vocab_size": len(vocabulary),
            **_recipe_settings(corpus, tokenizer),
        }
    )


def _recipe_settings(corpus: CorpusConfig, tokenizer: TokenizerConfig) -> dict:
    """Returns those of the settings that a recipe decides; each has a default."""
    cleaning = cleaning_of(corpus)
    return {
        "sentences": corpus.sentences,
        "language": corpus.language if corpus.sentences == "split" else None,
        **identity(tokenizer),
        "cleaning": None if cleaning == "none" else cleaning,
    }


def defaults() -> dict:
    """Returns what a store was made with whose manifest lacks a key that was introduced later."""
    return plain(_recipe_settings(CorpusConfig(cleaning="none"), TokenizerConfig()))


@dataclass(frozen=True)
class _Job:
    """Everything that a process needs to tokenise a shard."""

    directory: Path
    corpus: CorpusConfig
    split: str
    tokenizer: TokenizerConfig
    vocabulary: Vocabulary

    @property
    def building(self) -> Path:
        return self.directory / BUILDING

    def shard(self, number: int) -> Path:
        return self.building / f"{number:05d}"

    @property
    def dtype(self) -> str:
        return "<u2" if len(self.vocabulary) < 1 << 16 else "<u4"


def _build(job: _Job, expected: dict, workers: int, progress: bool) -> None:
    documents = len(open_split(job.corpus, job.split))
    size = _shard_size(documents)
    shards = range(-(-documents // size))
    job.building.mkdir(exist_ok=True)
    # Another version of a library, or of Python's Unicode tables, may cut otherwise: shards of the
    # two are not joined.
    versions = {name: importlib.metadata.version(name) for name in ("tokenizers", "sentencex")}
    versions["unicodedata"] = unicodedata.unidata_version
    plan = plain(expected | {"documents_per_shard": size, "libraries": versions})
    if (job.building / "settings.json").exists():
        made_with = json.loads((job.building / "settings.json").read_text())
        refuse_differences(
            f"{job.building} holds shards that were made with other settings",
            with_defaults(str(job.building), made_with, defaults(), plan),
            plan,
            f"delete {job.building}, or name another --config.store.dir",
        )
    else:
        write_json(job.building / "settings.json", plan)
    for left_over in job.building.glob("*.tmp"):
        shutil.rmtree(left_over, ignore_errors=True)

    counts = [_finished(job, number) for number in shards]
    to_do = [number for number in shards if counts[number] is None]
    done = sum(counted["documents"] + counted["empty_documents"] for counted in counts if counted)
    with _progress(job.directory, documents, done, progress) as advance:
        for number, counted in _tokenise(job, to_do, workers):
            counts[number] = counted
            advance(counted["documents"] + counted["empty_documents"], counted["text_bytes"])
    total = {name: sum(counted[name] for counted in counts if counted) for name in _COUNTED}
    if not total["tokens"]:
        raise UserError(
            f"the corpus {job.corpus.name} has no text in its split {job.split!r}",
            found=f"{documents} documents, all empty",
            expected=f"text in the feature {job.corpus.text_feature!r}",
            hint="check --config.corpus.text_feature and the split",
        )

    paths = [job.shard(number) for number in shards]
    files = {
        TOKENS: _write(job.directory / TOKENS, _chunks(paths, TOKENS)),
        SENTENCES: _write(job.directory / SENTENCES, _offsets(paths, SENTENCES)),
        DOCUMENTS: _write(job.directory / DOCUMENTS, _offsets(paths, DOCUMENTS)),
        HASHES: _write(job.directory / HASHES, _chunks(paths, HASHES)),
    }
    write_json(
        job.directory / MANIFEST,
        expected | {"dtype": job.dtype, "counts": total, "files": files, "libraries": versions},
    )


def _shard_size(documents: int) -> int:
    """Documents of a shard: of the corpus alone, so that a restart with other workers finds the
    same shards.

    One while they are few, since they may be books; 64 when there are thousands, so that files cost
    little; more for large corpora, so that there are never more than 1024 shards.
    """
    return max(min(64, -(-documents // 64)), -(-documents // 1024))


def _finished(job: _Job, number: int) -> dict | None:
    """The counts of a shard that is whole, or None."""
    path = job.shard(number)
    try:
        counts = json.loads((path / "counts.json").read_text())
        sizes = [(path / name).stat().st_size for name in FILES]
    except (OSError, ValueError):
        counts, sizes = None, None
    if counts and sizes == [
        counts["tokens"] * np.dtype(job.dtype).itemsize,
        counts["sentences"] * 4,
        counts["documents"] * 4,
        counts["documents"] * 8,
    ]:
        return counts
    shutil.rmtree(path, ignore_errors=True)
    return None


def _tokenise(job: _Job, shards: list[int], workers: int) -> Iterator[tuple[int, dict]]:
    """Makes the shards, in any order; yields each one's number and counts when it is finished."""
    if workers == 1 or len(shards) < 2:
        tokeniser = _Tokeniser(job)
        yield from ((number, tokeniser.shard(number)) for number in shards)
        return
    # Not fork: JAX may have threads already. Nor do the processes see this one's main module, so
    # that they do not import JAX with it.
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(workers, len(shards)), spawn, _start_worker, (job,))
    try:
        with _hidden_main():
            numbers = {pool.submit(_worker_shard, number): number for number in shards}
        for future in as_completed(numbers):
            yield numbers[future], future.result()
    except BrokenProcessPool:
        raise UserError(
            f"a process that tokenised for {job.directory} died",
            found="most often the system killed it for want of memory",
            expected=f"{workers} processes to the end",
            hint="run the command again, with fewer --config.store.workers: finished shards are "
            "kept",
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _hidden_main() -> Iterator[None]:
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


_worker_shard_of: Callable[[], Callable[[int], dict]]


def _start_worker(job: _Job) -> None:
    global _worker_shard_of
    signal.signal(
        signal.SIGINT, signal.SIG_DFL
    )  # Ctrl-C reaches all; the parent's traceback is enough
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    _worker_shard_of = functools.cache(lambda: _Tokeniser(job).shard)


def _worker_shard(number: int) -> dict:
    return _worker_shard_of()(number)


def _exit_with_parent() -> None:
    # A parent that is killed closes nothing that a waiting pool process would notice.
    if parent := multiprocessing.parent_process():
        parent.join()
    os._exit(1)


class _Tokeniser:
    """Turns ranges of documents into shards."""

    def __init__(self, job: _Job):
        self._job, self._corpus = job, open_split(job.corpus, job.split)
        self._encode = Encoder(job.vocabulary, job.tokenizer)
        self._sentences = functools.partial(
            SPLITTERS[job.corpus.sentences], language=job.corpus.language
        )

    def shard(self, number: int) -> dict:
        """Writes a shard, a store with int32 lengths in place of offsets, and returns its
        counts."""
        size = _shard_size(len(self._corpus))
        begin, end = number * size, min((number + 1) * size, len(self._corpus))
        path = self._job.shard(number)
        temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        temporary.mkdir()
        counts = Counter(dict.fromkeys(_COUNTED, 0))
        with ExitStack() as stack:
            files = {name: stack.enter_context(open(temporary / name, "wb")) for name in FILES}
            for first in range(begin, end, _DOCUMENTS_AT_ONCE):
                for text in self._corpus.texts(first, min(first + _DOCUMENTS_AT_ONCE, end)):
                    self._document(text, files, counts)
            for file in files.values():
                flush_to_disk(file)
        write_json(temporary / "counts.json", counts)
        os.rename(temporary, path)
        return counts

    def _document(self, text: str, files: dict, counts: Counter) -> None:
        digest, kept = hashlib.blake2b(digest_size=8), 0
        for batch in batches(self._sentences(text), _CHARS_AT_ONCE):
            ids, lengths = self._encode(batch)
            lengths = lengths[lengths > 0]
            files[TOKENS].write(ids.astype(self._job.dtype))
            files[SENTENCES].write(lengths.astype("<i4"))
            digest.update(ids.astype("<i4").data)
            kept += len(lengths)
            counts["tokens"] += len(ids)
            counts["unknown_tokens"] += int(np.count_nonzero(ids == self._job.vocabulary.unk))
        if kept:
            files[DOCUMENTS].write(np.array(kept, "<i4"))
            files[HASHES].write(digest.digest())
        counts["sentences"] += kept
        counts["documents" if kept else "empty_documents"] += 1
        counts["text_bytes"] += len(text.encode())


def _chunks(shards: list[Path], name: str) -> Iterator[bytes]:
    for shard in shards:
        with open(shard / name, "rb") as file:
            while chunk := file.read(_BYTES_AT_ONCE):
                yield chunk


def _offsets(shards: list[Path], name: str) -> Iterator[np.ndarray]:
    """Yields the positions at which parts begin, and the end of the last, from the lengths in the
    shards."""
    end = np.zeros(1, "<i8")
    yield end
    for chunk in _chunks(shards, name):
        offsets = end[-1] + np.cumsum(np.frombuffer(chunk, "<i4"), dtype="<i8")
        yield offsets
        end = offsets


def _write(path: Path, chunks: Iterable) -> dict:
    """Writes a file of the store and returns what the manifest says of it."""
    digest = hashlib.sha256()
    with open(path, "wb") as file:
        for chunk in chunks:
            digest.update(chunk)
            file.write(chunk)
        flush_to_disk(file)
        return {"bytes": file.tell(), "sha256": digest.hexdigest()}


@contextmanager
def _progress(
    directory: Path, documents: int, done: int, show: bool
) -> Iterator[Callable[[int, int], None]]:
    """A function of documents and bytes just finished that shows a bar on a terminal, lines
    elsewhere."""
    console = Console(stderr=True, quiet=not show)
    start = printed = time.monotonic()
    begun, read = done, 0
    columns = (
        "tokenising",
        BarColumn(),
        MofNCompleteColumn(),
        "documents, {task.fields[speed]}",
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=documents, completed=done, speed="")

        def advance(finished: int, text_bytes: int) -> None:
            nonlocal done, read, printed
            done, read, now = done + finished, read + text_bytes, time.monotonic()
            speed = f"{read / 1e6 / (now - start):.1f} MB/s"
            bar.update(task, completed=done, speed=speed)
            if not console.is_terminal and (now - printed >= 10 or done == documents):
                left = (documents - done) * (now - start) / (done - begun)
                console.print(
                    f"tokenising {directory}: {done} of {documents} documents, {speed}, "
                    f"{left:.0f} s left",
                    soft_wrap=True,
                    highlight=False,
                )
                printed = now

        yield advance
