"""The one step: a pure function from a state and a batch to the next state and its metrics."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from bert_jax.objectives import choose
from bert_jax.optim import clipped, make_optimizer, zero_frozen
from bert_jax.optim.schedules import warmup_schedule
from bert_jax.parallel import mesh as meshes
from bert_jax.training.plan import Plan
from bert_jax.training.state import TrainState, averaged, make_model


def make_loss(plan: Plan) -> Callable:
    """Builds `loss(params, batch, rows, weights, key) -> (loss, metrics)`, with dropout, from model
    and objectives.

    `rows` numbers the batch's rows, so that each has its own dropout; `weights` are what each
    objective's summed loss is divided by, by its name. Metrics are the loss and each objective's
    loss and accuracy.
    """
    model, objectives = make_model(plan), choose(plan.objectives)

    def loss(
        params: dict, batch: dict, rows: jax.Array, weights: dict, key: jax.Array
    ) -> tuple[jax.Array, dict]:
        outputs = model.apply(
            {"params": params}, batch, rows=rows, deterministic=False, rngs={"dropout": key}
        )
        metrics = {}
        for name, objective in objectives.items():
            terms = objective.terms(outputs[objective.HEAD], batch)
            metrics[f"{name}_loss"] = terms.loss / weights[name]
            if terms.correct is not None:
                metrics[f"{name}_accuracy"] = terms.correct / weights[name]
        metrics["loss"] = sum(metrics[f"{name}_loss"] for name in objectives)
        return metrics["loss"], metrics

    return loss


def make_train_step(plan: Plan) -> Callable:
    """Builds `step(state, batch) -> (state, metrics)` from the model, the objectives and the
    optimiser.

    The batch may be computed in `config.train.accumulation` parts; losses, gradients and dropout
    are those of the whole batch. With `config.train.replicas` losses and clipping are those of
    parts, as Google's code has them on TPUs (`optimization.py`; `CrossShardOptimizer` then sums),
    and metrics are means over the parts. Metrics are float32 scalars: the loss and each objective's
    loss and accuracy, global norms of the gradient before clipping and of the update, the learning
    rate, and the numbers of tokens and of examples that are not padding.
    """
    objectives, loss = choose(plan.objectives), make_loss(plan)
    optimizer = make_optimizer(plan.optimizer, plan.steps)
    schedule = warmup_schedule(plan.optimizer, plan.steps)
    train, clip_norm = plan.recipe.train, plan.optimizer.clip_norm

    def clipped_gradient(
        params: dict, key: jax.Array, batch: dict, rows: jax.Array
    ) -> tuple[dict, dict]:
        """Metrics and gradient of a batch, which may be computed in parts."""
        weights = {
            name: jnp.maximum(objective.weight(batch), 1) for name, objective in objectives.items()
        }

        def gradient(part: tuple) -> tuple[dict, dict]:
            gradients, metrics = jax.grad(loss, has_aux=True)(params, *part, weights, key)
            return metrics, zero_frozen(gradients, plan.optimizer.frozen)

        metrics, gradients = _summed(gradient, (batch, rows), train.accumulation)
        norm = optax.global_norm(gradients)
        return metrics | dict(gradient_norm=norm), clipped(gradients, norm, clip_norm)

    def step(state: TrainState, batch: dict) -> tuple[TrainState, dict]:
        key = jax.random.fold_in(
            jax.random.key(plan.recipe.seed, impl=plan.compute.prng), state.step
        )
        rows = jnp.arange(batch["input_ids"].shape[0])
        metrics, gradients = _summed(
            lambda part: clipped_gradient(state.params, key, *part), (batch, rows), train.replicas
        )
        # Replicas' gradients are added up, not averaged: so does Google's code, whose Adam hardly
        # minds.
        metrics = {name: value / train.replicas for name, value in metrics.items()}
        updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        metrics |= dict(
            update_norm=optax.global_norm(updates),
            learning_rate=schedule(state.step),
            tokens=jnp.sum(batch["segment_ids"] > 0).astype(jnp.float32),
            examples=jnp.sum(batch["example_weights"]),
        )
        average = averaged(state.average, params, state.step, plan.optimizer.ema_decay)
        return TrainState(state.step + 1, params, opt_state, average), metrics

    return step


def compile_train_steps(
    plan: Plan, mesh: Mesh, state_shapes: TrainState, batches: dict, options: dict | None = None
) -> dict:
    """The compiled training step for each shape in which batches come; it overwrites the state that
    it is given.

    Args:
        plan: the run's plan.
        mesh: the devices; has to be set too, see `jax.set_mesh`.
        state_shapes: the state's `jax.ShapeDtypeStruct`s with their shardings.
        batches: shapes of a batch, by any name.
        options: of the compiler, by name.

    Returns:
        The steps by these names.
    """
    sharding = jax.tree.map(lambda x: x.sharding, state_shapes)
    jitted = jax.jit(
        make_train_step(plan),
        in_shardings=(sharding, meshes.row_sharding(mesh)),
        out_shardings=(sharding, meshes.replicated(mesh)),
        donate_argnums=0,
    )
    return {
        name: jitted.lower(state_shapes, shapes).compile(options)
        for name, shapes in batches.items()
    }


def _summed(function: Callable, rows: Any, parts: int) -> Any:
    """The sum of `function` over parts of a tree of rows, one part after the other."""
    if parts == 1:
        return function(rows)
    # Every parts-th row makes a part, so that each device finds its rows of a part among its own.
    split = jax.tree.map(lambda x: x.reshape(-1, parts, *x.shape[1:]).swapaxes(0, 1), rows)
    shapes = jax.eval_shape(function, jax.tree.map(lambda x: x[0], split))
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
    return jax.lax.scan(
        lambda sums, part: (jax.tree.map(jnp.add, sums, function(part)), None), zeros, split
    )[0]


def make_evaluation_step(plan: Plan) -> Callable:
    """Builds `step(params, batch) -> sums`, without dropout: for each objective its summed loss,
    how many were right, and the weight over which to divide, as float32 scalars."""
    predict = make_prediction_step(plan)
    return lambda params, batch: predict(params, batch)[0]


def make_prediction_step(plan: Plan) -> Callable:
    """Builds `step(params, batch) -> (sums, logits)`: what the evaluation step gives, and the
    logits by head."""
    model, objectives = make_model(plan), choose(plan.objectives)

    def step(params: dict, batch: dict) -> tuple[dict, dict]:
        outputs: Any = model.apply({"params": params}, batch)
        sums = {}
        for name, objective in objectives.items():
            terms = objective.terms(outputs[objective.HEAD], batch)
            sums[name] = terms._asdict() | dict(weight=objective.weight(batch))
        return sums, {name: outputs[name] for name in model.heads}

    return step
