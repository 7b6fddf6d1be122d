"""`python -m bert_jax encode`: a vector for each text."""

import json
import sys
from pathlib import Path

from bert_jax.cli.command import parser_of
from bert_jax.cli.text_input import add_model_options, add_text_options, read_texts
from bert_jax.disk import written_whole

DESCRIPTION = """Encode texts as vectors, from the hidden states of a model's last layer.

Each vector is printed as a JSON array, in the order of the texts; --output=FILE.npy writes all of
them as one float32 array of NumPy, [texts, hidden], instead. Vectors have length 1, so that dot
products are cosine similarities, unless --no_normalize is given.
"""


def main(argv: list[str]) -> None:
    """Prints or writes the vectors of texts.

    Raises:
        UserError: the checkpoint cannot be opened, or the file or its column does not exist.
        SystemExit: an option is wrong, or help was asked for.
    """
    parser = parser_of("python -m bert_jax encode", DESCRIPTION)
    add_model_options(parser)
    add_text_options(parser)
    parser.add_argument(
        "--pooling",
        choices=("mean", "cls", "max"),
        default="mean",
        help="mean or maximum over all tokens, or the hidden state of [CLS]; mean by default",
    )
    parser.add_argument(
        "--no_normalize", action="store_true", help="leave vectors at the length that they have"
    )
    parser.add_argument("--output", type=Path, metavar="FILE.npy", help="file of the vectors")
    args = parser.parse_args(argv)
    if args.output and args.output.suffix != ".npy":
        parser.error(f"--output={args.output} does not end in .npy")
    texts = read_texts(args.text, args.input, args.column)

    # After the texts are known to be there: these imports take seconds.
    import numpy as np

    import bert_jax

    model = bert_jax.load(args.checkpoint, length=args.length, batch_size=args.batch_size)
    vectors = model.encode(texts, pooling=args.pooling, normalize=not args.no_normalize)
    if args.output:
        with written_whole(args.output) as file:
            np.save(file, vectors)
        print(f"{args.output}: {len(vectors):,} vectors of {vectors.shape[1]}", file=sys.stderr)
    else:
        for vector in vectors:
            print(json.dumps([float(f"{value:.8g}") for value in vector]))
