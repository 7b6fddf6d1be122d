"""All that a run carries from step to step: made, sharded, saved and restored."""

import dataclasses
import functools

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh

from bert_jax.checkpoint import initial, layout, runs
from bert_jax.checkpoint.pretrained import Pretrained
from bert_jax.checkpoint.store import Checkpoints
from bert_jax.config import ComputeConfig, Config, ModelConfig
from bert_jax.errors import UserError
from bert_jax.model import bert
from bert_jax.model.heads import POOLED
from bert_jax.objectives import choose
from bert_jax.optim import make_optimizer
from bert_jax.parallel.sharding import shardings
from bert_jax.text.vocabulary import Vocabulary


@flax.struct.dataclass
class TrainState:
    """Step, parameters and the optimiser's state, in the layout of the recipe."""

    step: jax.Array  # int32, steps taken
    params: dict
    opt_state: optax.OptState
    average: dict | None = None  # of the parameters of all steps, if the recipe keeps one

    @property
    def model(self) -> dict:
        """The parameters that are scored and kept: the average, if there is one."""
        return self.params if self.average is None else self.average


def make_model(config: Config) -> bert.Bert:
    """The model of a recipe, with the heads that its objectives read.

    Raises:
        UserError: an objective is not known, or reads what the model does not have.
    """
    heads = tuple(dict.fromkeys(objective.HEAD for objective in choose(config.objectives).values()))
    if "lm" in config.objectives and not config.model.causal:
        raise UserError("config.model.causal is False", found="the objective 'lm', whose answers it would see",
                        expected="True with left-to-right language modelling", hint="--config.model.causal=True")
    for head in heads:
        if config.model.features and head not in ("tag", "span"):
            raise UserError(f"config.model.features is {config.model.features!r}",
                            found=f"the head {head!r}", expected="a head of words or answers: 'tag' or 'span'",
                            hint="--config.model.features='' fine-tunes BERT")
        if head in POOLED and not config.model.pooler:
            raise UserError("config.model.pooler is False", found=f"the head {head!r}, which reads the pooled output",
                            expected="True with such a head", hint="--config.model.pooler=True")
    return bert.Bert(config.model, config.compute, heads)


def initial_params(config: Config) -> dict:
    """Random parameters in the recipe's layout, a function of its seed: the same values in every layout."""
    params = bert.initial_params(config.model, make_model(config).heads, jax.random.key(config.seed))
    return layout.from_canonical(params, config.model, config.compute)


def initial_state(config: Config) -> TrainState:
    """The state before the first step."""
    return _before_the_first_step(initial_params(config), config)


def _before_the_first_step(params: dict, config: Config) -> TrainState:
    optimizer = make_optimizer(config.optimizer, config.train.steps)
    average = jax.tree.map(jnp.copy, params) if config.optimizer.ema_decay else None
    return TrainState(jnp.zeros((), jnp.int32), params, optimizer.init(params), average)


def averaged(average: dict | None, params: dict, step: jax.Array, decay: float) -> dict | None:
    """The moving average after another step, if there is one.

    The decay rises to its value as (1 + step) / (10 + step), so that the random beginning is soon forgotten; so does
    TensorFlow's `ExponentialMovingAverage` with `num_updates`.

    Args:
        params: after the step.
        step: steps taken before it.
    """
    if average is None:
        return None
    decay = jnp.minimum(decay, (1 + step) / (10 + step))
    return jax.tree.map(lambda mean, x: mean + (1 - decay) * (x - mean), average, params)


def state_from(source: Pretrained, config: Config, vocabulary: Vocabulary, mesh: Mesh) -> tuple[TrainState, list[str]]:
    """The state before the first step, its parameters those of a checkpoint.

    Returns:
        The state, in the recipe's layout and sharded by its rules, and the paths of parameters that the checkpoint does
        not have and that are random.
    """
    params, new = params_from(source, config, vocabulary, mesh)
    sharding = jax.tree.map(lambda x: x.sharding, state_shapes(config, mesh))
    return jax.jit(lambda x: _before_the_first_step(x, config), out_shardings=sharding)(params), new


def params_from(source: Pretrained, config: Config, vocabulary: Vocabulary, mesh: Mesh) -> tuple[dict, list[str]]:
    """The parameters alone, likewise."""
    canonical = dataclasses.replace(config, compute=layout.CANONICAL)
    sharding = jax.tree.map(lambda x: x.sharding, _saved_shapes(config, mesh).params)
    random = jax.jit(lambda: initial_params(canonical), out_shardings=sharding)()
    params, new = initial.overlaid(source, random, vocabulary, by_token=config.init_vocabulary == "by_token")
    return _from_canonical(params, config, state_shapes(config, mesh).params), new


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
    return runs.about(config.model, make_model(config).heads, config.tokenizer, vocabulary)


def save(checkpoints: Checkpoints, state: TrainState, step: int, config: Config, vocabulary: Vocabulary,
         said: dict, score: float | None = None) -> None:
    """Saves a state of any layout, canonically. Of a run that keeps an average the checkpoint's parameters are that
    one, and those of the last step stand with the optimiser's state.

    Args:
        said: what else the checkpoint says of itself, and need not say when it is restored.
        score: of what it holds, if it was scored; the best checkpoint stays.
    """
    if not layout.is_canonical(config.model, config.compute):
        state = _to_canonical(config.model, config.compute)(state)
    said = said | about(config, vocabulary) | runs.beside(config.model)
    checkpoints.save(step, state.model, _of_optimizer(state), said, score)


def restore(checkpoints: Checkpoints, step: int, config: Config, vocabulary: Vocabulary, mesh: Mesh) -> TrainState:
    """The state that was saved at `step`, in the recipe's layout and sharded by its rules."""
    saved = _saved_shapes(config, mesh)
    params, of_optimizer = checkpoints.restore(step, about(config, vocabulary), saved.model, _of_optimizer(saved))
    state = (TrainState(np.int32(step), params, of_optimizer) if saved.average is None else
             TrainState(np.int32(step), of_optimizer["params"], of_optimizer["state"], params))
    return _from_canonical(state, config, state_shapes(config, mesh))


def _of_optimizer(state: TrainState):
    """What a resume needs beside the model."""
    return state.opt_state if state.average is None else dict(state=state.opt_state, params=state.params)


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
