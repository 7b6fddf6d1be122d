"""Learning a task: labelled examples packed into rows, and validation splits to score on."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
from jax.sharding import Mesh
from rich.console import Console

from bert_jax.batching import Batch
from bert_jax.checkpoint.pretrained import Pretrained
from bert_jax.config import Config
from bert_jax.errors import UserError, unknown_name
from bert_jax.model.heads import LABELLED
from bert_jax.objectives import OBJECTIVES, OF_KIND
from bert_jax.parallel import mesh as meshes
from bert_jax.tasks import answers, entities, folds, metrics, tokenised
from bert_jax.tasks.answers import Answers
from bert_jax.tasks.glue import TASKS
from bert_jax.tasks.inputs import inputs_of
from bert_jax.tasks.packed import Packed, shuffled
from bert_jax.tasks.predictions import Predictions, check_metrics, score, usual_metrics
from bert_jax.tasks.tokenised import TokenisedTask
from bert_jax.training.plan import make_plan
from bert_jax.training.predicting import Predictor
from bert_jax.training.vocabularies import prepare_vocabulary

_METRICS = (*metrics.METRICS, *entities.METRICS, *answers.METRICS_WITH_UNANSWERABLE)


def validation_splits(config: Config) -> tuple[str, ...]:
    """The splits that a recipe scores on; of cross-validation it is one part of the training
    split."""
    if config.task.folds:
        return (folds.NAME,)
    glue = TASKS.get(config.task.name.removeprefix("glue/"))
    return config.task.validation_splits or (glue.validation if glue else ("validation",))


def scored_splits(
    config: Config, opened: Callable[[str], TokenisedTask]
) -> dict[str, TokenisedTask]:
    """The splits that a recipe scores on, of those that `opened` gives."""
    if config.task.folds:
        return {
            folds.NAME: folds.of_folds(
                opened(config.task.train_split), config.task.folds, config.task.fold
            )[1]
        }
    return {split: opened(split) for split in validation_splits(config)}


def metrics_of(config: Config, task: TokenisedTask) -> tuple[str, ...]:
    """The metrics that a recipe scores a task by."""
    glue = TASKS.get(config.task.name.removeprefix("glue/"))
    return config.task.metrics or (glue.metrics if glue else usual_metrics(task))


def counted(config: Config, scores: dict[str, float]) -> str:
    """The name of the score that counts: of the first validation split the mean of the metrics, or
    the first one."""
    split = validation_splits(config)[0]
    names = [name for name in scores if name.startswith(f"{split}/") and name != f"{split}/loss"]
    return f"{split}/mean" if f"{split}/mean" in names else names[0]


def unpacked_shapes(config: Config, choices: int = 4) -> dict[str, jax.ShapeDtypeStruct]:
    """The shapes of a task's batches if each example has a row to itself: packed, there are fewer
    rows.

    Args:
        config: whose objective is that of the task.
        choices: of a question, where there are some: as many as in SWAG.
    """
    (objective,) = config.objectives
    pairs = choices if objective == "choice" else 1
    of_tokens, of_pairs = (config.task.length * pairs,), (pairs,)
    labels = {"tag": of_tokens, "span": (1, 2), "multilabel": (1, config.model.num_labels)}.get(
        objective, (1,)
    )
    shapes = dict.fromkeys(
        ("input_ids", "token_type_ids", "position_ids", "segment_ids"), (of_tokens, np.int32)
    )
    shapes |= dict(
        example_positions=(of_pairs, np.int32),
        example_weights=(of_pairs, np.float32),
        labels=(labels, dict(regression=np.float32, multilabel=np.bool_).get(objective, np.int32)),
    )
    if objective == "tag":
        shapes["label_weights"] = (of_tokens, np.float32)
    return {
        name: jax.ShapeDtypeStruct((config.train.batch_size, *shape), dtype)
        for name, (shape, dtype) in shapes.items()
    }


class TaskData:
    """Vocabulary and tokenised splits of a run on a task, made if they are not there.

    Args:
        recipe: the recipe.
        workdir: of the run; gets the vocabulary, and the tokenised task unless `task.cache_dir`
            does.
        source: the checkpoint that a new run starts from; None if there is none.
        progress: show it on a terminal.

    Raises:
        UserError: the data is not there, has no labels, or its splits do not fit each other.
    """

    def __init__(self, recipe: Config, workdir: Path, source: Pretrained | None, progress: bool):
        self.vocabulary = prepare_vocabulary(recipe, workdir, source)
        directory = Path(recipe.task.cache_dir) if recipe.task.cache_dir else workdir / "task"

        def opened(split: str) -> TokenisedTask:
            return tokenised.open_or_make(
                directory, recipe.task, split, self.vocabulary, recipe.tokenizer
            )

        self.train, self.scored = opened(recipe.task.train_split), scored_splits(recipe, opened)
        if recipe.task.folds:
            self.train, _ = folds.of_folds(self.train, recipe.task.folds, recipe.task.fold)
        splits = {recipe.task.train_split: self.train, **self.scored}
        for split, task in splits.items():
            if task.hidden:
                raise UserError(
                    f"the split {split!r} of {recipe.task.name} has no labels",
                    found="hidden ones",
                    expected="labels to learn from, or to score with",
                    hint="another --config.task.train_split or --config.task.validation_splits",
                )
            tokenised.check_same_labels(self.train, task, (recipe.task.train_split, split))
        check_metrics(self.train, recipe.task.metrics)
        self.manifests = self.sources = {split: task.source for split, task in splits.items()}

    @staticmethod
    def check(recipe: Config, mesh: Mesh) -> None:
        """Raises a UserError for what can be known to be wrong before any data is prepared; any
        mesh will do."""
        if not (recipe.init_from or recipe.tokenizer.vocab_file):
            raise UserError(
                "a task needs a vocabulary",
                found="neither config.init_from nor config.tokenizer.vocab_file",
                expected="a checkpoint to start from, or the vocabulary of a model that starts at "
                "random",
                hint="--config.init_from=PATH",
            )
        for name in recipe.task.metrics:
            if name not in _METRICS:
                raise unknown_name(
                    "config.task.metrics names a metric that does not exist", name, _METRICS
                )

    def workload(self, recipe: Config, mesh: Mesh, console: Console) -> "TaskWorkload":
        """Packs the examples of every step into rows.

        Raises:
            UserError: warm-up is longer than the run.
        """
        return TaskWorkload(self, recipe, mesh)


class TaskWorkload:
    """Labelled examples packed into rows, and validation splits to score on.

    Args:
        data: the tokenised splits.
        recipe: the recipe.
        mesh: the devices.
    """

    def __init__(self, data: TaskData, recipe: Config, mesh: Mesh):
        self._data, self._recipe, self._mesh = data, recipe, mesh
        self._train, self._scored = data.train, data.scored
        task, train = self._train, recipe.train
        self._inputs = inputs = inputs_of(task, recipe.task)
        objective = OF_KIND[task.kind]
        labels = max(len(task.label_names), 1) if OBJECTIVES[objective].HEAD in LABELLED else 0
        self.plan = make_plan(
            recipe,
            len(inputs),
            vocab_size=len(data.vocabulary),
            objectives=(objective,),
            num_labels=labels,
        )
        multiple = meshes.row_shards(mesh) * train.accumulation
        chosen = shuffled(len(inputs), train.batch_size, self.plan.steps, recipe.seed)
        self._packed = Packed(inputs, chosen, data.vocabulary, recipe.task.row_counts, multiple)
        self._host_rows = {rows: meshes.host_rows(mesh, rows) for rows in self._packed.counts}

    def shapes(self) -> dict[tuple[int, int], dict[str, jax.ShapeDtypeStruct]]:
        """The shapes in which batches come, by rows and tokens."""
        of_first = self._packed.batch(0)[0]
        return {
            (rows, self._inputs.row_length): {
                name: jax.ShapeDtypeStruct((rows, *x.shape[1:]), x.dtype)
                for name, x in of_first.items()
            }
            for rows in self._packed.counts
        }

    def steps_by_shape(self) -> dict[tuple[int, int], np.ndarray]:
        """The steps whose batches have a shape, int64."""
        return {
            (rows, self._inputs.row_length): np.flatnonzero(self._packed.rows == rows)
            for rows in np.unique(self._packed.rows).tolist()
        }

    def batch(self, step: int) -> tuple[tuple[int, int], Batch]:
        """Rows and tokens of a step's batch, and those of its rows that this host prepares."""
        batch, *_ = self._packed.batch(step)
        rows = int(self._packed.rows[step])
        return (rows, self._inputs.row_length), {
            name: x[self._host_rows[rows]] for name, x in batch.items()
        }

    def evaluator(self, params_sharding) -> "TaskEvaluator":
        predict = Predictor(self.plan, self._data.vocabulary, self._mesh, params_sharding)
        return TaskEvaluator(self._scored, self._recipe, predict)

    def metadata(self) -> dict:
        """Returns the metadata of the task that a checkpoint keeps, for predictions with it."""
        return dict(
            labels=list(self._train.label_names),
            kind=self._train.kind,
            length=self._recipe.task.length,
        )

    def baselines(self) -> dict[str, float]:
        """Returns the scores of a guess without learning: the most frequent class or the mean of
        the training split, or no answer to any question."""
        kind, labels, found = self._train.kind, self._train.known_labels, {}
        guess = {
            "regression": lambda: labels.mean(),
            "multilabel": lambda: labels.mean(axis=0) > 0.5,
            "span": lambda: "",
        }.get(kind, lambda: np.bincount(labels).argmax())()
        for split, task in self._scored.items():
            names = metrics_of(self._recipe, task)
            scores = (
                answers.unanswered(task).score(names)
                if kind == "span"
                else score(task, np.broadcast_to(guess, task.known_labels.shape), names)
            )
            found |= {f"{split}/{name}": value for name, value in scores.items()}
        return found

    def description(self) -> dict[str, str]:
        """Returns the lines of the start-up summary on the data, by title."""
        task, config = self._train, self._recipe
        held_out = ", ".join(
            f"{len(scored):,} of {split}" for split, scored in self._scored.items()
        )
        names = ", ".join((*task.label_names[:6], *["..."] * (len(task.label_names) > 6)))
        what = dict(
            regression="numbers",
            span=" or ".join(task.label_names),
            choice=f"one of {task.choices}",
        )
        labels = what.get(task.kind, f"{len(task.label_names)} classes ({names})")
        inputs, loses = self._inputs, "questions" if task.kind == "span" else "texts"
        windows = f" in {len(inputs):,} windows" if len(inputs) != len(task) else ""
        cut = f"; {inputs.truncated:,} lose tokens of their {loses}" if inputs.truncated else ""
        source = config.task.train_split
        if config.task.folds:
            source += f", all but fold {config.task.fold} of {config.task.folds}"
        return {
            "task": f"{config.task.name}, {task.kind}: {labels}",
            "data": f"{len(task):,} examples of {source}{windows}{cut}; scored on {held_out}",
            "batch": f"{config.train.batch_size} {'windows' if windows else 'examples'} in "
            f"{' or '.join(map(str, self._packed.counts))} rows of {inputs.row_length} tokens",
        }


class TaskEvaluator:
    """Splits by their names, to be scored by a recipe's metrics."""

    def __init__(self, splits: dict[str, TokenisedTask], config: Config, predict: Predictor):
        self._splits, self._config, self._predict = splits, config, predict
        self.examples = sum(map(len, splits.values()))
        self.predictions: dict[str, Predictions | Answers] = {}

    def score(self, params) -> dict[str, float]:
        """The metrics of each split, 'SPLIT/METRIC', and its loss, unless its labels are hidden;
        keeps the predictions."""
        found = {}
        for split, task in self._splits.items():
            self.predictions[split] = said = self._predict(params, task)
            if task.hidden:
                continue
            found[f"{split}/loss"] = said.loss
            scores = said.score(metrics_of(self._config, task))
            found |= {f"{split}/{name}": value for name, value in scores.items()}
        return found | dict(examples=self.examples)

    def selection_score(self, scores: dict[str, float]) -> float:
        """Returns the score by which runs and steps are selected; larger is better."""
        return scores[counted(self._config, scores)]

    def write(self, directory: Path, tune: bool = True) -> None:
        """Writes what the last `score` predicted, a JSON object an example, as `SPLIT.jsonl`, and
        answers also in the files that SQuAD's official scorers read, `SPLIT.predictions.json` and
        others.

        Args:
            directory: is made if it is not there.
            tune: where there may be no answer, decide by the threshold that is best on the first
                split.
        """
        directory.mkdir(exist_ok=True)
        threshold = None
        for split, predictions in self.predictions.items():
            if isinstance(predictions, Answers):
                if tune and threshold is None:
                    threshold = predictions.best_threshold()
                if tune:
                    predictions = dataclasses.replace(predictions, threshold=threshold)
                for name, values in predictions.official_files().items():
                    (directory / f"{split}.{name}.json").write_text(
                        json.dumps(values, indent=1) + "\n"
                    )
            lines = (json.dumps(line) + "\n" for line in predictions.lines())
            (directory / f"{split}.jsonl").write_text("".join(lines))
