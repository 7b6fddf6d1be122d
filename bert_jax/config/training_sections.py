"""Sections of a recipe about training and evaluation: updates, duration, checkpoints, metrics."""

from dataclasses import dataclass

from bert_jax.config.keys import Options, key, selected, selector


@dataclass(frozen=True)
class OptimizerConfig:
    name: str = selector(
        "bert_adam",
        "Optimiser: Adam without bias correction, as in Google's code (bert_adam); AdamW; LAMB, "
        "which scales each update by the norm of its parameter; Lion; or Muon for the encoder's "
        "matrices, with AdamW for all other parameters",
    )
    learning_rate: float = key(1e-4, "Peak learning rate")
    b1: float = key(0.9, "Decay rate of the first moment", below=1)
    b2: float = key(0.999, "Decay rate of the second moment", below=1)
    epsilon: float = key(1e-6, "Term added to the square root of the second moment")
    weight_decay: float = key(
        0.01, "Decoupled weight decay, which is multiplied by the learning rate"
    )
    decay_exclude: tuple = key(
        (r"/bias$", r"layer_norm/scale$"),
        "Regular expressions for the paths of parameters without weight decay",
        items=str,
        patterns=True,
    )
    layer_decay: float = key(
        1.0,
        "Factor by which the learning rate falls from each encoder layer to the one below it, and "
        "from the first layer to the embeddings; 1: the same for all",
        above=0,
        at_most=1,
    )
    frozen: tuple = key(
        (),
        "Regular expressions for the paths of parameters that are not trained, such as ^/bert/ for "
        "the encoder",
        items=str,
        patterns=True,
        example="^/bert/",
    )
    ema_decay: float = key(
        0.0,
        "Decay rate of an exponential moving average of the parameters, which is then evaluated "
        "and saved as the model; 0: no average",
        below=1,
    )
    clip_norm: float = key(
        1.0, "Global norm to which larger gradients are scaled down; 0: no clipping"
    )
    warmup_steps: int = key(10_000, "Number of steps of linear warm-up")
    warmup_share: float = key(
        0.0,
        "Share of the steps that is warm-up, rounded down; 0: use warmup_steps",
        at_most=1,
    )
    decay: str = key(
        "linear",
        "Decay of the learning rate: linear; a power of the linear one; half a cosine; constant "
        "until the last share of the steps and then linear (stable); or none (constant)",
        choices=("linear", "polynomial", "cosine", "stable", "constant"),
    )
    decay_power: float = key(0.5, "Exponent of decay='polynomial'")
    decay_share: float = key(
        0.1, "Share of the steps in which decay='stable' falls, at the end of the run", at_most=1
    )
    final_share: float = key(
        0.0,
        "Learning rate at the last step as a share of the peak, for all but decay='constant'",
        at_most=1,
    )
    decay_start: str = key(
        "zero",
        "Start of the decay: step 0, so that the rate drops a little when warm-up ends (Google's "
        "code), or the end of warm-up (Hugging Face)",
        choices=("zero", "warmup"),
    )
    options: Options = selected()


@dataclass(frozen=True)
class TrainConfig:
    steps: int = key(
        1_000_000,
        "Number of optimiser steps of the run, over which the learning rate's schedule extends",
        at_least=1,
    )
    epochs: float = key(0.0, "Number of passes over the training examples; 0: use `steps`")
    tokens: float = key(0.0, "Number of tokens to train on, padding included; 0: use `steps`")
    flops: float = key(
        0.0,
        "Number of floating-point operations to train with, counting the model's matrix products; "
        "0: use `steps`",
    )
    batch_size: int = key(256, "Number of examples per step, over all devices", at_least=1)
    accumulation: int = key(
        1,
        "Number of parts into which a batch is split, computed one after the other to save memory",
        at_least=1,
        free=True,
    )
    replicas: int = key(
        1,
        "Number of parts of a batch with losses and gradient clipping of their own, whose "
        "gradients are summed, as Google's code does on that many TPU cores; 1: the whole batch, "
        "on any mesh",
        at_least=1,
    )
    patience: int = key(
        0,
        "Number of evaluations in a row without a better score after which the run ends; the best "
        "parameters are kept. 0: no early stopping",
    )
    stop_after: int = key(
        0, "Step at which to stop and save, to be resumed later; 0: run to the end", free=True
    )
    stop_after_minutes: float = key(
        0.0,
        "Minutes of training after which to stop and save, to be resumed later; 0: run to the end",
        free=True,
    )


@dataclass(frozen=True)
class EvaluateConfig:
    seed: int = key(
        0,
        "Seed of held-out instances and masks, so that runs of all seeds score the same examples",
        at_least=None,
    )
    every: int = key(
        10_000,
        "Number of steps between evaluations on held-out examples; -1: after each epoch, 0: only "
        "at the end",
        at_least=-1,
        free=True,
    )
    batch_size: int = key(
        0, "Number of rows per evaluation step; 0: as many as in training", free=True
    )
    reference: str = key(
        "",
        "File with held-out scores of earlier runs of this recipe; a score outside their band is "
        "reported. Empty: no comparison",
        free=True,
    )
    max_examples: int = key(
        0,
        "Maximum number of held-out examples of each corpus, chosen once; 0: all",
        free=True,
    )


@dataclass(frozen=True)
class ProtocolConfig:
    """The runs of evaluate.py: every task with every setting and seed."""

    tasks: tuple = key(
        (),
        "Tasks to fine-tune: short names of GLUE tasks ('mrpc'), TFDS names of other data sets; "
        "empty: evaluate.py scores held-out text instead",
        items=str,
        free=True,
        example="mrpc,rte",
    )
    learning_rates: tuple = key(
        (5e-5, 4e-5, 3e-5, 2e-5), "Peak learning rates to try", items=float, free=True
    )
    batch_sizes: tuple = key((32,), "Batch sizes to try", items=int, at_least=1, free=True)
    epochs: tuple = key((3.0,), "Numbers of epochs to try", items=float, free=True)
    seeds: int = key(1, "Number of runs of each setting, with seeds from 0", free=True)
    folds: int = key(
        0,
        "Number of folds for cross-validation on the training split, one run per seed and fold; "
        "0: use the validation splits",
        at_least=2,
        special=(0,),
        free=True,
    )
    from_scratch: bool = key(
        False,
        "Repeat each run from random parameters, to measure the benefit of pretraining",
        free=True,
    )
    from_mnli: bool = key(
        False,
        "Start MRPC, RTE and STS-B from the best MNLI model, which is then fine-tuned first",
        free=True,
    )
    keep: str = key(
        "best",
        "Runs whose checkpoints are kept: the best one of each task, or all",
        choices=("best", "all"),
        free=True,
    )


@dataclass(frozen=True)
class CheckpointConfig:
    every: int = key(
        10_000,
        "Number of steps between checkpoints, besides the one at the end; -1: after each epoch, "
        "0: only at the end",
        at_least=-1,
        free=True,
    )
    keep: int = key(3, "Number of latest checkpoints to keep", at_least=1, free=True)
    keep_every: int = key(
        0,
        "Also keep every checkpoint whose step is a multiple of this; 0: only the latest",
        free=True,
    )


@dataclass(frozen=True)
class LogConfig:
    every: int = key(
        100,
        "Number of steps between lines of metrics, which are means over those steps",
        at_least=1,
        free=True,
    )
    sinks: tuple = key(
        ("tensorboard",),
        "Further destinations of the metrics: tensorboard, wandb. WORKDIR/metrics.jsonl is always "
        "written",
        items=str,
        free=True,
    )
    profile_after: int = key(
        0,
        "Step after which JAX's profiler records a trace, in WORKDIR/profile; 0: no trace",
        free=True,
    )
    profile_steps: int = key(3, "Number of steps in that trace", at_least=1, free=True)
