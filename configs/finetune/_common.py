"""Settings that all recipes of fine-tuning share."""

import ml_collections

from bert_jax.config import recipe


def fine_tuning(
    task: str, length: int, *, batch_size: int, epochs: float, learning_rate: float
) -> ml_collections.ConfigDict:
    """Returns a recipe that learns a task as the paper does, with a tenth of the steps as warm-up.

    Args:
        task: TFDS name of the data set.
        length: maximum number of tokens of an example.
        batch_size: examples per step.
        epochs: passes over the training examples.
        learning_rate: peak learning rate.
    """
    config = recipe()
    config.task.name = task
    config.task.length = length

    config.train.batch_size = batch_size
    config.train.epochs = epochs
    config.optimizer.learning_rate = learning_rate
    config.optimizer.warmup_share = 0.1

    config.evaluate.every = -1
    config.checkpoint.every = 0
    config.checkpoint.keep = 1
    config.log.every = 20
    return config
