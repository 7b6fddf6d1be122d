"""The tasks of GLUE as TFDS data sets, made without a network from the official downloads.

TFDS's own `glue` builders read the files; they are given those of a folder instead of downloads.
Their rows are shuffled as they are written, and hidden labels are -1: readers order by `idx`, the
number of the row in its file.
"""

import contextlib
import csv
import hashlib
import io
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bert_jax.datasets import prepared
from bert_jax.errors import UserError
from bert_jax.importers import dataset
from bert_jax.importers.lines import lines
from bert_jax.importers.tally import Tally

VERSION = "2.0.0"  # of TFDS's builders


def _usual(folder: str) -> dict[str, tuple[str, ...]]:
    names = {"train": "train.tsv", "validation": "dev.tsv", "test": "test.tsv"}
    return {split: (f"{folder}/{name}",) for split, name in names.items()}


# What TFDS's builder of a task reads, mostly a file a split, and where in `glue_data/` that may
# lie.
FILES: dict[str, dict[str, tuple[str, ...]]] = {
    "cola": _usual("CoLA"),
    "sst2": _usual("SST-2"),
    # GLUE's own test.tsv has the rows and columns of the original test file, and a number before
    # them. Its train.tsv and dev.tsv are of no use to TFDS's builder, which divides the original by
    # `dev_ids`.
    "mrpc": {
        "train": ("MRPC/msr_paraphrase_train.txt",),
        "dev_ids": ("MRPC/dev_ids.tsv", "MRPC/mrpc_dev_ids.tsv"),
        "test": ("MRPC/msr_paraphrase_test.txt", "MRPC/test.tsv"),
    },
    "qqp": _usual("QQP"),
    "stsb": _usual("STS-B"),
    "mnli": {
        "train": ("MNLI/train.tsv",),
        "validation_matched": ("MNLI/dev_matched.tsv",),
        "validation_mismatched": ("MNLI/dev_mismatched.tsv",),
        "test_matched": ("MNLI/test_matched.tsv",),
        "test_mismatched": ("MNLI/test_mismatched.tsv",),
    },
    "qnli": _usual("QNLI"),
    "rte": _usual("RTE"),
    "wnli": _usual("WNLI"),
    "ax": {"test": ("diagnostic/diagnostic.tsv", "MNLI/diagnostic.tsv", "AX/AX.tsv", "AX.tsv")},
}

# Of TFDS's catalogue; table 1 of the GLUE paper (arXiv:1804.07461) has the same, rounded.
ROWS: dict[str, dict[str, int]] = {
    "cola": {"train": 8_551, "validation": 1_043, "test": 1_063},
    "sst2": {"train": 67_349, "validation": 872, "test": 1_821},
    "mrpc": {"train": 3_668, "validation": 408, "test": 1_725},
    "qqp": {"train": 363_846, "validation": 40_430, "test": 390_965},
    "stsb": {"train": 5_749, "validation": 1_500, "test": 1_379},
    "mnli": {
        "train": 392_702,
        "validation_matched": 9_815,
        "validation_mismatched": 9_832,
        "test_matched": 9_796,
        "test_mismatched": 9_847,
    },
    "qnli": {"train": 104_743, "validation": 5_463, "test": 5_463},
    "rte": {"train": 2_490, "validation": 277, "test": 3_000},
    "wnli": {"train": 635, "validation": 71, "test": 146},
    "ax": {"test": 1_104},
}
# The download of QQP before TFDS's version 2.0.0 of it.
_ALSO = {("qqp", "train"): 363_849}

# Rows of each class, in TFDS's order, counted in the official files; no other task's were at hand.
LABELS: dict[str, dict[str, tuple[int, ...]]] = {
    "cola": {"train": (2_528, 6_023), "validation": (322, 721)},
    "sst2": {"train": (29_780, 37_569), "validation": (428, 444)},
    "mrpc": {"train": (1_194, 2_474), "validation": (129, 279)},
    "wnli": {"train": (323, 312), "validation": (40, 31)},
}


# SHA-256 of msr_paraphrase_train.txt as TFDS downloads it:
# https://dl.fbaipublicfiles.com/senteval/senteval_data/
_SENTEVAL_MRPC = "60a9b09084528f0673eedee2b69cb941920f0b8cd0eeccefc464a98768457f89"


def prepare(task: str, folder: str | Path, data_dir: str, partial: bool = False) -> Any:
    """Makes the data set `glue/TASK` of the official files in `folder`, and returns its
    `DatasetInfo`.

    `info.metadata['counts']` has, by split, what `Tally.counts` says; `info.metadata['notes']` what
    is to be told.

    Args:
        task: a key of FILES.
        folder: laid out as `glue_data/` of GLUE's download script: `CoLA/train.tsv`, ...
        data_dir: a local TFDS data directory; empty: TFDS's own default.
        partial: other numbers of rows and labels than the published ones are meant.

    Raises:
        UserError: a file is missing or cannot be read, numbers are not the published ones, or
            `glue/TASK` is prepared from other files. Then nothing is written. The same files again
            are no error: what is prepared stays.
    """
    files = find_files(task, folder)
    contents = {role: _inspect(path) for role, path in files.items()}
    recipe = {"task": task} | {role: content.digest for role, content in contents.items()}
    info = dataset.existing(f"glue/{task}", data_dir, recipe, VERSION)
    if info:
        if not partial:
            _check(task, dict(info.metadata)["counts"], files)
        return info
    home = dataset.root(data_dir)
    with dataset.scratch(data_dir, f"glue/{task}") as scratch:
        counts = _build(task, Path(folder), files, scratch)
        if not partial:
            _check(task, counts, files)
        _save_metadata(
            scratch / "glue" / task / VERSION, recipe, counts, _notes(task, counts, files, contents)
        )
        dataset.publish(scratch / "glue" / task / VERSION, home / "glue" / task / VERSION)
    return dataset.existing(f"glue/{task}", data_dir, recipe, VERSION)


def find_files(task: str, folder: str | Path) -> dict[str, Path]:
    """The files of a task in `folder`, by what they are: the keys of FILES[task].

    Raises:
        UserError: one is missing.
    """
    folder = Path(folder).expanduser()
    found, missing = {}, []
    for role, names in FILES[task].items():
        path = next((folder / name for name in names if (folder / name).is_file()), None)
        if path:
            found[role] = path
        else:
            missing.append(" or ".join(names))
    if missing:
        raise UserError(
            f"files of {task} are missing in {folder}: {', '.join(missing)}",
            found=_there(task, folder),
            expected=", ".join(" or ".join(names) for names in FILES[task].values()),
            hint=_WHERE.get(task, "the layout of GLUE's download script; --tasks chooses tasks"),
        )
    return found


_WHERE = {
    "mrpc": "train.tsv and dev.tsv of GLUE do not do. msr_paraphrase_train.txt is in Microsoft's "
    "MSRParaphraseCorpus.msi and among SentEval's data; dev_ids.tsv comes by GLUE's download "
    "script",
}


def available(folder: str | Path) -> list[str]:
    """Returns the tasks of which `folder` has at least one file."""
    folder = Path(folder).expanduser()
    return [task for task in FILES if any((folder / name).is_file() for name in _names(task))]


def _names(task: str) -> list[str]:
    """Returns the names of all files of a task."""
    return list(itertools.chain.from_iterable(FILES[task].values()))


def _there(task: str, folder: Path) -> str:
    if not folder.is_dir():
        return "no such directory"
    places = {(folder / name).parent for name in _names(task)}
    paths = itertools.chain.from_iterable(place.iterdir() for place in places if place.is_dir())
    there = sorted(str(path.relative_to(folder)) for path in paths if path.is_file())
    return ", ".join(there) or "none of them"


@dataclass(frozen=True)
class _Content:
    """SHA-256 of a file, the number of its lines that are not blank, and of those with a carriage
    return inside."""

    digest: str
    lines: int
    broken: int


def _inspect(path: Path) -> _Content:
    count = broken = 0
    for line in lines(path):
        count += not line.isspace()
        broken += "\r" in line.removesuffix("\n").removesuffix("\r")
    with path.open("rb") as file:
        return _Content(hashlib.file_digest(file, "sha256").hexdigest(), count, broken)


class _LocalFiles:
    """Stands in for TFDS's download manager."""

    downloaded_size = 0

    def __init__(self, folder: Path, files: dict[str, Path]):
        self._folder, self._files = str(folder), {role: str(path) for role, path in files.items()}

    def download(self, urls: dict[str, str] | str) -> dict[str, str] | str:
        return (
            {role: self._files[role] for role in urls}
            if isinstance(urls, dict)
            else self._files["test"]
        )

    def download_and_extract(self, url: str) -> str:
        return self._folder


def _build(task: str, folder: Path, files: dict[str, Path], data_dir: Path) -> dict:
    """Has TFDS write the data set under `data_dir`; returns what reading it back counts."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.text import glue

    builder = glue.Glue(config=task, data_dir=str(data_dir))
    builder._make_download_manager = lambda **_: _LocalFiles(folder.expanduser(), files)
    tfds.disable_progress_bar()
    try:
        with (
            dataset.stable_records(),
            contextlib.redirect_stdout(io.StringIO()),
        ):  # to which TFDS tells of downloads
            builder.download_and_prepare(file_format="array_record")
    # As the builder stumbles over columns that are not there, labels that it does not know, and
    # files without rows.
    except (KeyError, IndexError, ValueError, TypeError, AssertionError, csv.Error) as error:
        raise UserError(
            f"TFDS cannot read the files of {task} in {folder}",
            found=repr(error).split("\n")[0],
            expected="the columns of the official files, separated by tabs, without quoting",
            hint="a fresh copy of the download",
        ) from error
    return {
        split: _count(builder.as_data_source(split), _file_of(split, files))
        for split in builder.info.splits
    }


def _count(source: Any, path: Path) -> dict:
    features = source.dataset_info.features
    names = getattr(features["label"], "names", ())
    texts = [name for name in features if name not in ("label", "idx")]
    tally = Tally(names)
    for start in range(0, len(source), 1024):
        for example in prepared.examples(source, range(start, min(start + 1024, len(source)))):
            label = float(example["label"])
            hidden = label == -1
            if hidden and not source.split.startswith("test"):
                raise UserError(
                    f"{path} has no labels",
                    found=f"row {example['idx']} without one",
                    expected="the column of labels of the official file",
                    hint="a fresh copy of the download",
                )
            tally.add(
                [example[name].decode() for name in texts],
                None if hidden else [int(label)] if names else label,
            )
    return tally.counts()


def _file_of(split: str, files: dict[str, Path]) -> Path:
    return files[
        split if split in files else "train"
    ]  # MRPC's validation rows are in its training file


def _check(task: str, counts: dict, files: dict[str, Path]) -> None:
    for split, rows in ROWS[task].items():
        found = counts[split]["rows"]
        if found not in (rows, _ALSO.get((task, split))):
            raise UserError(
                f"{_file_of(split, files)} is not the whole split {split} of {task}",
                found=f"{found:,} rows",
                expected=f"{rows:,} rows, as published",
                hint="a fresh copy of the download, or --partial if this is what you mean",
            )
    for split, labels in LABELS.get(task, {}).items():
        expected = dict(zip(counts[split]["labels"], labels))
        if counts[split]["labels"] != expected:
            raise UserError(
                f"{_file_of(split, files)} has other labels than the split {split} of {task}",
                found=counts[split]["labels"],
                expected=expected,
                hint="a fresh copy of the download, or --partial if this is what you mean",
            )


def _notes(
    task: str, counts: dict, files: dict[str, Path], contents: dict[str, _Content]
) -> list[str]:
    """Returns notes on files whose rows are not their lines, and on the text of MRPC."""
    notes = []
    for role, path in files.items():
        if contents[role].broken:
            notes.append(
                f"{_short(path)}: {contents[role].broken:,} lines have a carriage return within; "
                "TFDS's builder takes it for the end of a line"
            )
        rows = sum(counts[split]["rows"] for split in counts if _file_of(split, files) == path)
        header = not (task == "cola" and role != "test")
        if role != "dev_ids" and contents[role].lines - header != rows:
            notes.append(
                f"{_short(path)}: {contents[role].lines - header:,} lines made {rows:,} rows; "
                "TFDS's builder drops lines with too few columns or no label"
            )
    if task == "mrpc" and contents["train"].digest != _SENTEVAL_MRPC:
        notes.append(
            f"{_short(files['train'])} is not SentEval's copy, which TFDS downloads: that has "
            f"spaces around "
            "punctuation"
        )
    return notes


def _short(path: Path) -> str:
    # Notes are part of the data set, and that does not depend on where its files lay.
    return f"{path.parent.name}/{path.name}"


def _save_metadata(directory: Path, recipe: dict, counts: dict, notes: list[str]) -> None:
    import tensorflow_datasets as tfds

    tfds.core.MetadataDict(recipe=recipe, counts=counts, notes=notes).save_metadata(str(directory))
