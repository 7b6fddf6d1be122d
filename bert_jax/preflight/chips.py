"""TPU chips and slices of them, as far as a program can be compiled for them without one."""

import importlib.util
import os

from bert_jax.errors import UserError
from bert_jax.parallel.devices import TPUS, Tpu

# Before JAX is imported: there is no TPU to look for, and several processes may compile at a time.
ENVIRONMENT = {
    "JAX_PLATFORMS": "cpu",
    "TPU_SKIP_MDS_QUERY": "1",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    "JAX_ENABLE_COMPILATION_CACHE": "false",  # which cannot read programs of another machine
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_ACCELERATOR_TYPE": "v5litepod-1",
}


def slice_of(topology: str, slices: int = 1) -> tuple[Tpu, list]:
    """The chip and the devices, one a chip, of so many slices such as 'v5e:2x4'.

    Raises:
        UserError: it is not known, or there is no compiler for TPUs here.
    """
    name, _, shape = topology.partition(":")
    if name not in TPUS or not shape:
        raise UserError(
            f"{topology!r} is no topology",
            found=name,
            expected=f"one of {', '.join(TPUS)} with a shape",
            hint="--topology=v5e:2x4",
        )
    if not importlib.util.find_spec("libtpu"):
        raise UserError(
            "there is no compiler for TPUs here",
            found="no module 'libtpu'",
            expected="libtpu",
            hint="pip install libtpu",
        )
    os.environ.update({key: value for key, value in ENVIRONMENT.items() if key not in os.environ})
    from jax.experimental import topologies

    chip = TPUS[name]
    try:
        found = topologies.get_topology_desc(
            platform="tpu",
            topology_name=topology,
            **(dict(num_slices=slices) if slices > 1 else {}),
            **dict(chip.options),
        )
    except Exception as error:  # the compiler raises its own kinds
        raise UserError(
            f"the compiler does not know the topology {topology!r}",
            found=str(error).splitlines()[0],
            expected="a shape of whole hosts, as v5e:2x4, v5e:16x16, v4:2x2x4",
            hint="another shape",
        ) from None
    return chip, list(found.devices)
