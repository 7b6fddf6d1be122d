"""Starting as one of several hosts."""

import os

import jax

from bert_jax.errors import UserError


def join(coordinator: str, hosts: int, index: int) -> None:
    """Joins the other hosts, if there are any.

    Args:
        coordinator: 'address:port' of the first host; empty where there is one host, or where the platform (a TPU
            pod, SLURM) tells.
        hosts: how many there are; 0 where the platform tells.
        index: of this one, from 0; -1 where the platform tells.
    """
    if coordinator:
        if hosts < 1 or not 0 <= index < hosts:
            raise UserError("--coordinator needs --hosts and --host_index",
                            found=f"--hosts={hosts} --host_index={index}",
                            expected="the number of hosts and this one's number from 0")
        jax.distributed.initialize(coordinator, hosts, index)
    elif len(os.environ.get("TPU_WORKER_HOSTNAMES", "").split(",")) > 1 or int(os.environ.get("SLURM_NTASKS", 1)) > 1:
        jax.distributed.initialize()
