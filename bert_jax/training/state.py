"""All that a run carries from step to step: made, sharded, saved and restored."""

import dataclasses
import functools

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh

from bert_jax.checkpoint import layout
from bert_jax.checkpoint.store import Checkpoints
from bert_jax.config import ComputeConfig, Config, ModelConfig
from bert_jax.model.bert import Bert
from bert_jax.objectives import choose
from bert_jax.optim import make_optimizer
from bert_jax.parallel.sharding import shardings
from bert_jax.text.vocabulary import Vocabulary
from bert_jax.text.wordpiece import identity


@flax.struct.dataclass
class TrainState:
    """Step, parameters and the optimiser's state, in the layout of the recipe."""

    step: jax.Array  # int32, steps taken
    params: dict
    opt_state: optax.OptState


def make_model(config: Config) -> Bert:
    """The model of a recipe, with the heads that its objectives read."""
    heads = dict.fromkeys(objective.HEAD for objective in choose(config.objectives).values())
    return Bert(config.model, config.compute, tuple(heads))


def initial_params(config: Config) -> dict:
    """Random parameters in the recipe's layout, a function of its seed: the same values in every layout."""
    model = make_model(config).clone(compute=layout.CANONICAL)
    token = jnp.zeros((1, 1), jnp.int32)  # no parameter's shape depends on the batch
    batch = dict.fromkeys(("input_ids", "token_type_ids", "position_ids", "segment_ids", "example_positions",
                           "masked_positions"), token)
    params = model.init(jax.random.key(config.seed), batch)["params"]
    return layout.from_canonical(params, config.model, config.compute)


def initial_state(config: Config) -> TrainState:
    """The state before the first step."""
    params = initial_params(config)
    optimizer = make_optimizer(config.optimizer, config.train.steps)
    return TrainState(jnp.zeros((), jnp.int32), params, optimizer.init(params))


def state_shapes(config: Config, mesh: Mesh, strict: bool = True) -> TrainState:
    """The state's shapes, each with its sharding by the recipe's rules.

    Raises:
        UserError: `strict`, and a rule does not divide its parameter.
    """
    shapes = jax.eval_shape(lambda: initial_state(config))
    return jax.tree.map(
        lambda x, sharding: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding),
        shapes, shardings(shapes, mesh, config.mesh.rules, strict))


def about(config: Config, vocabulary: Vocabulary) -> dict:
    """What a checkpoint is of: all that its parameters mean nothing without."""
    model = dataclasses.asdict(config.model)
    for only_in_training in ("hidden_dropout", "attention_dropout", "initializer_range"):
        del model[only_in_training]
    tokenizer = dict(vocabulary=vocabulary.digest) | identity(config.tokenizer)
    return dict(model=model, heads=list(make_model(config).heads), tokenizer=tokenizer)


def save(checkpoints: Checkpoints, state: TrainState, step: int, config: Config, vocabulary: Vocabulary) -> None:
    """Saves a state of any layout, canonically."""
    if not layout.is_canonical(config.model, config.compute):
        state = _to_canonical(config.model, config.compute)(state)
    checkpoints.save(step, state.params, state.opt_state, about(config, vocabulary))


def restore(checkpoints: Checkpoints, step: int, config: Config, vocabulary: Vocabulary, mesh: Mesh) -> TrainState:
    """The state that was saved at `step`, in the recipe's layout and sharded by its rules."""
    saved = _saved_shapes(config, mesh)
    params, opt_state = checkpoints.restore(step, about(config, vocabulary), saved.params, saved.opt_state)
    return _from_canonical(TrainState(np.int32(step), params, opt_state), config, state_shapes(config, mesh))


def restore_params(checkpoints: Checkpoints, step: int, config: Config, vocabulary: Vocabulary, mesh: Mesh) -> dict:
    """The parameters alone, likewise."""
    params, _ = checkpoints.restore(step, about(config, vocabulary), _saved_shapes(config, mesh).params)
    return _from_canonical(params, config, state_shapes(config, mesh).params)


@functools.cache
def _to_canonical(model: ModelConfig, compute: ComputeConfig):
    # Kept, so that it is compiled at the first save and not at each.
    return jax.jit(lambda state: layout.to_canonical(state, model, compute))


def _from_canonical(tree, config: Config, shapes):
    sharding = jax.tree.map(lambda x: x.sharding, shapes)
    return jax.jit(lambda x: layout.from_canonical(x, config.model, config.compute), out_shardings=sharding)(tree)


def _saved_shapes(config: Config, mesh: Mesh) -> TrainState:
    # A canonical array may not divide where the recipe's layout, padded for it, does: it is read whole there.
    return state_shapes(dataclasses.replace(config, compute=layout.CANONICAL), mesh, strict=False)
