"""Protocol of a single setting."""

import ml_collections


def one_setting(config: ml_collections.ConfigDict) -> ml_collections.ConfigDict:
    """Returns a recipe of one task with a protocol of one setting: the recipe's own batch size,
    epochs and learning rate."""
    config.log.sinks = ()
    config.protocol.tasks = (config.task.name,)
    config.protocol.batch_sizes = (config.train.batch_size,)
    config.protocol.epochs = (config.train.epochs,)
    config.protocol.learning_rates = (config.optimizer.learning_rate,)
    return config
