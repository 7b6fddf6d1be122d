"""Conversion of BERT-large between all formats: time, peak memory, and equality of all tensors.

    python -m benchmarks.convert_large

The model has random weights: 24 layers, hidden 1024, a vocabulary of 30,522. Each conversion is
`python -m bert_jax convert` in a process of its own, and its time includes imports. Memory is the
peak of resident memory, including pages of mapped files. Google's format is left out if TensorFlow
is not installed. Needs 7 GB of disk.
"""

import argparse
import importlib.util
import math
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from absl import logging
from rich.console import Console
from rich.table import Table

# JAX is imported after the conversions: Linux counts the memory that this process has when it
# starts another one as part of the other's peak.

STEPS = (("1_hf", "2_orbax"), ("2_orbax", "3_hf"), ("2_orbax", "4_tf1"), ("4_tf1", "5_orbax"))


def main() -> None:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.convert_large",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--directory",
        metavar="DIR",
        help="parent of the temporary directory for the checkpoints; by default the system's",
    )
    args = parser.parse_args()
    os.environ["JAX_PLATFORMS"] = "cpu"
    logging.set_verbosity(logging.ERROR)  # Orbax logs much that is no concern here
    with tempfile.TemporaryDirectory(prefix="convert-large-", dir=args.directory) as directory:
        measure(Path(directory), Console(width=120))


def measure(directory: Path, console: Console) -> None:
    """Makes the model, converts it and prints the table."""
    source = directory / STEPS[0][0]
    process = multiprocessing.get_context("spawn").Process(target=make, args=(source,))
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit("error: the random model could not be written")
    steps = STEPS
    if not importlib.util.find_spec("tensorflow"):
        console.print(
            "TensorFlow is not installed: Google's format is left out (pip install tensorflow-cpu)"
        )
        steps = STEPS[:2]
    figures = [convert(directory / begin, directory / end) for begin, end in steps]
    table = Table(
        "from",
        "to",
        "seconds",
        "peak memory, GB",
        "tensors bit for bit",
        title=f"BERT-large, {parameters_of(source):,} parameters",
        title_justify="left",
    )
    for (begin, end), (seconds, peak) in zip(steps, figures):
        same, total = compared(source, directory / end)
        table.add_row(
            begin[2:], end[2:], f"{seconds:.1f}", f"{peak / 1e9:.2f}", f"{same} of {total}"
        )
    console.print(table)


def make(directory: Path) -> None:
    """Writes a Hugging Face directory with random parameters."""
    import numpy as np

    from bert_jax.checkpoint.formats import convert
    from bert_jax.checkpoint.pretrained import Pretrained, shapes, tree
    from bert_jax.config import ModelConfig, TokenizerConfig
    from bert_jax.text.vocabulary import SPECIAL_TOKENS, Vocabulary

    model = ModelConfig(
        vocab_size=30522, hidden_size=1024, num_layers=24, num_heads=16, intermediate_size=4096
    )
    heads = ("mlm", "nsp")
    vocabulary = Vocabulary(
        (*SPECIAL_TOKENS, *(f"w{i}" for i in range(model.vocab_size - len(SPECIAL_TOKENS))))
    )
    rng = np.random.default_rng(0)
    params = tree(
        {
            path: rng.standard_normal(shape, np.float32)
            for path, shape in shapes(model, heads).items()
        }
    )
    convert(
        Pretrained(
            "made", directory, model, heads, TokenizerConfig(), vocabulary, (), {}, lambda: params
        ),
        directory,
        "hf",
    )


def convert(source: Path, target: Path) -> tuple[float, int]:
    """Converts in a process of its own, to the format that the target is named after.

    Returns:
        Seconds, and the peak of its resident memory in bytes.
    """
    command = [
        sys.executable,
        "-m",
        "bert_jax",
        "convert",
        str(source),
        str(target),
        f"--to={target.name[2:]}",
    ]
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"error: {' '.join(command)} failed")
    return time.perf_counter() - began, used.ru_maxrss * 1024


def parameters_of(source: Path) -> int:
    """Returns the number of parameters in a checkpoint."""
    from bert_jax.checkpoint.formats import open_pretrained
    from bert_jax.checkpoint.pretrained import shapes

    pretrained = open_pretrained(source)
    return sum(map(math.prod, shapes(pretrained.model, pretrained.heads).values()))


def compared(source: Path, other: Path) -> tuple[int, int]:
    """Returns the number of arrays that have the same bits in both, and the number of arrays."""
    import numpy as np

    from bert_jax.checkpoint.formats import open_pretrained
    from bert_jax.checkpoint.pretrained import flat

    ours, theirs = (flat(open_pretrained(path).read()) for path in (source, other))
    return sum(
        np.array_equal(x.view(np.int32), theirs[path].view(np.int32)) for path, x in ours.items()
    ), len(ours)


if __name__ == "__main__":
    main()
