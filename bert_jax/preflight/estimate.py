"""Time and memory of a recipe's step on a TPU slice that is not here: compiled for it, and read."""

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import jax
from jax.sharding import Mesh

from bert_jax.config import Config
from bert_jax.model import flops
from bert_jax.objectives import heads_of
from bert_jax.parallel import mesh as meshes
from bert_jax.parallel.devices import Tpu
from bert_jax.preflight import hlo, interconnect, traced
from bert_jax.preflight.parts import part_of
from bert_jax.preflight.trial import shapes_on
from bert_jax.training import state
from bert_jax.training.plan import Plan, without_data
from bert_jax.training.state import TrainState
from bert_jax.training.step import compile_train_steps, make_evaluation_step
from bert_jax.training.summary import count, held_bytes

# v5p and v6e may hand these to their SparseCores; JAX cannot print such a program.
_OPTIONS: dict[str, str | bool] = {
    "xla_tpu_enable_offloading_scatter_to_sparsecore": "false",
    "xla_tpu_offload_gather_to_sparsecore": "false",
}


@dataclass(frozen=True)
class Estimate:
    """Time and memory of a step on each chip of a slice.

    Attributes:
        step: 'train' or 'evaluate'.
        mesh: the mesh of the chips.
        chip: the kind of chip.
        batch_size, length: rows of a step over all chips, and tokens of a row.
        parameters: number of parameters of the model.
        model_flops: FLOPs of a step over all chips: matrix products, without the rows that pad the
            vocabulary, whose product counts at the masked positions only.
        hardware_flops: FLOPs of all matrix products that the step computes, recomputed ones
            included.
        state_bytes: parameters and, for training, the optimiser's state on a chip.
        saved_bytes: activations that the forward pass saves for the backward pass on a chip;
            approximate, since the compiler decides.
        fits: whether the step fits in the memory that a program may use.
        steps: steps of the whole recipe with this batch; 0 if they depend on data, and for
            evaluation.
        hbm_bytes: all memory on a chip, as the compiler counts it; None if the compiler ran out of
            memory and did not say how much it needed.
        temporary_bytes: the part of it that is neither state nor batch nor program.
        cycles: the compiler's estimate for a step, by part of the model.
        collectives: collectives of a step.
        uncosted: operations that the compiler gives no estimate for.
        loops: trip counts that the cycles were multiplied by.
        text: the compiled program.
    """

    step: str
    mesh: Mesh
    chip: Tpu
    batch_size: int
    length: int
    parameters: int
    model_flops: int
    hardware_flops: int
    state_bytes: int
    saved_bytes: int
    steps: int
    fits: bool
    hbm_bytes: int | None
    temporary_bytes: int = 0
    cycles: Counter = field(default_factory=Counter)
    collectives: list = field(default_factory=list)
    uncosted: list = field(default_factory=list)
    loops: dict = field(default_factory=dict)
    text: str = ""

    @property
    def seconds(self) -> float:
        """The cycles as seconds, at the clock of the chip."""
        return self.cycles.total() / self.chip.clock

    @property
    def uncosted_seconds(self) -> float:
        """The seconds of operations without an estimate, by a roofline: at the published rate of
        the memory or the matrix units."""
        return sum(map(self.roofline, self.uncosted))

    def roofline(self, one: hlo.Uncosted) -> float:
        """Seconds of one of `uncosted`."""
        return one.times * max(one.bytes / self.chip.bandwidth, one.flops / self.chip.peak)

    @property
    def collective_seconds(self) -> float:
        """The seconds of a step's collectives, by our model of the interconnect."""
        return sum(interconnect.seconds_of(one, self.mesh, self.chip) for one in self.collectives)

    @property
    def overlapped(self) -> float:
        """Seconds of a step if communication hides behind computation, or the other way round."""
        return max(self.seconds + self.uncosted_seconds, self.collective_seconds)

    @property
    def serial(self) -> float:
        """Seconds of a step if nothing hides."""
        return self.seconds + self.uncosted_seconds + self.collective_seconds

    def mfu(self, seconds: float) -> float:
        """Model FLOPs utilisation: the share of the chips' peak that the model's own operations
        are."""
        return self.model_flops / (seconds * self.chip.peak * self.mesh.size)


def estimate(config: Config, chip: Tpu, devices: list, step: str = "train") -> Estimate:
    """Compiles a step of a recipe for these devices and reads what it takes.

    Args:
        config: from `prepared`.
        chip: what the devices are.
        devices: of a topology; one a chip.
        step: 'train' or 'evaluate'.

    Raises:
        UserError: the recipe does not fit the mesh.
    """
    mesh, plan = meshes.make_mesh(config.mesh, devices), without_data(config)
    shapes = shapes_on(config, mesh)
    rows, length = shapes["input_ids"].shape
    known_of, compiled_of = _STEPS[step]
    with jax.set_mesh(mesh):
        of_state = state.state_shapes(plan, mesh)
        known = dict(
            step=step,
            mesh=mesh,
            chip=chip,
            batch_size=rows,
            length=length,
            parameters=count(of_state.params),
            **known_of(plan, mesh, of_state, shapes),
        )
        try:
            compiled = compiled_of(plan, mesh, of_state, shapes)
        except jax.errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" not in str(error):
                raise
            return Estimate(**known, fits=False, hbm_bytes=_asked_for(str(error)))
    return Estimate(**known, fits=True, **_of_program(compiled))


def _known_of_training(plan: Plan, mesh: Mesh, of_state: TrainState, shapes: dict) -> dict:
    """Returns the figures of a training step that need no compiler."""
    config = plan.recipe
    heads = heads_of(plan.objectives)
    return dict(
        model_flops=flops.train_step(config.model, heads, shapes, config.probe),
        state_bytes=held_bytes(of_state),
        hardware_flops=traced.train_products(plan, of_state, shapes),
        saved_bytes=traced.saved(plan, of_state.params, shapes) // meshes.row_shards(mesh),
        steps=0 if config.task.name or config.train.epochs else config.train.steps,
    )


def _known_of_evaluation(plan: Plan, mesh: Mesh, of_state: TrainState, shapes: dict) -> dict:
    """Returns the figures of an evaluation step that need no compiler."""
    config = plan.recipe
    return dict(
        model_flops=flops.forward(config.model, heads_of(plan.objectives), shapes, config.probe),
        state_bytes=held_bytes(of_state.params),
        hardware_flops=traced.evaluation_products(plan, of_state.params, shapes),
        saved_bytes=0,
        steps=0,
    )


def _compile_training(plan: Plan, mesh: Mesh, of_state: TrainState, shapes: dict) -> Any:
    return compile_train_steps(plan, mesh, of_state, {"only": shapes}, _OPTIONS)["only"]


def _compile_evaluation(plan: Plan, mesh: Mesh, of_state: TrainState, shapes: dict) -> Any:
    params = of_state.params
    jitted = jax.jit(
        make_evaluation_step(plan),
        out_shardings=meshes.replicated(mesh),
        in_shardings=(jax.tree.map(lambda x: x.sharding, params), meshes.row_sharding(mesh)),
    )
    return jitted.lower(params, shapes).compile(_OPTIONS)


_STEPS = {
    "train": (_known_of_training, _compile_training),
    "evaluate": (_known_of_evaluation, _compile_evaluation),
}


def _of_program(compiled: Any) -> dict:
    """Returns the figures of a compiled step."""
    memory, text = compiled.memory_analysis(), compiled.as_text()
    cost = hlo.cost(text)
    parts: Counter[str] = Counter()
    for name, cycles in cost.cycles.items():
        parts[part_of(name)] += cycles
    return dict(
        hbm_bytes=memory.argument_size_in_bytes
        + memory.output_size_in_bytes
        - memory.alias_size_in_bytes
        + memory.temp_size_in_bytes
        + memory.generated_code_size_in_bytes,
        temporary_bytes=memory.temp_size_in_bytes,
        cycles=parts,
        collectives=cost.collectives,
        uncosted=cost.uncosted,
        loops=cost.loops,
        text=text,
    )


def _asked_for(message: str) -> int | None:
    """Bytes that a program would have needed, from the compiler's error."""
    match = re.search(r"(?:Used|required[^(]*\() ?([\d.]+)([KMGT])", message)
    return int(float(match[1]) * 2 ** (10 * "_KMGT".index(match[2]))) if match else None
