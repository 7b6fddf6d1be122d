"""Checks of a whole recipe: the range of each key, and the keys that have to fit each other."""

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

from bert_jax.config.compute_sections import MeshConfig
from bert_jax.config.data_sections import CorpusConfig, TaskConfig
from bert_jax.config.keys import check_pattern, check_range, declared, out_of_range
from bert_jax.config.sections import Config
from bert_jax.errors import UserError

# (ok, dotted name of the key to blame, what was expected, hint): raises unless ok
Require = Callable[..., None]

INSTANCES_OF = dict(nsp=("segment_pair", "sentence_pair"), sop=("sentence_order",))


def checked(config: Config) -> Config:
    """Returns the config.

    Raises:
        UserError: a value is out of its range or does not fit another one; the key is named.
    """
    values = {}
    for name, declaration, value in declared(config):
        check_range(name, declaration, value)
        values[name] = value

    def require(ok: bool, name: str, expected: str, hint: str | None = None) -> None:
        if not ok:
            raise out_of_range(name, values[name], expected, hint)

    _check_options(config, config)
    _check_masking(config, require)
    _check_model(config, require)
    _check_task(config.task, require)
    _check_duration(config, require)
    _check_phases(config, require)
    _check_mixture(config.corpus, require)
    _check_objectives(config, require)
    _check_rules(config.mesh)
    return config


def _check_options(section: Any, config: Config) -> None:
    """Lets each selected entry check that it fits the other keys."""
    for f in fields(section):
        value = getattr(section, f.name)
        if "selected" in f.metadata:
            value.check(config)
        elif is_dataclass(value):
            _check_options(value, config)


def _check_masking(config: Config, require: Require) -> None:
    left = 1 - config.masking.mask_share
    require(
        config.masking.random_share <= left,
        "masking.random_share",
        f"at most {left:g}, the share that masking.mask_share leaves",
    )


def _check_model(config: Config, require: Require) -> None:
    model = config.model
    require(
        model.hidden_size % model.num_heads == 0,
        "model.num_heads",
        f"a divisor of model.hidden_size, {model.hidden_size}",
    )
    length, name = config.instances.length, "instances.length"
    if config.task.name:
        length, name = config.task.length, "task.length"
    require(
        length <= model.max_position_embeddings,
        name,
        f"from 5 to model.max_position_embeddings, {model.max_position_embeddings}",
    )
    require(
        not config.probe.features or bool(config.optimizer.frozen),
        "optimizer.frozen",
        "not empty with probe.features",
        hint="--config.optimizer.frozen=^/bert/ keeps BERT as it is",
    )


def _check_task(task: TaskConfig, require: Require) -> None:
    require(
        not (task.folds and task.context == "document"),
        "task.folds",
        "0 with task.context=document, which keeps the sentences of a document together",
        hint="--config.task.context=sentence",
    )
    require(task.fold < max(task.folds, 1), "task.fold", f"below task.folds, {task.folds}")
    require(
        not (task.folds and task.validation_splits),
        "task.folds",
        "0 with task.validation_splits",
        hint="cross-validation evaluates on parts of task.train_split",
    )


def _check_duration(config: Config, require: Require) -> None:
    train, optimizer, task = config.train, config.optimizer, config.task
    require(
        not train.patience or config.evaluate.every != 0,
        "train.patience",
        "0 without evaluate.every",
        hint="--config.evaluate.every=-1 evaluates after each epoch",
    )
    budgets = [bool(budget) for budget in (train.epochs, train.tokens, train.flops)]
    require(
        sum(budgets) <= 1,
        "train.epochs",
        "0 with train.tokens or train.flops: only one of them may be set",
    )
    for name, budget in (("train.tokens", train.tokens), ("train.flops", train.flops)):
        require(not task.name or not budget, name, "0 for a task", hint="train.epochs, or steps")
    require(not task.name or train.replicas == 1, "train.replicas", "1 for a task")
    require(
        train.batch_size % train.replicas == 0,
        "train.replicas",
        f"a divisor of train.batch_size, {train.batch_size}",
    )
    rows = train.batch_size // train.replicas
    require(
        rows % train.accumulation == 0,
        "train.accumulation",
        f"a divisor of train.batch_size / train.replicas, {rows}",
    )
    if not any(budgets) and not optimizer.warmup_share:
        require(
            optimizer.warmup_steps <= train.steps,
            "optimizer.warmup_steps",
            f"at most train.steps, {train.steps}",
            hint="a tenth of the steps is usual",
        )


def _check_phases(config: Config, require: Require) -> None:
    phases, train, name = config.instances.phases, config.train, "instances.phases"
    if not phases:
        return
    require(
        all(_is_phase(phase) for phase in phases),
        name,
        "(length, batch size, steps) for each phase, whole numbers from 1",
        hint='--config.instances.phases="((128,256,900000),(512,256,100000))"',
    )
    require(not config.task.name, name, "empty for a task")
    require(
        not (train.epochs or train.tokens or train.flops),
        name,
        "empty with train.epochs, train.tokens or train.flops",
    )
    longest = config.model.max_position_embeddings
    require(
        all(5 <= length <= longest for length, _, _ in phases),
        name,
        f"lengths from 5 to model.max_position_embeddings, {longest}",
    )
    parts = train.replicas * train.accumulation
    require(
        all(rows % parts == 0 for _, rows, _ in phases),
        name,
        f"batch sizes that are multiples of train.replicas x train.accumulation, {parts}",
    )
    require(
        train.batch_size == phases[0][1],
        "train.batch_size",
        f"that of the first phase, {phases[0][1]}",
    )
    steps = sum(steps for _, _, steps in phases)
    require(
        steps == train.steps,
        name,
        f"steps that add up to train.steps, {train.steps}, and not {steps}",
        hint=f"--config.train.steps={steps}",
    )


def _is_phase(phase: Any) -> bool:
    return (
        isinstance(phase, tuple)
        and len(phase) == 3
        and all(isinstance(number, int) and number >= 1 for number in phase)
    )


def _check_mixture(corpus: CorpusConfig, require: Require) -> None:
    for part in corpus.mixture:
        require(
            _is_part(part),
            "corpus.mixture",
            "('wikipedia/20230601.en', 1.0) for each corpus, or with keys of its own "
            "('pg19', 2.0, {'text_feature': 'book_text'}); amounts above 0",
        )
    names = [part[0].replace("/", "-") for part in corpus.mixture]
    require(
        len(set(names)) == len(names), "corpus.mixture", "each corpus once", hint="a larger amount"
    )
    require(
        not (names and corpus.name),
        "corpus.name",
        "'' beside corpus.mixture",
        hint="--config.corpus.name=''",
    )


def _is_part(part: Any) -> bool:
    return (
        isinstance(part, tuple)
        and len(part) in (2, 3)
        and isinstance(part[0], str)
        and bool(part[0])
        and isinstance(part[1], int | float)
        and 0 < part[1] < float("inf")
        and all(isinstance(keys, dict) for keys in part[2:])
    )


def _check_objectives(config: Config, require: Require) -> None:
    objectives = set(config.objectives)
    require(bool(objectives), "objectives", "at least one objective, such as ('mlm', 'nsp')")
    require(not {"mlm", "lm"} <= objectives, "objectives", "'mlm' or 'lm', which read one head")
    if config.task.name:
        return
    for objective, kinds in INSTANCES_OF.items():
        require(
            objective not in objectives or config.instances.kind in kinds,
            "instances.kind",
            f"{' or '.join(repr(kind) for kind in kinds)} with the objective {objective!r}",
            hint="--config.objectives=mlm for other kinds",
        )


def _check_rules(mesh: MeshConfig) -> None:
    axes = {f.name for f in fields(mesh)} - {"rules"}
    for rule in mesh.rules:
        if not (isinstance(rule, tuple) and len(rule) == 2 and isinstance(rule[1], tuple)):
            raise UserError(
                "config.mesh.rules has an entry of the wrong form",
                found=repr(rule),
                expected="(regular expression, (axis or None for each dimension))",
            )
        check_pattern("mesh.rules", rule[0])
        for dimension in rule[1]:
            for axis in dimension if isinstance(dimension, tuple) else (dimension,):
                if axis is not None and axis not in axes:
                    raise UserError(
                        "config.mesh.rules names an axis that the mesh does not have",
                        found=repr(axis),
                        expected=f"None or one of {', '.join(sorted(axes))}",
                    )
