"""Origin of a run's numbers: code, packages, devices, data."""

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import jax

PACKAGES = (
    "jax",
    "jaxlib",
    "libtpu",
    "flax",
    "optax",
    "orbax-checkpoint",
    "tensorflow-datasets",
    "grain",
    "tokenizers",
    "numpy",
    "ml-collections",
)
FLAGS = ("XLA_FLAGS", "LIBTPU_INIT_ARGS", "JAX_PLATFORMS")


def write(workdir: Path, step: int, manifests: dict[str, dict]) -> None:
    """Writes `WORKDIR/provenance/STEP-TIME.json`, one a start, so that none replaces another."""
    directory = workdir / "provenance"
    directory.mkdir(exist_ok=True)
    record = collect() | dict(step=step, data=manifests)
    name = f"{step:09d}-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}.json"
    (directory / name).write_text(json.dumps(record, indent=1))


def collect() -> dict:
    """Code version with its uncommitted changes, package versions, devices, command and time."""
    root = Path(__file__).resolve().parents[2]
    return dict(
        command=sys.argv,
        time=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        commit=_git(root, "rev-parse", "HEAD"),
        changes=_git(root, "diff", "HEAD"),
        status=_git(root, "status", "--porcelain"),
        python=platform.python_version(),
        platform=platform.platform(),
        packages={name: _version(name) for name in PACKAGES},
        devices=[f"{d.platform}:{d.device_kind}" for d in jax.devices()],
        hosts=jax.process_count(),
        flags={name: os.environ[name] for name in FLAGS if name in os.environ},
    )


def _git(root: Path, *arguments: str) -> str | None:
    # An installed package may lie inside some other repository: only our own counts.
    if not (root / ".git").exists():
        return None
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return done.stdout.rstrip("\n") if done.returncode == 0 else None


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
