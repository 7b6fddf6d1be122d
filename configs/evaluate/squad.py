r"""SQuAD by the paper's protocol (Devlin et al., 2018, sections 4.2 and 4.3).

    python -m bert_jax prepare squad --train train-v1.1.json --validation dev-v1.1.json \
        --name=squad1 --data_dir=data
    python evaluate.py --config=configs/evaluate/squad.py --checkpoint=CHECKPOINT \
        --workdir=runs/squad1 --config.task.data_dir=data --tasks=squad1 \
        [--config.protocol.seeds=5]

The one setting is that of configs/finetune/squad.py; `squad.py:2.0` is that of SQuAD 2.0. The best
run's `predictions/` contains the files that the official scorers read.

Published: see configs/finetune/squad.py.
Here: not run on the whole training sets.
"""

import ml_collections

from configs.evaluate._common import one_setting
from configs.finetune import squad


def get_config(version: str = "1.1") -> ml_collections.ConfigDict:
    return one_setting(squad.get_config(version))
