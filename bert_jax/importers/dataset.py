"""Writes documents or examples as a prepared TFDS data set in ArrayRecord, and finds one again.

This is not a `tfds.core.GeneratorBasedBuilder`: its shuffler holds up to a gigabyte in memory and
needs TensorFlow beyond that. What is written is an ordinary prepared data set, and
`tfds.data_source(name, data_dir=...)` reads it.
"""

import contextlib
import hashlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from bert_jax.errors import UserError, plain

VERSION = "1.0.0"
SPLITS = ("train", "validation")
SHARD_BYTES = 256 << 20


def root(data_dir: str) -> Path:
    """The local TFDS data directory; empty: TFDS's own default.

    Raises:
        UserError: it is not a local path.
    """
    from tensorflow_datasets.core import constants

    data_dir = str(data_dir or constants.DATA_DIR)
    if "://" in data_dir:
        raise UserError(
            "a data set is prepared on a local disk",
            found=data_dir,
            expected="a local directory",
            hint="prepare it locally, then copy the directory (gcloud storage cp -r)",
        )
    return Path(data_dir).expanduser()


def check_name(name: str) -> None:
    """Raises a UserError unless `name` can be a TFDS data set's."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise UserError(
            "not a name for a data set",
            found=repr(name),
            hint="--name=my_books",
            expected="lower-case letters, digits and underscores, a letter first",
        )


def existing(name: str, data_dir: str, recipe: dict, version: str = VERSION) -> Any:
    """The `DatasetInfo` of what is prepared under `name`, or None when nothing is.

    Raises:
        UserError: what is there was not made by the same `recipe`; it is never overwritten.
    """
    import tensorflow_datasets as tfds

    home = root(data_dir) / name
    if not home.exists() or not any(home.iterdir()):
        return None
    found = "data of another origin"
    if (home / version / "dataset_info.json").exists():
        info = tfds.builder_from_directory(str(home / version)).info
        before = dict(info.metadata).get("recipe", {})
        if before == recipe:
            return info
        if before:
            differing = [k for k in sorted(before | recipe) if before.get(k) != recipe.get(k)]
            found = ", ".join(f"{k} {before.get(k)}, now {recipe.get(k)}" for k in differing)
    raise UserError(
        f"{home} exists and holds something else",
        found=found,
        expected="nothing, or the same made from the same files",
        hint="another --data_dir or another name, or remove the directory yourself",
    )


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_files(
    files: Mapping[str, Path],
    examples: Callable[[str], Iterable[dict]],
    features: dict,
    *,
    name: str,
    data_dir: str,
    description: str,
    made_with: dict,
    counts: dict[str, dict],
) -> Any:
    """Writes the examples of files, a split a file, unless they are there, and returns the
    `DatasetInfo`.

    Args:
        files: by split; their digests belong to the recipe.
        examples: gives those of a split.
        features: TFDS features by name.
        made_with: what else the recipe says.
        counts: by split what is told of it, `rows` with which progress is shown among it.

    Raises:
        UserError: `name` is prepared from other files, or with other settings.
    """
    recipe = plain(made_with | {split: digest(path) for split, path in files.items()})
    return existing(name, data_dir, recipe) or write_examples(
        (
            (split, example)
            for split in files
            for example in progress(examples(split), f"writing {split}", counts[split]["rows"])
        ),
        features,
        name=name,
        data_dir=data_dir,
        splits=tuple(files),
        recipe=recipe,
        counts=counts,
        description=description,
    )


def write(
    documents: Iterable[tuple[str, str]],
    *,
    name: str,
    data_dir: str,
    description: str,
    recipe: dict,
    counts: dict | None = None,
) -> Any:
    """Writes (split, text) pairs as the data set `name` with the feature `text`; all else as
    `write_examples`."""
    import tensorflow_datasets as tfds

    return write_examples(
        ((split, {"text": text}) for split, text in documents),
        {"text": tfds.features.Text()},
        name=name,
        data_dir=data_dir,
        description=description,
        recipe=recipe,
        counts=counts,
    )


def write_examples(
    examples: Iterable[tuple[str, dict]],
    features: dict,
    *,
    name: str,
    data_dir: str,
    description: str,
    recipe: dict,
    counts: dict | None = None,
    splits: Sequence[str] = SPLITS,
) -> Any:
    """Writes (split, example) pairs in the order given, and returns the `DatasetInfo`.

    Memory holds one example. `recipe` says how to make the same data again; it is kept as the data
    set's metadata, with `counts` and a SHA-256 of what was written. The data set appears whole, or
    not at all.

    Args:
        examples: each with a value for each feature.
        features: TFDS features by name.
        splits: all that there will be.

    Raises:
        UserError: a split got no example.
    """
    import tensorflow_datasets as tfds

    final = root(data_dir) / name / VERSION
    with scratch(data_dir, name) as partial:
        _write(
            examples,
            tfds.features.FeaturesDict(features),
            splits,
            partial,
            name,
            description,
            recipe,
            counts or {},
        )
        publish(partial, final)
    return tfds.builder_from_directory(str(final)).info


@contextlib.contextmanager
def scratch(data_dir: str, name: str) -> Iterator[Path]:
    """A hidden directory for a data set that is not finished; whatever is still there at the end is
    removed.

    It is on the disk of the data sets, so that what is finished leaves it by a rename, whole; and a
    process that is killed leaves nothing that looks finished.
    """
    home = root(data_dir)
    home.mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix=f".{name.replace('/', '-')}-incomplete-", dir=home))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def publish(directory: Path, final: Path) -> None:
    """Moves a finished directory from `scratch` to its place."""
    directory.chmod(0o755)
    final.parent.mkdir(parents=True, exist_ok=True)
    directory.rename(final)


@contextlib.contextmanager
def stable_records() -> Iterator[None]:
    """Within it TFDS writes the features of a record in one order, so that equal data is equal in
    bytes.

    Elsewhere the order differs from process to process, as that of any map of Protocol Buffers.
    """
    from tensorflow_datasets.core import ExampleSerializer

    usual = ExampleSerializer.serialize_example
    ExampleSerializer.serialize_example = lambda self, example: self.get_tf_example(
        example
    ).SerializeToString(deterministic=True)
    try:
        yield
    finally:
        ExampleSerializer.serialize_example = usual


def _write(
    examples: Iterable[tuple[str, dict]],
    features: Any,
    splits: Sequence[str],
    directory: Path,
    name: str,
    description: str,
    recipe: dict,
    counts: dict,
) -> None:
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core import dataset_info, naming

    digest = hashlib.sha256()
    writers = {split: _Shards(directory, split) for split in splits}
    try:
        with stable_records():
            for split, example in examples:
                record = features.serialize_example(example)
                digest.update(f"{split} {len(record)}\n".encode() + record)
                writers[split].add(record)
    finally:
        for writer in writers.values():
            writer.close()
    for split, writer in writers.items():
        if not writer.lengths:
            raise UserError(
                f"the split {split} of {name} would be empty",
                found="nothing to write",
                expected="at least one document or row",
                hint="more of them, or another share held out",
            )
    infos = []
    for split, writer in writers.items():
        template = naming.ShardedFileTemplate(
            data_dir=directory, dataset_name=name, split=split, filetype_suffix="array_record"
        )
        writer.rename(template.sharded_filepaths(len(writer.lengths)))
        infos.append(
            tfds.core.SplitInfo(
                name=split,
                shard_lengths=writer.lengths,
                num_bytes=writer.bytes,
                filename_template=template,
            )
        )
    info = tfds.core.DatasetInfo(
        builder=dataset_info.DatasetIdentity(
            name=name, version=VERSION, data_dir=str(directory), module_name=""
        ),
        description=description,
        features=features,
        metadata=tfds.core.MetadataDict(recipe=recipe, counts=counts, sha256=digest.hexdigest()),
    )
    info.set_file_format("array_record")
    info.set_splits(tfds.core.splits.SplitDict(infos))
    info.write_to_directory(str(directory))


class _Shards:
    """The shards of a split, begun one after the other: how many there will be is known only at the
    end."""

    def __init__(self, directory: Path, split: str):
        self.directory, self.split = directory, split
        self.lengths: list[int] = []
        self.bytes = self._room = 0
        self._writer: Any = None

    def add(self, record: bytes) -> None:
        from array_record.python import array_record_module

        if self._room <= 0:
            self.close()
            path = self._path(len(self.lengths))
            # Records compressed one by one are what random access is fast on.
            self._writer = array_record_module.ArrayRecordWriter(str(path), "group_size:1")
            self._room = SHARD_BYTES
            self.lengths.append(0)
        self._writer.write(record)
        self.lengths[-1] += 1
        self.bytes += len(record)
        self._room -= len(record)

    def close(self) -> None:
        if self._writer:
            self._writer.close()
        self._writer, self._room = None, 0

    def rename(self, paths: Any) -> None:
        for i, path in enumerate(paths):
            os.rename(self._path(i), path)

    def _path(self, shard: int) -> Path:
        return self.directory / f"{self.split}-{shard}"


def progress(iterable: Iterable, description: str, total: int | None = None) -> Iterable:
    """The iterable with a bar on the terminal, gone when done; none when standard error is not
    one."""
    return track(
        iterable,
        description,
        total=total,
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
