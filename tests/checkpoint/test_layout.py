import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bert_jax import config as configs
from bert_jax.checkpoint import layout
from bert_jax.training.plan import without_data
from bert_jax.training.state import initial_state

LAYOUTS = [
    dict(scan_layers=s, fused_qkv=f, vocab_multiple=v)
    for s, f, v in itertools.product((False, True), (False, True), (1, 64))
]


@pytest.mark.parametrize("compute", LAYOUTS, ids=lambda c: "-".join(str(v) for v in c.values()))
def test_initial_state_is_the_same_in_every_layout(recipe, compute):
    """Parameters and moments, bit for bit, and back again."""
    config = configs.resolve(recipe)
    laid_out = dataclasses.replace(config, compute=dataclasses.replace(config.compute, **compute))
    canonical, state = initial_state(without_data(config)), initial_state(without_data(laid_out))
    back = layout.to_canonical(state, config.model, laid_out.compute)
    assert jax.tree.structure(back) == jax.tree.structure(canonical)
    assert jax.tree.all(jax.tree.map(jnp.array_equal, back, canonical))


def test_layouts_differ_where_they_say(recipe):
    config = configs.resolve(recipe)
    compute = dataclasses.replace(config.compute, **LAYOUTS[-1])
    params = initial_state(without_data(dataclasses.replace(config, compute=compute))).params
    assert params["bert"]["encoder"]["layers"]["attention"]["qkv"]["kernel"].shape == (2, 32, 3, 32)
    assert params["bert"]["embeddings"]["word_embeddings"]["embedding"].shape == (128, 32)
    assert np.all(params["bert"]["embeddings"]["word_embeddings"]["embedding"][101:] == 0)
    assert params["mlm"]["bias"].shape == (128,)


def test_canonical_tree_has_not_changed(recipe):
    """Paths and shapes of version 1: what checkpoints hold may not change under their readers."""
    assert layout.CANONICAL_VERSION == 1
    params = initial_state(without_data(configs.resolve(recipe))).params
    shapes = {
        "/".join(k.key for k in path): x.shape
        for path, x in jax.tree_util.tree_leaves_with_path(params)
    }
    layer = {
        "attention/query": (32, 32),
        "attention/key": (32, 32),
        "attention/value": (32, 32),
        "attention/output": (32, 32),
        "feed_forward/intermediate": (32, 64),
        "feed_forward/output": (64, 32),
    }
    expected = {
        "bert/embeddings/word_embeddings/embedding": (101, 32),
        "bert/embeddings/position_embeddings/embedding": (16, 32),
        "bert/embeddings/token_type_embeddings/embedding": (2, 32),
        "mlm/bias": (101,),
    }
    dense = {
        f"bert/encoder/layer_{i}/{name}": shape for i in range(2) for name, shape in layer.items()
    }
    dense |= {"bert/pooler/dense": (32, 32), "mlm/transform": (32, 32), "nsp/dense": (32, 2)}
    for name, shape in dense.items():
        expected |= {f"{name}/kernel": shape, f"{name}/bias": shape[1:]}
    norms = [
        f"bert/encoder/layer_{i}/{part}_layer_norm"
        for i in range(2)
        for part in ("attention", "feed_forward")
    ]
    for name in [*norms, "bert/embeddings/layer_norm", "mlm/layer_norm"]:
        expected |= {f"{name}/scale": (32,), f"{name}/bias": (32,)}
    assert shapes == expected
