"""A prepared data set turned into the TFRecord copy that TensorFlow would have written of it."""

import struct

import google_crc32c
from array_record.python.array_record_module import ArrayRecordReader


def framed(record: bytes) -> bytes:
    def masked(data: bytes) -> bytes:
        crc = google_crc32c.value(data)
        return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)

    length = struct.pack("<Q", len(record))
    return length + masked(length) + record + masked(record)


def to_tfrecord(directory, write=None):
    """Replaces the ArrayRecord files of a version's directory; `write(path, records)` writes
    one."""

    def plainly(path, records):
        path.write_bytes(b"".join(map(framed, records)))

    for path in sorted(directory.glob("*.array_record*")):
        reader = ArrayRecordReader(str(path))
        (write or plainly)(
            path.with_name(path.name.replace("array_record", "tfrecord")), reader.read_all()
        )
        reader.close()
        path.unlink()
    info = directory / "dataset_info.json"
    info.write_text(info.read_text().replace("array_record", "tfrecord"))
