"""Parts of the model that operations belong to, by the names that JAX gives them."""

import re

_PARTS = (
    ("embeddings", r"/embeddings/"),
    ("attention", r"/attention/"),
    ("feed-forward", r"/feed_forward/"),
    ("LayerNorm of layers", r"_layer_norm/"),
    ("dropout and residuals of layers", r"/encoder/"),
    ("pooler", r"/pooler/"),
    ("MLM head", r"Bert\)+/mlm/"),
    ("other heads", r"Bert\)+/\w+/"),
    ("loss", r"jvp\("),
)


def part_of(op_name: str) -> str:
    """A part of the model, and which pass; what is neither is the optimiser's, or nobody's.

    >>> part_of("jit(step)/transpose(jvp(Bert))/bert/encoder/layer_1/attention/query/dot_general")
    'attention, backward'
    """
    if not op_name:
        return "unnamed (copies, layouts)"
    if "jvp(" not in op_name:
        return "optimiser, clipping, metrics"
    part = next(part for part, pattern in _PARTS if re.search(pattern, op_name))
    return f"{part}, {'backward' if 'transpose(' in op_name else 'forward'}"
