"""Sections of a recipe about the computation: precision, memory, devices and sharding."""

from dataclasses import dataclass

from bert_jax.config.keys import key


@dataclass(frozen=True)
class ComputeConfig:
    """Implementation settings: they change speed and memory, but no result apart from rounding and
    the random bits of dropout."""

    dtype: str = key(
        "float32",
        "Data type of activations; parameters, softmax and statistics are float32",
        choices=("float32", "bfloat16"),
        free=True,
    )
    matmul_precision: str = key(
        "default",
        "Precision of float32 matrix products; 'highest' is exact on TPUs and Ampere GPUs",
        choices=("default", "high", "highest"),
        free=True,
    )
    prng: str = key(
        "threefry2x32",
        "Random number generator of dropout: threefry gives the same bits on every mesh; rbg is "
        "faster and does not",
        choices=("threefry2x32", "rbg", "unsafe_rbg"),
        free=True,
    )
    scan_layers: bool = key(
        False,
        "Compile one encoder layer and loop over it, which compiles faster but fuses fewer "
        "operations",
        free=True,
    )
    remat: str = key(
        "none",
        "Activations that the backward pass recomputes, to save memory: none; all but the results "
        "of matrix products with weights (dots); or all (full)",
        choices=("none", "dots", "full"),
        free=True,
    )
    fused_qkv: bool = key(
        False, "Compute queries, keys and values in one matrix product", free=True
    )
    vocab_multiple: int = key(
        1,
        "Pad the word embeddings to a multiple of this, so that `mesh.tensor` divides them",
        at_least=1,
        free=True,
    )
    prefetch: int = key(4, "Number of batches to prepare ahead", at_least=1, free=True)
    data_threads: int = key(2, "Number of threads that prepare batches", at_least=1, free=True)


@dataclass(frozen=True)
class MeshConfig:
    slice: int = key(
        1,
        "Number of TPU slices, connected by the network of their hosts; each has a share of the "
        "batch",
        at_least=1,
        free=True,
    )
    data: int = key(
        -1,
        "Number of copies of the parameters, each with a share of the batch; -1: as many as the "
        "devices allow, given the other axes",
        at_least=1,
        special=(-1,),
        free=True,
    )
    fsdp: int = key(
        1,
        "Number of shards of the parameters and of the optimiser's state (fully sharded data "
        "parallelism); each has a share of the batch",
        at_least=1,
        free=True,
    )
    tensor: int = key(
        1,
        "Number of shards of attention heads, feed-forward units and vocabulary",
        at_least=1,
        free=True,
    )
    rules: tuple = key(
        (
            (r"word_embeddings/embedding$", ("tensor", "fsdp")),
            (r"embeddings/embedding$", (None, "fsdp")),
            (r"(query|key|value|intermediate)/kernel$", ("fsdp", "tensor")),
            (r"(query|key|value|intermediate)/bias$", ("tensor",)),
            (r"qkv/kernel$", ("fsdp", None, "tensor")),
            (r"qkv/bias$", (None, "tensor")),
            (r"(attention|feed_forward)/output/kernel$", ("tensor", "fsdp")),
            (r"(pooler/dense|transform)/kernel$", ("fsdp",)),
            (r"mlm/bias$", ("tensor",)),
            (r".*", ()),
        ),
        "Sharding rules, each (regular expression for a parameter's path, mesh axis of each "
        "dimension); the first one that matches is used",
        free=True,
        example="(('kernel$',('fsdp',)),('.*',()))",
    )
