"""What a recipe's step takes on a TPU slice that is not here: compiled for it, and read."""

import dataclasses
import math
import re
from collections import Counter

import jax
from jax.sharding import Mesh

from bert_jax import config as configs
from bert_jax.config import Config
from bert_jax.model import flops
from bert_jax.objectives import OF_KIND
from bert_jax.parallel import mesh as meshes
from bert_jax.preflight import hlo
from bert_jax.preflight.chips import Chip
from bert_jax.preflight.parts import part_of
from bert_jax.training import state
from bert_jax.training.finetuning import unpacked_shapes
from bert_jax.training.pretraining import batch_shapes
from bert_jax.training.step import compile_train_steps, make_evaluation_step
from bert_jax.training.summary import count, held_bytes

# v5p and v6e may hand these to their SparseCores; JAX cannot print such a program.
_OPTIONS = {"xla_tpu_enable_offloading_scatter_to_sparsecore": "false",
            "xla_tpu_offload_gather_to_sparsecore": "false"}


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A step on each chip of a slice. Exact, unless it is said of whom an estimate is.

    Attributes:
        step: 'train' or 'evaluate'.
        chips: of the slice.
        batch_size, length: rows of a step over all chips, and their tokens.
        parameters: numbers in the model.
        model_flops: of a step over all chips: matrix products, no padding, the vocabulary at the masked positions.
        state_bytes: parameters, and of training the optimiser's state, on a chip.
        hbm_bytes: all memory on a chip, as the compiler counts it; None if it ran out and did not say.
        fits: whether the compiler could do with what a program may have.
        cycles: of a step, the compiler's estimate, by part of the model.
        collectives: of a step.
        chip: of which there are so many.
        uncosted: what the compiler gives no estimate for.
        loops: trip counts that the cycles were multiplied by.
        steps: of the whole recipe, with this batch; 0 if they follow from data, or are not of training.
    """

    step: str
    chips: int
    batch_size: int
    length: int
    parameters: int
    model_flops: int
    state_bytes: int
    hbm_bytes: int | None
    fits: bool
    steps: int
    chip: Chip
    cycles: Counter = dataclasses.field(default_factory=Counter)
    collectives: list = dataclasses.field(default_factory=list)
    uncosted: Counter = dataclasses.field(default_factory=Counter)
    loops: dict = dataclasses.field(default_factory=dict)
    text: str = ""

    @property
    def seconds(self) -> float:
        """Of the cycles, at the clock of the chip."""
        return self.cycles.total() / self.chip.clock

    @property
    def collective_seconds(self) -> float:
        """Of a step, by our model of the interconnect."""
        return sum(seconds_of(one, self.chip) for one in self.collectives)

    @property
    def overlapped(self) -> float:
        """Seconds of a step if communication hides behind computation, or the other way round."""
        return max(self.seconds, self.collective_seconds)

    @property
    def serial(self) -> float:
        """Seconds of a step if nothing hides."""
        return self.seconds + self.collective_seconds

    def mfu(self, seconds: float) -> float:
        """Model FLOPs utilisation: the share of the chips' peak that the model's own operations are."""
        return self.model_flops / (seconds * self.chip.peak * self.chips)


def prepared(config: Config, chips: int, batch_per_chip: int, length: int) -> Config:
    """The recipe as it is compiled: with this batch and length, the same number of sequences in all, and what else
    would follow from data: the size of the vocabulary, and of a task that there are two classes.
    """
    if config.task.name:
        return _of_task(config, chips, batch_per_chip, length)
    train, instances, masking, optimizer = config.train, config.instances, config.masking, config.optimizer
    if batch_per_chip:
        batch_size = batch_per_chip * chips
        train = dataclasses.replace(train, batch_size=batch_size,
                                    steps=math.ceil(train.steps * train.batch_size / batch_size))
        optimizer = dataclasses.replace(optimizer, warmup_steps=min(optimizer.warmup_steps, train.steps))
    if length:
        masking = dataclasses.replace(masking, max_predictions=math.ceil(masking.rate * length))
        instances = dataclasses.replace(instances, length=length)
    changed = dataclasses.replace(config, train=train, instances=instances, masking=masking, optimizer=optimizer)
    return _checked(changed)


def _of_task(config: Config, chips: int, batch_per_chip: int, length: int) -> Config:
    train, task = config.train, config.task
    if batch_per_chip:
        train = dataclasses.replace(train, batch_size=batch_per_chip * chips)
    if length:
        task = dataclasses.replace(task, length=length)
    # How many steps there are follows from data; here it is one of as many as the schedule needs.
    train = dataclasses.replace(train, epochs=0.0, steps=max(1, config.optimizer.warmup_steps))
    model = dataclasses.replace(config.model, num_labels=config.model.num_labels or 2)
    return _checked(dataclasses.replace(config, train=train, task=task, model=model,
                                        objectives=(OF_KIND["classification"],)))


def _checked(config: Config) -> Config:
    size = config.model.vocab_size or config.tokenizer.vocab_size
    model = dataclasses.replace(config.model, vocab_size=size)
    return configs.from_dict(configs.to_dict(dataclasses.replace(config, model=model)))


def estimate(config: Config, chip: Chip, devices: list, step: str = "train") -> Estimate:
    """Compiles a step of a recipe for these devices and reads what it takes.

    Args:
        config: from `prepared`.
        chip: what the devices are.
        devices: of a topology; one a chip.
        step: 'train' or 'evaluate'.

    Raises:
        UserError: the recipe does not fit the mesh.
    """
    mesh = meshes.make_mesh(config.mesh, devices)
    shapes = unpacked_shapes(config) if config.task.name else batch_shapes(config)
    meshes.check_rows(mesh, config.train.batch_size, "train.batch_size")
    meshes.check_parts(mesh, config.train.batch_size, config.train.replicas * config.train.accumulation)
    meshes.check_heads(mesh, config.model.num_heads)
    rows, length = shapes["input_ids"].shape
    counted = dict(train=flops.train_step, evaluate=flops.forward)[step]
    with jax.set_mesh(mesh):
        of_state = state.state_shapes(config, mesh)
        if step == "evaluate":
            of_state = of_state.params
        known = dict(
            step=step, chips=mesh.size, batch_size=rows, length=length,
            parameters=count(of_state if step == "evaluate" else of_state.params),
            model_flops=counted(config.model, state.make_model(config).heads, shapes),
            state_bytes=held_bytes(of_state), chip=chip,
            steps=0 if step == "evaluate" or config.task.name else config.train.steps)
        try:
            compiled = (compile_train_steps(config, mesh, of_state, {rows: shapes}, _OPTIONS)[rows]
                        if step == "train" else _compile_evaluation(config, mesh, of_state, shapes))
        except jax.errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" not in str(error):
                raise
            return Estimate(**known, fits=False, hbm_bytes=_asked_for(str(error)))
    memory, text = compiled.memory_analysis(), compiled.as_text()
    hbm = (memory.argument_size_in_bytes + memory.output_size_in_bytes - memory.alias_size_in_bytes
           + memory.temp_size_in_bytes + memory.generated_code_size_in_bytes)
    found = hlo.cost(text)
    parts = Counter()
    for name, cycles in found.cycles.items():
        parts[part_of(name)] += cycles
    return Estimate(**known, fits=True, hbm_bytes=hbm, cycles=parts, collectives=found.collectives,
                    uncosted=found.uncosted, loops=found.loops, text=text)


def _compile_evaluation(config: Config, mesh: Mesh, params, shapes: dict):
    jitted = jax.jit(make_evaluation_step(config), out_shardings=meshes.replicated(mesh), in_shardings=(
        jax.tree.map(lambda x: x.sharding, params), meshes.row_sharding(mesh)))
    return jitted.lower(params, shapes).compile(_OPTIONS)


def seconds_of(collective: hlo.Collective, chip: Chip) -> float:
    """Our model of the interconnect: what a chip has to send, over all of its links, at their published rate.

    Rings send each byte (n - 1) / n times in an all-gather or a reduce-scatter of n chips, and twice that in an
    all-reduce. Latency, and that a slice may have no links around its edges, are left out.
    """
    others, share = collective.devices - 1, (collective.devices - 1) / collective.devices
    sent = {"all-reduce": 2 * share, "all-gather": share, "reduce-scatter": others, "all-to-all": share,
            "collective-permute": 1}[collective.kind]  # as often as the result is large
    return collective.times * sent * collective.bytes / chip.ici


def seconds_by_kind(found: Estimate) -> dict[str, dict]:
    """Of each kind of collective: how many there are in a step, the bytes of their results on a chip, their seconds."""
    kinds = {}
    for one in found.collectives:
        total = kinds.setdefault(one.kind, dict(count=0, bytes=0, seconds=0.0))
        total["count"] += one.times
        total["bytes"] += one.times * one.bytes
        total["seconds"] += seconds_of(one, found.chip)
    return kinds


def _asked_for(message: str) -> int | None:
    """Bytes that a program would have needed, from the compiler's error."""
    found = re.search(r"(?:Used|required[^(]*\() ?([\d.]+)([KMGT])", message)
    return int(float(found[1]) * 2 ** (10 * "_KMGT".index(found[2]))) if found else None
