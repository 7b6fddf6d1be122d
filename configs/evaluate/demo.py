"""The demo's model on two tasks of the documentation that it has read, beside the same model from scratch.

    make demo

which runs, after the pretraining of configs/demo.py,

    python evaluate.py --config=configs/evaluate/demo.py --checkpoint=runs/demo --workdir=runs/demo_tasks
"""

from bert_jax.config import recipe


def get_config():
    config = recipe()
    config.protocol.tasks = ("documentation_packages", "documentation_pairs")
    config.protocol.from_scratch = True
    config.protocol.learning_rates = (1e-3,)
    config.protocol.batch_sizes = (32,)
    config.protocol.epochs = (3.0,)
    config.protocol.seeds = 2
    config.task.data_dir = "runs/data"
    config.task.length = 128
    config.task.row_counts = 1
    config.model.hidden_dropout = 0.0
    config.model.attention_dropout = 0.0
    config.optimizer.name = "adamw"
    config.optimizer.warmup_share = 0.1
    config.evaluate.every = -1
    config.checkpoint.every = 0
    config.checkpoint.keep = 1
    config.log.every = 20
    config.log.tensorboard = False
    return config
