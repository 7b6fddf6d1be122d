"""Several hosts: joining them, and letting one of them go first."""

from collections.abc import Callable
from typing import Any

import jax
from jax.experimental import multihost_utils

from bert_jax.errors import UserError


def join(distributed: bool, coordinator: str, hosts: int, index: int) -> None:
    """Joins the other hosts, if there are any; to be called before anything else asks JAX for
    devices.

    Args:
        distributed: be one of several hosts, as JAX finds out on TPU pods, SLURM and Kubernetes.
        coordinator: 'address:port' of the first host, where JAX cannot find out; empty otherwise.
        hosts, index: with a coordinator, how many hosts there are and which one this is, from 0.

    Raises:
        UserError: these do not fit each other.
    """
    if coordinator:
        if hosts < 1 or not 0 <= index < hosts:
            raise UserError(
                "--coordinator needs --hosts and --host_index",
                found=f"--hosts={hosts} --host_index={index}",
                expected="the number of hosts and this one's number from 0",
            )
        jax.distributed.initialize(coordinator, hosts, index)
    elif distributed:
        jax.distributed.initialize()


def first_host_first(make: Callable[[], object]) -> Any:
    """Returns on every host the result of `make`, which is called on the first host, and once that
    is done, on the others.

    Raises:
        UserError: `make` failed on the first host; the others are told rather than left waiting.
    """
    if jax.process_count() == 1:
        return make()
    made = error = None
    if jax.process_index() == 0:
        try:
            made = make()
        except Exception as caught:
            error = caught
    failed = bool(multihost_utils.broadcast_one_to_all(error is not None))
    if error:
        raise error
    if failed:
        raise UserError("the first host failed", hint="see what it printed")
    return make() if jax.process_index() else made
