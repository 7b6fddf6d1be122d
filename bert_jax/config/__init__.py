"""Recipes resolved into frozen dataclasses: every key, its default, its meaning and its checks.

A recipe is a Python file whose `get_config()` starts from `recipe()` and changes what it needs:

    from bert_jax.config import recipe

    def get_config():
        config = recipe()
        config.model.num_layers = 4
        return config

`resolve` turns it into a `Config`, which is all that the rest of the code sees. Keys marked free
may differ when a run is resumed; any other difference is refused, since the run would not be the
same run.
"""

import importlib
from typing import Any

from bert_jax.config.checks import checked
from bert_jax.config.compute_sections import ComputeConfig, MeshConfig
from bert_jax.config.data_sections import (
    CorpusConfig,
    InstancesConfig,
    MaskingConfig,
    StoreConfig,
    TaskConfig,
    TokenizerConfig,
)
from bert_jax.config.keys import Key, Options, flat, key, out_of_range, to_dict
from bert_jax.config.model_sections import (
    ModelConfig,
    NormConfig,
    PositionConfig,
    ProbeConfig,
)
from bert_jax.config.resuming import (
    ONLY_IN_TRAINING,
    RECIPES_OWN,
    fixed,
    resume_differences,
)
from bert_jax.config.schema import Schema
from bert_jax.config.sections import Config
from bert_jax.config.training_sections import (
    CheckpointConfig,
    EvaluateConfig,
    LogConfig,
    OptimizerConfig,
    ProtocolConfig,
    TrainConfig,
)

__all__ = [
    "ONLY_IN_TRAINING",
    "RECIPES_OWN",
    "CheckpointConfig",
    "ComputeConfig",
    "Config",
    "CorpusConfig",
    "EvaluateConfig",
    "InstancesConfig",
    "Key",
    "LogConfig",
    "MaskingConfig",
    "MeshConfig",
    "ModelConfig",
    "NormConfig",
    "OptimizerConfig",
    "Options",
    "PositionConfig",
    "ProbeConfig",
    "ProtocolConfig",
    "Schema",
    "StoreConfig",
    "TaskConfig",
    "TokenizerConfig",
    "TrainConfig",
    "checked",
    "fixed",
    "flat",
    "key",
    "out_of_range",
    "resume_differences",
    "to_dict",
]

# Functions that need the keys of what is registered in other rooms, which import this one.
_NEED_REGISTRIES = ("recipe", "resolve", "from_dict", "key_fields")


def __getattr__(name: str) -> Any:
    # People's recipes import `recipe` from here. Looked up late, so that this room needs no other.
    if name in _NEED_REGISTRIES:
        return getattr(importlib.import_module("bert_jax.recipes"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
