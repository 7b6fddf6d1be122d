"""Facts about the traced step, before any compiler sees it: its matrix products, and the
activations that wait for the backward pass."""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import core

from bert_jax.objectives import choose
from bert_jax.training.plan import Plan
from bert_jax.training.state import TrainState, initial_params
from bert_jax.training.step import make_evaluation_step, make_loss, make_train_step


def train_products(plan: Plan, state_shapes: TrainState, batch: dict) -> int:
    """Multiplications and additions of all matrix products of a training step, recomputed ones
    among them.

    Args:
        plan: the plan of the recipe.
        state_shapes, batch: `jax.ShapeDtypeStruct`s.
    """
    return _products(jax.make_jaxpr(make_train_step(plan))(state_shapes, batch).jaxpr)


def evaluation_products(plan: Plan, params: Any, batch: dict) -> int:
    """The same of an evaluation step."""
    return _products(jax.make_jaxpr(make_evaluation_step(plan))(params, batch).jaxpr)


def saved(plan: Plan, params: Any, batch: dict) -> int:
    """Bytes that the forward pass leaves for the backward pass over all devices, about.

    Arrays that the derivative asks for, or matrix products alone if these are less: a compiler
    computes what follows from them again rather than keep it, but for scanned layers, whose loop
    hands on just what was asked for. A batch that is computed in parts counts with one of them.

    Args:
        plan: the plan of the recipe.
        params, batch: `jax.ShapeDtypeStruct`s.
    """
    asked_for = _left(plan, params, batch)
    if plan.compute.scan_layers:
        return asked_for
    return min(asked_for, _left(plan, params, batch, jax.checkpoint_policies.dots_saveable))


def of_a_layer(plan: Plan, batch: dict) -> int:
    """Bytes of all arrays that the derivative of one layer asks for over all devices, or of the
    heads if they are more.

    Args:
        plan: the plan of the recipe.
        batch: `jax.ShapeDtypeStruct`s.
    """
    compute = dataclasses.replace(plan.compute, remat="none", scan_layers=False)

    def left(layers: int) -> int:
        small = dataclasses.replace(
            plan, compute=compute, model=dataclasses.replace(plan.model, num_layers=layers)
        )
        return _left(small, jax.eval_shape(lambda: initial_params(small)), batch)

    layer = left(2) - left(1)
    return max(layer, left(1) - layer)


def _left(plan: Plan, params: Any, batch: dict, policy: Any = None) -> int:
    parts = plan.recipe.train.replicas * plan.recipe.train.accumulation
    batch = {
        name: jax.ShapeDtypeStruct((x.shape[0] // parts, *x.shape[1:]), x.dtype)
        for name, x in batch.items()
    }
    loss, weights = make_loss(plan), dict.fromkeys(choose(plan.objectives), 1.0)

    def left(params: Any, batch: dict) -> Any:
        rows = jnp.arange(batch["input_ids"].shape[0])
        key = jax.random.key(plan.recipe.seed, impl=plan.compute.prng)

        def of_params(params: Any) -> Any:
            return loss(params, batch, rows, weights, key)

        return jax.vjp(
            jax.checkpoint(of_params, policy=policy) if policy else of_params, params, has_aux=True
        )[1]

    jaxpr = jax.make_jaxpr(left)(params, batch).jaxpr
    given = set(jaxpr.invars) | set(jaxpr.constvars)
    made = {x for x in jaxpr.outvars if not isinstance(x, core.Literal)} - given
    return sum(math.prod(x.aval.shape) * x.aval.dtype.itemsize for x in made)


def _products(jaxpr: Any) -> int:
    total = 0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            shape = equation.invars[0].aval.shape
            total += (
                2
                * math.prod(equation.outvars[0].aval.shape)
                * math.prod(shape[i] for i in contracted)
            )
        times = equation.params["length"] if equation.primitive.name == "scan" else 1
        for inner in jax.tree.leaves(list(equation.params.values()), is_leaf=_is_jaxpr):
            if _is_jaxpr(inner):
                total += times * _products(getattr(inner, "jaxpr", inner))
    return total


def _is_jaxpr(x: Any) -> bool:
    return isinstance(x, (core.Jaxpr, core.ClosedJaxpr))
