"""Data sets that TFDS has prepared on a disk or in a bucket, read by random access, without
TensorFlow."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from etils import epath

from bert_jax.datasets import records
from bert_jax.errors import UserError, nearest
from bert_jax.remote import is_remote, path_of

# An ArrayRecord ends in a block of 64 KiB that is all but empty; the index of its records stands
# before it.
_FINGERPRINT_BYTES = 256 << 10


def open_split(name: str, data_dir: str, split: str, *, section: str, hint: str) -> Any:
    """Opens a prepared data set, in about a second: only its metadata and a directory listing are
    read.

    Args:
        name: a TFDS name with, where there is one, the config: 'wikipedia/20230601.en'.
        data_dir: the TFDS data directory, local or gs://; empty: TFDS's own default.
        split: a split, slices included: 'train[:90%]'.
        section: of the recipe, whose keys `name` and `data_dir` an error is about.
        hint: what prepares such data sets.

    Returns:
        TFDS's data source, or one like it, whose `dataset_info` and `split` tell what it is; read
        it by `examples`.

    Raises:
        UserError: the data set is not prepared there, is neither ArrayRecord nor TFRecord, lacks
            files or the split, or the split is empty.
    """
    if not name:
        raise UserError(
            f"config.{section}.name is empty",
            expected="the name of a prepared TFDS data set",
            hint=hint,
        )
    builder = _find(name, data_dir, section, hint)
    info = builder.info
    format = _choose_format(info)
    _check_split(info, split)
    _check_shards(info, split)
    if format == "array_record" and not is_remote(info.data_dir):
        return builder.as_data_source(split, file_format=format)
    # The ArrayRecord reader reaches no bucket, and does not say so: it finds no records there.
    return records.Source(
        info, split, records.Records(info.splits[split].file_instructions, records.FILES[format])
    )


def examples(source: Sequence, numbers: Sequence[int]) -> list[dict]:
    """The examples of these numbers; texts are bytes.

    Raises:
        UserError: a shard cannot be read.
    """
    if not len(numbers):
        return []
    try:
        records = source.data_source.__getitems__(numbers)
    except RuntimeError as error:
        raise _unreadable(source, str(error)) from error
    # A reader that reaches nothing can give empty records and no error.
    if not all(records):
        raise _unreadable(
            source, f"no data for some of the records {min(numbers)} to {max(numbers)}"
        )
    decode = source.dataset_info.features.deserialize_example_np
    return [decode(record) for record in records]


def identity(source: Sequence) -> dict:
    """Returns a description of the data, as JSON can hold it: equal identities mean the same
    records in the same order.

    The fingerprint is a SHA-256 of the metadata, where our builders keep the digest of the whole
    data, and of the shards' sizes, slices and ends, where the sizes of compressed records stand:
    for a data set from elsewhere, an edit that keeps them all goes unnoticed, and so does one in
    the middle of a TFRecord file. Where it lies does not matter. `bytes` are those of the files.
    """
    info, split = source.dataset_info, source.split
    digest = hashlib.sha256(json.dumps(dict(info.metadata or {}), sort_keys=True).encode())
    total = 0
    for instruction in info.splits[split].file_instructions:
        path = epath.Path(instruction.filename)
        size = path.stat().length
        total += size
        digest.update(f"{path.name} {size} {instruction.skip} {instruction.take}\n".encode())
        with path.open("rb") as file:
            digest.update(file.read(_FINGERPRINT_BYTES))
            file.seek(max(0, size - _FINGERPRINT_BYTES))
            digest.update(file.read())
    return {
        "dataset": info.full_name,
        "split": split,
        "bytes": total,
        "fingerprint": digest.hexdigest(),
    }


def _unreadable(source, found: str) -> UserError:
    info = source.dataset_info
    return UserError(
        f"a shard of {info.full_name}, split {source.split}, cannot be read",
        found=found,
        expected=f"ArrayRecord files in {info.data_dir}",
        hint="check that they are complete and reachable from here, or prepare them anew",
    )


def _find(name: str, data_dir: str, section: str, hint: str):
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core import constants, read_only_builder

    path_of(data_dir)  # which tells of what is not installed
    # From the files alone: a directory reads the same whether its builder's code is known here or
    # not.
    try:
        return read_only_builder.builder_from_files(name, data_dir=data_dir or None)
    except (tfds.core.DatasetNotFoundError, FileNotFoundError) as error:
        reason = error
    except ValueError as error:
        raise UserError(
            f"not a name of a TFDS data set: {name!r}",
            found=str(error).split("\n")[0],
            expected="'name' or 'name/config'",
        ) from error
    root = epath.Path(data_dir or constants.DATA_DIR).expanduser()
    there = _prepared(root)
    if name in there:
        raise UserError(
            f"{name} in {root} cannot be opened",
            found=str(reason).split("\n")[0],
            expected="a data set that TFDS has prepared",
            hint="prepare it anew",
        ) from reason
    if _is_registered(name):
        hint = (
            f"prepare it: tfds.builder({name!r}, data_dir={str(root)!r})"
            f".download_and_prepare(file_format='array_record'); {hint}"
        )
    elif close := nearest(name, there):
        hint = f"--config.{section}.name={close}"
    else:
        hint = f"{hint}; or name another --config.{section}.data_dir"
    nothing = "no prepared data set there" if root.exists() else "no such directory"
    raise UserError(
        f"the data set {name!r} is not prepared in {root}",
        found=", ".join(there) or nothing,
        expected=f"{root / name}/VERSION/dataset_info.json",
        hint=hint,
    ) from reason


def _prepared(root) -> list[str]:
    """Returns the names, with configs, of the data sets under a data directory."""
    infos = [*root.glob("*/*/dataset_info.json"), *root.glob("*/*/*/dataset_info.json")]
    names = {"/".join(path.relative_to(root).parts[:-2]) for path in infos}
    return sorted(name for name in names if not name.startswith("."))


def _is_registered(name: str) -> bool:
    """Returns True if TFDS has the code of a data set of that name."""
    import tensorflow_datasets as tfds

    try:
        # Data sets of this kind are known to TFDS only once their package has been imported.
        import tensorflow_datasets.text  # noqa: F401

        tfds.builder_cls(name.split("/")[0])
        return True
    except (
        Exception
    ):  # only a hint depends on it: a builder that cannot be imported is as good as none
        return False


def _choose_format(info) -> str:
    """The format that is read, of those that are there."""
    formats = sorted(f.value for f in info.available_file_formats())
    for format in ("array_record", "tfrecord"):
        if format in formats:
            info.set_file_format(format, override=True, override_if_initialized=True)
            return format
    raise UserError(
        f"{info.full_name} in {info.data_dir} is of no format that can be read",
        found=", ".join(formats),
        expected="array_record or tfrecord",
        hint="prepare it again, in another data_dir, with file_format='array_record'",
    )


def _check_split(info, split: str) -> None:
    try:
        records = info.splits[split].num_examples
    except (KeyError, ValueError) as error:
        raise UserError(
            f"{info.full_name} has no split {split!r}",
            found=", ".join(sorted(info.splits)),
            expected="one of these, or a slice such as 'train[:90%]'",
        ) from error
    if not records:
        raise UserError(
            f"the split {split!r} of {info.full_name} is empty",
            found="0 records",
            expected="at least one",
            hint="a larger slice, or another split",
        )


def _check_shards(info, split: str) -> None:
    # The record reader does not fail on every path that it cannot reach. A listing is cheaper than
    # looks.
    wanted = [epath.Path(i.filename) for i in info.splits[split].file_instructions]
    folders = {path.parent for path in wanted}
    there = {folder: {path.name for path in folder.iterdir()} for folder in folders}
    missing = [path for path in wanted if path.name not in there[path.parent]]
    if missing:
        raise UserError(
            f"{info.full_name} in {info.data_dir} is incomplete",
            found=f"{len(missing)} of {len(wanted)} files missing, such as {missing[0].name}",
            expected="all shards that dataset_info.json names",
            hint="copy or prepare it anew",
        )
