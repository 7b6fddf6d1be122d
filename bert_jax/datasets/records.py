"""Raw records of a data set by number, without TensorFlow: of TFRecord files, and of any that lie
in a bucket."""

import struct
from collections.abc import Callable, Sequence
from typing import NamedTuple

import google_crc32c
import numpy as np

from bert_jax.errors import UserError
from bert_jax.remote import local_copy

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
    """The raw records of a split, numbered from 0. One file at a time is open; a remote one is
    copied first.

    Args:
        instructions: TFDS's, which say of which files the split takes how many records after how
            many.
        opened: opens a file, given its local path and the number of records that it should have;
            what it gives has `read(first, stop)`, a list of bytes, and `close()`.
    """

    def __init__(self, instructions: Sequence, opened: Callable):
        self._instructions, self._opened = list(instructions), opened
        self._ends = np.cumsum([instruction.take for instruction in self._instructions])
        self._file: tuple = (None, None)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitems__(self, numbers: Sequence[int]) -> list[bytes]:
        """The records of these numbers; consecutive ones are read at once.

        Raises:
            UserError: a file is cut short, damaged, or of another number of records than its data
                set says.
        """
        numbers = np.asarray(numbers)
        files = np.searchsorted(self._ends, numbers, side="right")
        begins = np.flatnonzero(
            np.concatenate([[True], (np.diff(numbers) != 1) | (np.diff(files) != 0)])
        )
        found = []
        for begin, end in zip(begins, [*begins[1:], len(numbers)]):
            instruction = self._instructions[files[begin]]
            first = (
                int(numbers[begin] - self._ends[files[begin]] + instruction.take) + instruction.skip
            )
            found += self._open(instruction).read(first, first + int(end - begin))
        return found

    def _open(self, instruction):
        path = str(instruction.filename)
        if self._file[0] != path:
            if self._file[1]:
                self._file[1].close()
            self._file = path, self._opened(str(local_copy(path)), instruction.examples_in_shard)
        return self._file[1]

    def __reduce__(self):
        return Records, (self._instructions, self._opened)  # another process opens files of its own


class ArrayRecordFile:
    """A file of ArrayRecord on a disk.

    Raises:
        UserError: it is not of as many records as it should be.
    """

    def __init__(self, path: str, records: int):
        from array_record.python.array_record_module import ArrayRecordReader

        try:
            self._reader = ArrayRecordReader(path)
            found = self._reader.num_records()
        except (RuntimeError, ValueError) as error:
            raise _damaged(path, str(error), "ArrayRecords") from None
        if found != records:
            raise _damaged(
                path, f"{found} records", f"{records} records, as dataset_info.json says"
            )

    def read(self, first: int, stop: int) -> list[bytes]:
        return self._reader.read(list(range(first, stop)))

    def close(self) -> None:
        self._reader.close()


class TfRecordFile:
    """A file of TFRecords on a disk.

    A record stands as its length (uint64), a checksum of that, the data, and a checksum of the
    data; there is no index. So a file is walked through once, from length to length; from then on
    reads are direct.

    Raises:
        UserError: it is cut short, damaged, or not of as many records as it should be.
    """

    def __init__(self, path: str, records: int):
        self._path, self._file = path, open(path, "rb")
        self._offsets = self._walk(records)

    def read(self, first: int, stop: int) -> list[bytes]:
        offsets = self._offsets[first : stop + 1]
        self._file.seek(int(offsets[0]))
        data, records = memoryview(self._file.read(int(offsets[-1] - offsets[0]))), []
        for begin, end in zip(offsets[:-1] - offsets[0], offsets[1:] - offsets[0]):
            record = bytes(data[begin + _HEAD.size : end - _TAIL.size])
            if (
                len(data) < end
                or _checksum(record) != _TAIL.unpack(data[end - _TAIL.size : end])[0]
            ):
                raise _damaged(
                    self._path, f"record {first + len(records)} does not agree with its checksum"
                )
            records.append(record)
        return records

    def close(self) -> None:
        self._file.close()

    def _walk(self, expected: int) -> np.ndarray:
        """int64 `[records + 1]`: where each record begins, and where the last one ends."""
        offsets, size = [0], self._file.seek(0, 2)
        while offsets[-1] < size:
            self._file.seek(offsets[-1])
            head = self._file.read(_HEAD.size)
            if len(head) < _HEAD.size:
                raise _damaged(self._path, f"it ends within record {len(offsets) - 1}")
            length, checksum = _HEAD.unpack(head)
            if _checksum(head[:8]) != checksum:
                raise _damaged(
                    self._path,
                    f"the length of record {len(offsets) - 1} does not agree with its checksum",
                )
            offsets.append(offsets[-1] + _HEAD.size + length + _TAIL.size)
        if offsets[-1] > size:
            raise _damaged(self._path, f"it ends within record {len(offsets) - 2}")
        if len(offsets) - 1 != expected:
            raise _damaged(
                self._path,
                f"{len(offsets) - 1} records",
                f"{expected} records, as dataset_info.json says",
            )
        return np.array(offsets, np.int64)


FILES = dict(array_record=ArrayRecordFile, tfrecord=TfRecordFile)


def _checksum(data: bytes) -> int:
    """TFRecord's: a CRC-32C that is turned and shifted, so that checksums of checksums are no
    trivial values."""
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _damaged(path: str, found: str, expected: str = "whole TFRecords") -> UserError:
    return UserError(
        f"{path} is damaged", found=found, expected=expected, hint="copy or prepare it anew"
    )
