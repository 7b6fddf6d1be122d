r"""GLUE by the paper's protocol (Devlin et al., 2018, section 4.1).

    python -m bert_jax prepare glue --input glue_data/ --data_dir=data
    python evaluate.py --config=configs/evaluate/glue.py --checkpoint=CHECKPOINT \
        --workdir=runs/glue --config.task.data_dir=data [--tasks=mrpc,rte] [--dry_run]

Batch 32 and 3 epochs; the best of four learning rates is selected on the development set. WNLI is
left out, as in the paper. For BERT-large, which sometimes fails to learn small tasks, the paper
restarts several times: `--config.protocol.seeds=5`.

`glue.py:a3` is the grid of the paper's appendix A.3: batch 16 and 32; learning rates 5e-5, 3e-5 and
2e-5; 2, 3 and 4 epochs. `glue.py:small` is the grid of Turc et al. (2019) for small models: batch
8, 16, 32, 64 and 128; learning rates 3e-4, 1e-4, 5e-5 and 3e-5; 4 epochs.

Published, on the test sets (table 1 of the paper), average without WNLI: BERT-base 79.6, BERT-large
82.1.
Here: not run as a whole; MNLI, QQP, QNLI and RTE were not at hand.
"""

import ml_collections

from bert_jax.config import recipe

GRIDS = {
    "paper": dict(batch_sizes=(32,), epochs=(3.0,), learning_rates=(5e-5, 4e-5, 3e-5, 2e-5)),
    "a3": dict(batch_sizes=(16, 32), epochs=(2.0, 3.0, 4.0), learning_rates=(5e-5, 3e-5, 2e-5)),
    "small": dict(
        batch_sizes=(8, 16, 32, 64, 128), epochs=(4.0,), learning_rates=(3e-4, 1e-4, 5e-5, 3e-5)
    ),
}


def get_config(grid: str = "paper") -> ml_collections.ConfigDict:
    config = recipe()
    config.protocol.tasks = ("cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte")
    config.protocol.update(GRIDS[grid])
    config.task.length = 128
    config.optimizer.warmup_share = 0.1
    config.evaluate.every = -1
    config.checkpoint.every = 0
    config.checkpoint.keep = 1
    config.log.every = 50
    config.log.sinks = ()
    return config
