"""Entry and parser of all commands. Nothing here takes long to import, so `--help` is fast."""

import argparse
import sys
from collections.abc import Callable

from absl import logging

from bert_jax.errors import UserError


def run(main: Callable[[list[str]], None]) -> None:
    """Runs a command's `main` with the arguments of this process.

    A UserError is printed without a traceback, and the process exits with status 2.
    """
    # Orbax and TFDS log much that is no concern of a user's.
    logging.set_verbosity(logging.ERROR)
    try:
        main(sys.argv[1:])
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def parser_of(program: str, description: str) -> argparse.ArgumentParser:
    """Returns a parser whose help shows the description as it is wrapped.

    Args:
        program: the command, as it is typed.
        description: text at the beginning of the help.
    """
    return argparse.ArgumentParser(
        program,
        description=description,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
