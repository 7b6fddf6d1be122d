"""What a recipe's values may be: their types, their ranges, and which of them have to fit each other."""

import dataclasses
import re
from collections.abc import Callable
from typing import NoReturn

from bert_jax.errors import UserError


def at(config, name: str):
    """The value of a dotted key."""
    for part in name.split("."):
        config = getattr(config, part)
    return config


def build(cls, values: dict, unknown_key: Callable[[str], NoReturn], prefix: str = ""):
    """A dataclass of a config from nested plain values; missing keys take their defaults.

    Args:
        cls: its sections are dataclasses too.
        unknown_key: raises the error of a dotted key that is none.
        prefix: of the dotted keys.

    Raises:
        UserError: a key is unknown, or a value of the wrong type.
    """
    declared = {f.name: f for f in dataclasses.fields(cls)}
    built = {}
    for name, value in values.items():
        if name not in declared:
            unknown_key(prefix + name)
        f, path = declared[name], prefix + name
        if not dataclasses.is_dataclass(f.type):
            built[name] = _typed(f, path, value)
        elif isinstance(value, dict):
            built[name] = build(f.type, value, unknown_key, path + ".")
        else:
            raise UserError(f"config.{path} has the wrong type", found=repr(value), expected="a section of keys")
    return cls(**built)


def _typed(f: dataclasses.Field, path: str, value):
    want, choices = f.type, f.metadata["choices"]
    if want is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if want is tuple and isinstance(value, list | tuple):
        value = _tuples(value)
    if not isinstance(value, want) or (want is int and isinstance(value, bool)):
        raise UserError(f"config.{path} has the wrong type", found=repr(value), expected=f"a value like {f.default!r}")
    if choices and value not in choices:
        raise UserError(
            f"config.{path} has a value that is not known",
            found=repr(value),
            expected=f"one of {', '.join(repr(c) for c in choices)}",
        )
    return value


def _tuples(value):
    return tuple(_tuples(v) for v in value) if isinstance(value, list | tuple) else value


def check(config, declared: dict[str, dataclasses.Field]) -> None:
    """Raises a UserError that names the first key whose value is out of range or does not fit another's.

    Args:
        config: a `bert_jax.config.Config`.
        declared: its keys, dotted, with the fields that declare them.
    """
    def require(ok: bool, name: str, expected: str, hint: str | None = None):
        if not ok:
            raise UserError(f"config.{name} is out of range", found=repr(at(config, name)), expected=expected,
                            hint=hint)

    model, instances, masking, optimizer, train = (
        config.model, config.instances, config.masking, config.optimizer, config.train)
    for name, f in declared.items():
        value = at(config, name)
        if f.type is float:
            require(value >= 0, name, "a number that is not negative")
        if f.type is int and name not in ("seed", "evaluate.seed", "evaluate.every", "checkpoint.every", "mesh.data"):
            require(value >= 0, name, "a number that is not negative")
    for name in ("model.hidden_size", "model.num_layers", "model.num_heads", "model.intermediate_size",
                 "model.max_position_embeddings", "model.type_vocab_size", "model.lstm_layers", "model.lstm_size",
                 "train.steps", "train.batch_size", "train.accumulation", "train.replicas", "task.row_counts",
                 "task.max_question_length", "task.max_answer_length", "task.n_best", "log.every", "checkpoint.keep",
                 "log.profile_steps", "masking.max_predictions", "masking.span_longest",
                 "compute.vocab_multiple", "compute.prefetch", "compute.data_threads",
                 "tokenizer.vocab_size", "tokenizer.vocab_characters", "tokenizer.max_chars_per_word", "mesh.slice",
                 "mesh.fsdp", "mesh.tensor"):
        require(at(config, name) >= 1, name, "at least 1")
    for name in ("model.hidden_dropout", "model.attention_dropout", "model.classifier_dropout"):
        require(at(config, name) < 1, name, "a rate from 0 to below 1")
    require(optimizer.ema_decay < 1, "optimizer.ema_decay", "a decay below 1, or 0 for none")
    require(optimizer.layer_decay > 0, "optimizer.layer_decay", "a share above 0; 1 for none")
    for name in ("optimizer.warmup_share", "optimizer.decay_share", "optimizer.final_share", "optimizer.layer_decay",
                 "instances.short_rate", "instances.random_next_rate", "masking.mask_share", "masking.random_share"):
        require(at(config, name) <= 1, name, "a share from 0 to 1")
    require(0 < masking.rate < 1, "masking.rate", "a share between 0 and 1")
    require(masking.final_rate < 1, "masking.final_rate", "a share below 1, or 0 for none")
    require(masking.span_p < 1, "masking.span_p", "a parameter below 1, or 0 for no spans")
    require(not masking.span_p or masking.draw == "exact", "masking.draw", "'exact' with spans")
    require(masking.mask_share + masking.random_share <= 1, "masking.random_share",
            f"at most {1 - masking.mask_share:g}, what masking.mask_share leaves")
    require(model.hidden_size % model.num_heads == 0, "model.num_heads",
            f"a divisor of model.hidden_size, {model.hidden_size}")
    length, of = (config.task, "task.length") if config.task.name else (instances, "instances.length")
    require(5 <= length.length <= model.max_position_embeddings, of,
            f"from 5 to model.max_position_embeddings, {model.max_position_embeddings}")
    check_phases(config, require)
    check_mixture(config.corpus, require)
    require(not (config.task.folds and config.task.context == "document"), "task.folds",
            "0 with windows over documents, whose sentences stay together", hint="--config.task.context=sentence")
    require(config.task.folds != 1, "task.folds", "at least 2, or 0 for none")
    require(config.task.fold < max(config.task.folds, 1), "task.fold", f"below task.folds, {config.task.folds}")
    require(not (config.task.folds and config.task.validation_splits), "task.folds", "0 with task.validation_splits",
            hint="parts of task.train_split are what is scored on")
    require(config.protocol.folds != 1, "protocol.folds", "at least 2, or 0 for none")
    require(not train.patience or config.evaluate.every, "train.patience", "0 without evaluate.every",
            hint="--config.evaluate.every=-1 evaluates after each epoch")
    require(sum(map(bool, (train.epochs, train.tokens, train.flops))) <= 1, "train.epochs",
            "0 with train.tokens or train.flops, of which one alone may be set")
    for name in ("train.tokens", "train.flops"):
        require(not config.task.name or not at(config, name), name, "0 for a task", hint="train.epochs, or train.steps")
    require(not config.task.name or train.replicas == 1, "train.replicas", "1 for a task")
    require(train.batch_size % train.replicas == 0, "train.replicas",
            f"a divisor of train.batch_size, {train.batch_size}")
    require(train.batch_size // train.replicas % train.accumulation == 0, "train.accumulation",
            f"a divisor of train.batch_size / train.replicas, {train.batch_size // train.replicas}")
    if not (train.epochs or train.tokens or train.flops or optimizer.warmup_share):
        require(optimizer.warmup_steps <= train.steps, "optimizer.warmup_steps",
                f"at most train.steps, {train.steps}", hint="a tenth of the steps is usual")
    require(not config.model.features or optimizer.frozen, "optimizer.frozen", "not empty with model.features",
            hint="--config.optimizer.frozen=\"(r'^/bert/',)\" keeps BERT as it is")
    for name in ("evaluate.every", "checkpoint.every"):
        require(at(config, name) >= -1, name, "a number of steps, or -1 for an epoch")
    require(config.mesh.data >= 1 or config.mesh.data == -1, "mesh.data", "at least 1, or -1 for all that is left")
    for name in ("optimizer.decay_exclude", "optimizer.trust_exclude", "optimizer.frozen", "mesh.rules"):
        for rule in at(config, name):
            try:
                re.compile(rule[0] if name == "mesh.rules" else rule)
            except (re.error, TypeError, IndexError) as error:
                raise UserError(f"config.{name} has an entry that is no regular expression", found=f"{rule!r}: {error}",
                                expected="expressions such as r'/bias$'") from None
    known = {f.name for f in dataclasses.fields(config.mesh)} - {"rules"}
    for rule in config.mesh.rules:
        for axis in rule[1]:
            for one in axis if isinstance(axis, tuple) else (axis,):
                if one is not None and one not in known:
                    raise UserError("config.mesh.rules names an axis that the mesh does not have", found=repr(one),
                                    expected=f"None or one of {', '.join(sorted(known))}")
    require(not {"mlm", "lm"} <= set(config.objectives), "objectives", "'mlm' or 'lm', which read one head")
    kinds = dict(nsp=("segment_pair", "sentence_pair"), sop=("sentence_order",))
    for objective in () if config.task.name else set(kinds) & set(config.objectives):
        require(instances.kind in kinds[objective], "instances.kind",
                f"{' or '.join(map(repr, kinds[objective]))} with the objective {objective!r}",
                hint="--config.objectives=\"('mlm',)\" for other kinds")
    require(len(config.objectives) > 0, "objectives", "at least one objective, such as ('mlm', 'nsp')")


def check_mixture(corpus, require) -> None:
    """What `corpus.mixture` has to be."""
    for part in corpus.mixture:
        shaped = (isinstance(part, tuple) and len(part) in (2, 3) and isinstance(part[0], str) and part[0]
                  and isinstance(part[1], int | float) and part[1] > 0 and all(isinstance(x, dict) for x in part[2:]))
        require(shaped, "corpus.mixture", "('wikipedia/20230601.en', 1.0) for each corpus, or with keys of its own "
                "('pg19', 2.0, {'text_feature': 'book_text'}); amounts above 0")
    names = [part[0].replace("/", "-") for part in corpus.mixture]
    require(len(set(names)) == len(names), "corpus.mixture", "each corpus once", hint="a larger amount")
    require(not (names and corpus.name), "corpus.name", "'' beside corpus.mixture", hint="--config.corpus.name=''")


def check_phases(config, require) -> None:
    """What `instances.phases` has to be."""
    phases, train = config.instances.phases, config.train
    if not phases:
        return
    name = "instances.phases"
    require(all(isinstance(phase, tuple) and len(phase) == 3 and all(isinstance(n, int) and n >= 1 for n in phase)
                for phase in phases), name, "(length, batch size, steps) each, whole numbers from 1")
    require(not config.task.name, name, "empty for a task")
    require(not (train.epochs or train.tokens or train.flops), name,
            "empty with train.epochs, train.tokens or train.flops")
    longest = config.model.max_position_embeddings
    require(all(5 <= length <= longest for length, _, _ in phases), name,
            f"lengths from 5 to model.max_position_embeddings, {longest}")
    parts = train.replicas * train.accumulation
    require(all(rows % parts == 0 for _, rows, _ in phases), name,
            f"batch sizes that train.replicas x train.accumulation, {parts}, divides")
    require(train.batch_size == phases[0][1], "train.batch_size", f"that of the first phase, {phases[0][1]}")
    steps = sum(steps for _, _, steps in phases)
    require(steps == train.steps, name, f"steps that make train.steps, {train.steps}, and not {steps}",
            hint=f"--config.train.steps={steps}")
