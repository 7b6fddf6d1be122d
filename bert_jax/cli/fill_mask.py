"""`python -m bert_jax fill-mask`: the most probable tokens for each [MASK]."""

import json

from bert_jax.cli.command import parser_of
from bert_jax.cli.text_input import add_model_options, add_text_options, read_texts

DESCRIPTION = """Predict the tokens that stand behind [MASK], with the head of a pretrained model.

A JSON object is printed for each text: "text", and "masks", which has for each [MASK] a list of
candidates, the most probable first: "token", "score" (its probability), and "text" with the token
filled in. Several masks of a text are filled independently.
"""


def main(argv: list[str]) -> None:
    """Prints the candidates for the masks of each text.

    Raises:
        UserError: the checkpoint cannot be opened or has no head that predicts masked tokens, the
            file or its column does not exist, or a text has no [MASK].
        SystemExit: an option is wrong, or help was asked for.
    """
    parser = parser_of("python -m bert_jax fill-mask", DESCRIPTION)
    add_model_options(parser)
    add_text_options(parser)
    parser.add_argument(
        "--top_k", type=int, default=5, help="number of candidates for each [MASK]; 5 by default"
    )
    args = parser.parse_args(argv)
    texts = read_texts(args.text, args.input, args.column)

    import bert_jax

    model = bert_jax.load(args.checkpoint, length=args.length, batch_size=args.batch_size)
    if not 1 <= args.top_k <= len(model.vocabulary):
        parser.error(f"--top_k={args.top_k} is not between 1 and {len(model.vocabulary)}")
    for text, masks in zip(texts, model.fill_mask(texts, args.top_k), strict=True):
        candidates = [[candidate._asdict() for candidate in mask] for mask in masks]
        print(json.dumps(dict(text=text, masks=candidates), ensure_ascii=False))
