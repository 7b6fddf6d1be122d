"""A corpus: unlabelled documents, read from a prepared TFDS data set by random access, without TensorFlow."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from functools import cached_property

from etils import epath

from bert_jax.errors import UserError, nearest

# An ArrayRecord ends in a block of 64 KiB that is all but empty; the index of its records stands before it.
_FINGERPRINT_BYTES = 256 << 10


@dataclasses.dataclass(frozen=True)
class Corpus:
    """Documents of a split, numbered from 0. Made by `open_corpus`."""

    name: str
    data_dir: str
    split: str
    text_feature: str
    source: Sequence = dataclasses.field(repr=False)

    def __len__(self) -> int:
        return len(self.source)

    def texts(self, start: int, stop: int) -> list[str]:
        """The documents from `start` up to and without `stop`; at most `len(self)`.

        Raises:
            UserError: a shard cannot be read.
        """
        indices = range(*slice(start, stop).indices(len(self)))
        if not indices:
            return []
        try:
            records = self.source.data_source.__getitems__(indices)
        except RuntimeError as error:
            raise self._unreadable(str(error)) from error
        # A reader that reaches nothing can give empty records and no error.
        if not all(records):
            raise self._unreadable(f"no data for some of the documents {start} to {stop}")
        decode = self.source.dataset_info.features.deserialize_example_np
        return [decode(record)[self.text_feature].decode("utf-8") for record in records]

    @cached_property
    def identity(self) -> dict:
        """What the text is, as JSON can hold it: equal identities mean the same documents in the same order.

        The fingerprint is a SHA-256 of the metadata, where our builders keep the digest of the whole text,
        and of the shards' sizes, slices and ends, where the sizes of compressed records stand: for a data set
        from elsewhere, an edit that keeps them all goes unnoticed. Where it lies does not matter. `bytes`
        are those of the files.
        """
        info = self.source.dataset_info
        digest = hashlib.sha256(json.dumps(dict(info.metadata or {}), sort_keys=True).encode())
        total = 0
        for instruction in info.splits[self.split].file_instructions:
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
            "split": self.split,
            "text_feature": self.text_feature,
            "documents": len(self),
            "bytes": total,
            "fingerprint": digest.hexdigest(),
        }

    def _unreadable(self, found: str) -> UserError:
        return UserError(f"a shard of {self.name}, split {self.split}, cannot be read", found=found,
                         expected=f"ArrayRecord files in {self.source.dataset_info.data_dir}",
                         hint="check that they are complete and reachable from here, or prepare them anew")


def open_corpus(name: str, data_dir: str, split: str, text_feature: str = "text") -> Corpus:
    """Opens a prepared data set, in about a second: only its metadata and a directory listing are read.

    Args:
        name: a TFDS name with, where there is one, the config: 'wikipedia/20230601.en'.
        data_dir: the TFDS data directory, local or gs://; empty: TFDS's own default.
        split: a split, slices included: 'train[:90%]'.
        text_feature: the feature that holds a document's text.

    Raises:
        UserError: the data set is not prepared there, is no ArrayRecord, lacks files, the split or the
            feature, or the split is empty.
    """
    if not name:
        raise UserError("config.corpus.name is empty", expected="the name of a prepared TFDS data set",
                        hint="`python -m bert_jax prepare documentation` makes one, a demo")
    info, builder = _find(name, data_dir)
    _check_format(info)
    _check_split(info, split)
    _check_feature(info, text_feature)
    _check_shards(info, split)
    source = builder.as_data_source(split, file_format="array_record")
    return Corpus(name, data_dir, split, text_feature, source)


def _find(name: str, data_dir: str):
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core import constants, read_only_builder

    # From the files alone: a directory reads the same whether its builder's code is known here or not.
    try:
        builder = read_only_builder.builder_from_files(name, data_dir=data_dir or None)
        return builder.info, builder
    except (tfds.core.DatasetNotFoundError, FileNotFoundError) as error:
        reason = error
    except ValueError as error:
        raise UserError(f"not a name of a TFDS data set: {name!r}", found=str(error).split("\n")[0],
                        expected="'name' or 'name/config'") from error
    root = epath.Path(data_dir or constants.DATA_DIR).expanduser()
    there = _prepared(root)
    if name in there:
        raise UserError(f"{name} in {root} cannot be opened", found=str(reason).split("\n")[0],
                        expected="a data set that TFDS has prepared", hint="prepare it anew") from reason
    if _is_registered(name):
        hint = (f"prepare it: tfds.builder({name!r}, data_dir={str(root)!r})"
                ".download_and_prepare(file_format='array_record')")
    elif close := nearest(name, there):
        hint = f"--config.corpus.name={close}"
    else:
        hint = ("`python -m bert_jax prepare text` for local text, "
                "`python -m bert_jax prepare documentation` for the demo corpus; "
                "or name another --config.corpus.data_dir")
    nothing = "no prepared data set there" if root.exists() else "no such directory"
    raise UserError(f"the data set {name!r} is not prepared in {root}", found=", ".join(there) or nothing,
                    expected=f"{root / name}/VERSION/dataset_info.json", hint=hint) from reason


def _prepared(root) -> list[str]:
    """Names, with configs, of the data sets under a data directory."""
    patterns = ("*/*/dataset_info.json", "*/*/*/dataset_info.json")
    found = {"/".join(path.relative_to(root).parts[:-2]) for p in patterns for path in root.glob(p)}
    return sorted(name for name in found if not name.startswith("."))


def _is_registered(name: str) -> bool:
    """Whether TFDS has the code of a data set of that name."""
    import tensorflow_datasets as tfds

    try:
        # Data sets of this kind are known to TFDS only once their package has been imported.
        import tensorflow_datasets.text  # noqa: F401

        tfds.builder_cls(name.split("/")[0])
        return True
    except Exception:  # only a hint depends on it: a builder that cannot be imported is as good as none
        return False


def _check_format(info) -> None:
    formats = sorted(f.value for f in info.available_file_formats())
    if "array_record" not in formats:
        raise UserError(f"{info.full_name} in {info.data_dir} has no random access", found=", ".join(formats),
                        expected="array_record",
                        hint="prepare it again, in another data_dir, with file_format='array_record'")
    info.set_file_format("array_record", override=True, override_if_initialized=True)


def _check_split(info, split: str) -> None:
    try:
        documents = info.splits[split].num_examples
    except (KeyError, ValueError) as error:
        raise UserError(f"{info.full_name} has no split {split!r}", found=", ".join(sorted(info.splits)),
                        expected="one of these, or a slice such as 'train[:90%]'") from error
    if not documents:
        raise UserError(f"the split {split!r} of {info.full_name} is empty", found="0 documents",
                        expected="at least one", hint="a larger slice, or another split")


def _check_feature(info, text_feature: str) -> None:
    import tensorflow_datasets as tfds

    texts = [name for name, feature in info.features.items() if isinstance(feature, tfds.features.Text)]
    if text_feature not in texts:
        raise UserError(f"{info.full_name} has no text feature {text_feature!r}",
                        found=", ".join(sorted(info.features)),
                        expected=" or ".join(texts) or "a feature of text",
                        hint=f"--config.corpus.text_feature={texts[0]}" if texts else "another data set")


def _check_shards(info, split: str) -> None:
    # The record reader does not fail on every path that it cannot reach. A listing is cheaper than looks.
    wanted = [epath.Path(i.filename) for i in info.splits[split].file_instructions]
    folders = {path.parent for path in wanted}
    there = {folder: {path.name for path in folder.iterdir()} for folder in folders}
    missing = [path for path in wanted if path.name not in there[path.parent]]
    if missing:
        raise UserError(f"{info.full_name} in {info.data_dir} is incomplete",
                        found=f"{len(missing)} of {len(wanted)} files missing, such as {missing[0].name}",
                        expected="all shards that dataset_info.json names", hint="copy or prepare it anew")
