"""Memory of a training step by shapes alone, for devices whose compiler is not here."""

from dataclasses import dataclass

import jax

from bert_jax.config import Config
from bert_jax.parallel import mesh as meshes
from bert_jax.preflight import traced
from bert_jax.preflight.trial import shapes_on
from bert_jax.training import state
from bert_jax.training.plan import without_data
from bert_jax.training.summary import count, held_bytes


@dataclass(frozen=True)
class Memory:
    """Bytes on each device. Only parameters and state are exact.

    Attributes:
        devices: there are.
        batch_size, length: rows of a step over all devices, and their tokens.
        parameters: numbers in the model.
        state: parameters and the optimiser's state.
        gradients: as large as the parameters.
        saved: what the forward pass leaves for the backward pass, which shares it out by rows.
        working: for what is computed meanwhile: as much as the derivative of one layer asks for, or
            of the heads.
    """

    devices: int
    batch_size: int
    length: int
    parameters: int
    state: int
    gradients: int
    saved: int
    working: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.state + self.gradients + self.saved + self.working


def of_shapes(config: Config, devices: list | None = None) -> Memory:
    """Estimates the memory of a training step without compiling it.

    What a compiler saves by computing things again, and what it and its libraries take for
    themselves, is not in it.

    Args:
        config: from `prepared`.
        devices: of which there shall be so many; by default those of this process.

    Raises:
        UserError: the recipe does not fit the mesh.
    """
    mesh, plan = meshes.make_mesh(config.mesh, devices), without_data(config)
    shapes = shapes_on(config, mesh)
    with jax.set_mesh(mesh):
        of_state = state.state_shapes(plan, mesh)
        saved, working = (
            traced.saved(plan, of_state.params, shapes),
            traced.of_a_layer(plan, shapes),
        )
    shards = meshes.row_shards(mesh)
    rows, length = shapes["input_ids"].shape
    return Memory(
        mesh.size,
        rows,
        length,
        count(of_state.params),
        held_bytes(of_state),
        held_bytes(of_state.params),
        saved // shards,
        working // shards,
    )
