"""What the protocols of single tasks share."""

import ml_collections


def one_setting(config: ml_collections.ConfigDict) -> ml_collections.ConfigDict:
    """A recipe of one task, with its own batch size, epochs and learning rate as the only setting of its protocol."""
    config.log.tensorboard = False
    config.protocol.tasks = (config.task.name,)
    config.protocol.batch_sizes = (config.train.batch_size,)
    config.protocol.epochs = (config.train.epochs,)
    config.protocol.learning_rates = (config.optimizer.learning_rate,)
    return config
