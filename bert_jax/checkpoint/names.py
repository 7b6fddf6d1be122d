"""Names of each parameter: in the canonical tree, in Hugging Face's files and in Google's TF1
checkpoints."""

import re
from typing import NamedTuple

# Modules by their paths; `{}` is the number of a layer. None: Google's code has no such head.
_MODULES = {
    "bert/embeddings/word_embeddings": (
        "bert.embeddings.word_embeddings",
        "bert/embeddings/word_embeddings",
    ),
    "bert/embeddings/position_embeddings": (
        "bert.embeddings.position_embeddings",
        "bert/embeddings/position_embeddings",
    ),
    "bert/embeddings/token_type_embeddings": (
        "bert.embeddings.token_type_embeddings",
        "bert/embeddings/token_type_embeddings",
    ),
    "bert/embeddings/layer_norm": ("bert.embeddings.LayerNorm", "bert/embeddings/LayerNorm"),
    "bert/encoder/layer_{}/attention/query": (
        "bert.encoder.layer.{}.attention.self.query",
        "bert/encoder/layer_{}/attention/self/query",
    ),
    "bert/encoder/layer_{}/attention/key": (
        "bert.encoder.layer.{}.attention.self.key",
        "bert/encoder/layer_{}/attention/self/key",
    ),
    "bert/encoder/layer_{}/attention/value": (
        "bert.encoder.layer.{}.attention.self.value",
        "bert/encoder/layer_{}/attention/self/value",
    ),
    "bert/encoder/layer_{}/attention/output": (
        "bert.encoder.layer.{}.attention.output.dense",
        "bert/encoder/layer_{}/attention/output/dense",
    ),
    "bert/encoder/layer_{}/attention_layer_norm": (
        "bert.encoder.layer.{}.attention.output.LayerNorm",
        "bert/encoder/layer_{}/attention/output/LayerNorm",
    ),
    "bert/encoder/layer_{}/feed_forward/intermediate": (
        "bert.encoder.layer.{}.intermediate.dense",
        "bert/encoder/layer_{}/intermediate/dense",
    ),
    "bert/encoder/layer_{}/feed_forward/output": (
        "bert.encoder.layer.{}.output.dense",
        "bert/encoder/layer_{}/output/dense",
    ),
    "bert/encoder/layer_{}/feed_forward_layer_norm": (
        "bert.encoder.layer.{}.output.LayerNorm",
        "bert/encoder/layer_{}/output/LayerNorm",
    ),
    "bert/pooler/dense": ("bert.pooler.dense", "bert/pooler/dense"),
    "mlm/transform": ("cls.predictions.transform.dense", "cls/predictions/transform/dense"),
    "mlm/layer_norm": (
        "cls.predictions.transform.LayerNorm",
        "cls/predictions/transform/LayerNorm",
    ),
    "mlm": ("cls.predictions", "cls/predictions/output_"),
    "nsp/dense": ("cls.seq_relationship", "cls/seq_relationship/output_"),
    "class/dense": ("classifier", "output_"),
    "choice/dense": ("classifier", None),
    "tag/dense": ("classifier", None),
    "span/dense": ("qa_outputs", "cls/squad/output_"),
}


class Name(NamedTuple):
    """A parameter's name in another format, and whether its two dimensions change places there."""

    name: str
    transposed: bool


def hf(path: str) -> Name:
    """Returns the name that `transformers` has for a path of the canonical tree, such as
    'nsp/dense/kernel'."""
    module, leaf = _names_of(path)
    leaves = {"kernel": "weight", "embedding": "weight", "scale": "weight", "bias": "bias"}
    return Name(f"{module[0]}.{leaves[leaf]}", transposed=leaf == "kernel")


def tf1(path: str) -> Name | None:
    """Returns the name that Google's code has for it; None for a head that its code does not
    have."""
    (_, module), leaf = _names_of(path)
    if module is None:
        return None
    if module.endswith("output_"):
        return Name(
            module + {"kernel": "weights", "bias": "bias"}[leaf], transposed=leaf == "kernel"
        )
    norm = module.endswith("LayerNorm")
    leaves = {
        "kernel": "/kernel",
        "embedding": "",
        "scale": "/gamma",
        "bias": "/beta" if norm else "/bias",
    }
    return Name(module + leaves[leaf], transposed=False)


def _names_of(path: str) -> tuple[tuple[str, str | None], str]:
    module, _, leaf = path.rpartition("/")
    layer = re.search(r"(?<=/layer_)\d+(?=/)", module)
    if not layer:
        return _MODULES[module], leaf
    hf_name, tf1_name = _MODULES[re.sub(r"(?<=/layer_)\d+(?=/)", "{}", module)]
    return (hf_name.format(layer[0]), tf1_name and tf1_name.format(layer[0])), leaf
