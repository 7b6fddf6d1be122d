r"""The demo's model on two small tasks, beside the same model from scratch.

    make demo

runs, after the pretraining of configs/demo.py,

    python evaluate.py --config=configs/evaluate/demo.py --checkpoint=runs/demo \
        --workdir=runs/demo_tasks

Time: five to six minutes for `make demo` as a whole, on two CPU cores.
Expected: mean of accuracy and macro F1 between 0.6 and 0.9, with large deviations between seeds.
"""

import ml_collections

from configs.evaluate import glue


def get_config() -> ml_collections.ConfigDict:
    config = glue.get_config()
    config.protocol.tasks = ("documentation_packages", "documentation_pairs")
    config.protocol.from_scratch = True
    config.protocol.learning_rates = (1e-3,)
    config.protocol.seeds = 2
    config.task.data_dir = "runs/data"
    config.task.row_counts = 1
    config.model.hidden_dropout = 0.0
    config.model.attention_dropout = 0.0
    config.optimizer.name = "adamw"
    config.log.every = 20
    return config
