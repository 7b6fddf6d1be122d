"""All that a run carries from step to step: made, sharded, saved and restored."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh

from bert_jax.checkpoint import initial, layout
from bert_jax.checkpoint.about import describe, describe_training
from bert_jax.checkpoint.checkpoints import Checkpoints
from bert_jax.checkpoint.pretrained import Pretrained
from bert_jax.config import ComputeConfig, ModelConfig
from bert_jax.errors import UserError
from bert_jax.model import bert
from bert_jax.model.heads import POOLED
from bert_jax.objectives import heads_of
from bert_jax.optim import make_optimizer
from bert_jax.parallel.sharding import shardings
from bert_jax.text.vocabulary import Vocabulary
from bert_jax.training.plan import Plan


@flax.struct.dataclass
class TrainState:
    """Step, parameters and the optimiser's state, in the layout of the recipe."""

    step: Any  # int32, an array or a number, steps taken
    params: dict
    opt_state: optax.OptState
    average: dict | None = None  # of the parameters of all steps, if the recipe keeps one

    @property
    def model(self) -> dict:
        """The parameters that are scored and kept: the average, if there is one."""
        return self.params if self.average is None else self.average


def make_model(plan: Plan) -> bert.Bert:
    """The model of a recipe, with the heads that its objectives read.

    Raises:
        UserError: an objective is not known, or reads what the model does not have.
    """
    heads = heads_of(plan.objectives)
    if "lm" in plan.objectives and not plan.model.causal:
        raise UserError(
            "config.model.causal is False",
            found="the objective 'lm', whose answers it would see",
            expected="True with left-to-right language modelling",
            hint="--config.model.causal=True",
        )
    for head in heads:
        if plan.recipe.probe.features and head not in ("tag", "span"):
            raise UserError(
                f"config.probe.features is {plan.recipe.probe.features!r}",
                found=f"the head {head!r}",
                expected="a head of words or answers: 'tag' or 'span'",
                hint="--config.probe.features='' fine-tunes BERT",
            )
        if head in POOLED and not plan.model.pooler:
            raise UserError(
                "config.model.pooler is False",
                found=f"the head {head!r}, which reads the pooled output",
                expected="True with such a head",
                hint="--config.model.pooler=True",
            )
    return bert.Bert(plan.model, plan.compute, heads, plan.recipe.probe)


def initial_params(plan: Plan) -> dict:
    """Random parameters in the recipe's layout, a function of its seed: the same values in every
    layout."""
    params = bert.initial_params(
        plan.model,
        make_model(plan).heads,
        jax.random.key(plan.recipe.seed),
        plan.recipe.probe,
    )
    return layout.from_canonical(params, plan.model, plan.compute)


def initial_state(plan: Plan) -> TrainState:
    """The state before the first step."""
    return _before_the_first_step(initial_params(plan), plan)


def _before_the_first_step(params: dict, plan: Plan) -> TrainState:
    optimizer = make_optimizer(plan.optimizer, plan.steps)
    average = jax.tree.map(jnp.copy, params) if plan.optimizer.ema_decay else None
    return TrainState(jnp.zeros((), jnp.int32), params, optimizer.init(params), average)


def averaged(average: dict | None, params: dict, step: jax.Array, decay: float) -> dict | None:
    """The moving average after another step, if there is one.

    The decay rises to its value as (1 + step) / (10 + step), so that the random beginning is soon
    forgotten; so does TensorFlow's `ExponentialMovingAverage` with `num_updates`.

    Args:
        params: after the step.
        step: steps taken before it.
    """
    if average is None:
        return None
    decay = jnp.minimum(decay, (1 + step) / (10 + step))
    return jax.tree.map(lambda mean, x: mean + (1 - decay) * (x - mean), average, params)


def state_from(
    source: Pretrained, plan: Plan, vocabulary: Vocabulary, mesh: Mesh
) -> tuple[TrainState, list[str]]:
    """The state before the first step, its parameters those of a checkpoint.

    Returns:
        The state, in the recipe's layout and sharded by its rules, and the paths of parameters that
        the checkpoint does not have and that are random.
    """
    params, new = params_from(source, plan, vocabulary, mesh)
    sharding = jax.tree.map(lambda x: x.sharding, state_shapes(plan, mesh))
    return jax.jit(lambda x: _before_the_first_step(x, plan), out_shardings=sharding)(params), new


def params_from(
    source: Pretrained, plan: Plan, vocabulary: Vocabulary, mesh: Mesh
) -> tuple[dict, list[str]]:
    """The parameters alone, likewise."""
    canonical = dataclasses.replace(plan, compute=layout.CANONICAL)
    sharding = jax.tree.map(lambda x: x.sharding, _saved_shapes(plan, mesh).params)
    random = jax.jit(lambda: initial_params(canonical), out_shardings=sharding)()
    params, new = initial.overlaid(
        source, random, vocabulary, by_token=plan.recipe.init_vocabulary == "by_token"
    )
    return _from_canonical(params, plan, state_shapes(plan, mesh).params), new


def state_shapes(plan: Plan, mesh: Mesh, strict: bool = True) -> TrainState:
    """The state's shapes, each with its sharding by the recipe's rules.

    Raises:
        UserError: `strict`, and a rule does not divide its parameter.
    """
    shapes = jax.eval_shape(lambda: initial_state(plan))
    return jax.tree.map(
        lambda x, sharding: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding),
        shapes,
        shardings(shapes, mesh, plan.recipe.mesh.rules, strict),
    )


def about(plan: Plan, vocabulary: Vocabulary) -> dict:
    """Returns the description of a checkpoint: everything without which its parameters mean
    nothing."""
    recipe, heads = plan.recipe, make_model(plan).heads
    return describe(plan.model, heads, recipe.tokenizer, vocabulary.digest, recipe.probe)


def save(
    checkpoints: Checkpoints,
    state: TrainState,
    step: int,
    plan: Plan,
    vocabulary: Vocabulary,
    said: dict,
    score: float | None = None,
) -> None:
    """Saves a state of any layout, canonically. Of a run that keeps an average the checkpoint's
    parameters are that one, and those of the last step stand with the optimiser's state.

    Args:
        said: what else the checkpoint says of itself, and need not say when it is restored.
        score: of what it holds, if it was scored; the best checkpoint stays.
    """
    if not layout.is_canonical(plan.model, plan.compute):
        state = _to_canonical(plan.model, plan.compute)(state)
    said = said | about(plan, vocabulary) | describe_training(plan.model)
    checkpoints.save(step, state.model, _of_optimizer(state), said, score)


def restore(
    checkpoints: Checkpoints, step: int, plan: Plan, vocabulary: Vocabulary, mesh: Mesh
) -> TrainState:
    """The state that was saved at `step`, in the recipe's layout and sharded by its rules."""
    saved = _saved_shapes(plan, mesh)
    params, of_optimizer = checkpoints.restore(
        step, about(plan, vocabulary), saved.model, _of_optimizer(saved)
    )
    state = (
        TrainState(np.int32(step), params, of_optimizer)
        if saved.average is None
        else TrainState(np.int32(step), of_optimizer["params"], of_optimizer["state"], params)
    )
    return _from_canonical(state, plan, state_shapes(plan, mesh))


def _of_optimizer(state: TrainState) -> Any:
    """Returns the part of the state that a resume needs beside the model."""
    return (
        state.opt_state
        if state.average is None
        else dict(state=state.opt_state, params=state.params)
    )


@functools.cache
def _to_canonical(model: ModelConfig, compute: ComputeConfig) -> Callable[[Any], Any]:
    # Kept, so that it is compiled at the first save and not at each.
    return jax.jit(lambda state: layout.to_canonical(state, model, compute))


def _from_canonical(tree: Any, plan: Plan, shapes: Any) -> Any:
    sharding = jax.tree.map(lambda x: x.sharding, shapes)
    return jax.jit(
        lambda x: layout.from_canonical(x, plan.model, plan.compute), out_shardings=sharding
    )(tree)


def _saved_shapes(plan: Plan, mesh: Mesh) -> TrainState:
    # A canonical array may not divide where the recipe's layout, padded for it, does: it is read
    # whole there.
    return state_shapes(dataclasses.replace(plan, compute=layout.CANONICAL), mesh, strict=False)
