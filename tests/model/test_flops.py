import jax

from bert_jax import config as configs
from bert_jax.model import flops
from bert_jax.model.bert import Bert
from bert_jax.training.plan import without_data
from bert_jax.training.state import initial_params


def test_against_the_compiler(recipe, make_batch):
    """XLA counts element-wise work too, which is little beside the products at this size."""
    recipe.model.hidden_size, recipe.model.intermediate_size, recipe.model.vocab_size = (
        256,
        1024,
        4000,
    )
    recipe.model.max_position_embeddings = recipe.instances.length = 64
    config = configs.resolve(recipe)
    batch = make_batch(config)
    forward = jax.jit(
        lambda p: {
            k: v
            for k, v in Bert(config.model, config.compute, ("mlm", "nsp"))
            .apply({"params": p}, batch)
            .items()
            if k in ("mlm", "nsp")
        }
    )
    cost = forward.lower(initial_params(without_data(config))).compile().cost_analysis()
    counted = flops.forward(config.model, ("mlm", "nsp"), batch)
    assert counted < cost["flops"] < 1.1 * counted
    assert flops.train_step(config.model, ("mlm", "nsp"), batch) == 3 * counted
