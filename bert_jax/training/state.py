"""All that a run carries from step to step: made, sharded, saved and restored."""

import dataclasses

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh

from bert_jax.checkpoint import layout
from bert_jax.checkpoint.store import Checkpoints
from bert_jax.config import Config
from bert_jax.model.bert import Bert
from bert_jax.objectives import choose
from bert_jax.optim import make_optimizer
from bert_jax.parallel.sharding import shardings


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


def save(checkpoints: Checkpoints, state: TrainState, step: int, config: Config) -> None:
    """Saves a state of any layout, canonically."""
    if not layout.is_canonical(config.model, config.compute):
        state = jax.jit(lambda s: layout.to_canonical(s, config.model, config.compute))(state)
    checkpoints.save(step, state.params, state.opt_state, config.model)


def restore(checkpoints: Checkpoints, step: int, config: Config, mesh: Mesh) -> TrainState:
    """The state that was saved at `step`, in the recipe's layout and sharded by its rules."""
    # A canonical array may not divide where the recipe's layout, padded for it, does: it is read whole there.
    saved = state_shapes(dataclasses.replace(config, compute=layout.CANONICAL), mesh, strict=False)
    params, opt_state = checkpoints.restore(step, config.model, saved.params, saved.opt_state)
    sharding = jax.tree.map(lambda x: x.sharding, state_shapes(config, mesh))
    return jax.jit(lambda s: layout.from_canonical(s, config.model, config.compute), out_shardings=sharding)(
        TrainState(np.int32(step), params, opt_state))


def restore_params(checkpoints: Checkpoints, step: int, config: Config, mesh: Mesh) -> dict:
    """The parameters alone, likewise."""
    saved = state_shapes(dataclasses.replace(config, compute=layout.CANONICAL), mesh, strict=False).params
    params, _ = checkpoints.restore(step, config.model, saved)
    sharding = jax.tree.map(lambda x: x.sharding, state_shapes(config, mesh).params)
    return jax.jit(lambda p: layout.from_canonical(p, config.model, config.compute), out_shardings=sharding)(params)
