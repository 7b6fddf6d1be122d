"""Lines of UTF-8 files, as all builders read them."""

from collections.abc import Iterator
from pathlib import Path

from bert_jax.errors import UserError


def lines(path: Path) -> Iterator[str]:
    """Lines with their ends, read as they come. Only a line feed ends one: texts hold other
    characters that could.

    Raises:
        UserError: it is not UTF-8.
    """
    offset = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                # Windows' editors begin files with a byte-order mark.
                yield line.decode("utf-8-sig" if offset == 0 else "utf-8")
            except UnicodeDecodeError as error:
                wrong = error.start + len(line) - len(error.object)  # `object` is without the mark
                raise UserError(
                    f"{path} is not UTF-8",
                    expected="UTF-8 text",
                    found=f"byte 0x{line[wrong]:02x} at byte offset {offset + wrong}, in line "
                    f"{number}",
                    hint="iconv -f latin1 -t utf-8, if that is what it is, or leave the file out",
                ) from error
            offset += len(line)
