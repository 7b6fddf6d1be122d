r"""SWAG by the paper's protocol (Devlin et al., 2018, section 4.4).

    python -m bert_jax prepare choice --train train.csv --validation val.csv --name=swag \
        --data_dir=data
    python evaluate.py --config=configs/evaluate/swag.py --checkpoint=CHECKPOINT \
        --workdir=runs/swag --config.task.data_dir=data [--tasks=swag] \
        [--config.protocol.seeds=5]

The one setting is that of configs/finetune/swag.py.

Published: see configs/finetune/swag.py.
Here: not run on SWAG.
"""

import ml_collections

from configs.evaluate._common import one_setting
from configs.finetune import swag


def get_config() -> ml_collections.ConfigDict:
    return one_setting(swag.get_config())
