"""Records of TFRecord files by number, without TensorFlow: most published copies of TFDS data are such files.

A record stands as its length (uint64), a checksum of that, the data, and a checksum of the data; there is no index. So
the first look at a file walks from length to length and keeps where each record begins; from then on reads are direct,
and consecutive records are one read.
"""

import struct
from collections.abc import Sequence
from typing import NamedTuple

import google_crc32c
import numpy as np
from etils import epath

from bert_jax.errors import UserError

_HEAD = struct.Struct("<QI")  # length, and its checksum
_TAIL = struct.Struct("<I")


class Source(NamedTuple):
    """A split of a data set, as TFDS's own data sources are: records by `data_source`."""

    dataset_info: object
    split: str
    data_source: "Records"

    def __len__(self) -> int:
        return len(self.data_source)


class Records:
    """The raw records of a split, numbered from 0.

    Args:
        instructions: TFDS's, which say of which files the split takes how many records after how many.
    """

    def __init__(self, instructions: Sequence):
        self._instructions = list(instructions)
        self._ends = np.cumsum([instruction.take for instruction in self._instructions])
        self._offsets: dict[str, np.ndarray] = {}
        self._open: tuple = (None, None)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitems__(self, numbers: Sequence[int]) -> list[bytes]:
        """The records of these numbers.

        Raises:
            UserError: a file is cut short, damaged, or of another number of records than its data set says.
        """
        numbers = np.asarray(numbers)
        files = np.searchsorted(self._ends, numbers, side="right")
        # Where a run of consecutive records of one file begins.
        begins = np.flatnonzero(np.concatenate([[True], (np.diff(numbers) != 1) | (np.diff(files) != 0)]))
        found = []
        for begin, end in zip(begins, [*begins[1:], len(numbers)]):
            file = int(files[begin])
            instruction = self._instructions[file]
            first = int(numbers[begin] - self._ends[file] + instruction.take) + instruction.skip
            found += self._read(instruction, first, first + int(end - begin))
        return found

    def _read(self, instruction, first: int, stop: int) -> list[bytes]:
        path = str(instruction.filename)
        if self._open[0] != path:
            if self._open[1]:
                self._open[1].close()
            self._open = path, epath.Path(path).open("rb")
        file = self._open[1]
        if path not in self._offsets:
            self._offsets[path] = _offsets(file, path, instruction.examples_in_shard)
        offsets = self._offsets[path][first:stop + 1]
        file.seek(int(offsets[0]))
        data, records = memoryview(file.read(int(offsets[-1] - offsets[0]))), []
        for begin, end in zip(offsets[:-1] - offsets[0], offsets[1:] - offsets[0]):
            record = bytes(data[begin + _HEAD.size:end - _TAIL.size])
            if len(data) < end or _checksum(record) != _TAIL.unpack(data[end - _TAIL.size:end])[0]:
                raise _damaged(path, f"record {first + len(records)} does not agree with its checksum")
            records.append(record)
        return records

    def __reduce__(self):
        return Records, (self._instructions,)  # another process opens files of its own


def _offsets(file, path: str, expected: int) -> np.ndarray:
    """int64 `[records + 1]`: where each record of a file begins, and where the last one ends."""
    offsets, size = [0], file.seek(0, 2)
    while offsets[-1] < size:
        file.seek(offsets[-1])
        head = file.read(_HEAD.size)
        if len(head) < _HEAD.size:
            raise _damaged(path, f"it ends within record {len(offsets) - 1}")
        length, checksum = _HEAD.unpack(head)
        if _checksum(head[:8]) != checksum:
            raise _damaged(path, f"the length of record {len(offsets) - 1} does not agree with its checksum")
        offsets.append(offsets[-1] + _HEAD.size + length + _TAIL.size)
    if offsets[-1] > size:
        raise _damaged(path, f"it ends within record {len(offsets) - 2}")
    if len(offsets) - 1 != expected:
        raise _damaged(path, f"{len(offsets) - 1} records", f"{expected} records, as dataset_info.json says")
    return np.array(offsets, np.int64)


def _checksum(data: bytes) -> int:
    """TFRecord's: a CRC-32C that is turned and shifted, so that checksums of checksums are no trivial values."""
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _damaged(path: str, found: str, expected: str = "whole TFRecords") -> UserError:
    return UserError(f"{path} is damaged", found=found, expected=expected, hint="copy or prepare it anew")
