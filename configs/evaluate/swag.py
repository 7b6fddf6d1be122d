"""SWAG by the paper's protocol (Devlin et al., 2018, section 4.4): one setting, as in configs/finetune/swag.py.

    python -m bert_jax prepare choice --train train.csv --validation val.csv --name=swag --data_dir=data
    python evaluate.py --config=configs/evaluate/swag.py --checkpoint=CHECKPOINT --workdir=runs/swag \\
        --config.task.data_dir=data [--tasks=swag] [--config.protocol.seeds=5]
"""

from configs.evaluate._common import one_setting
from configs.finetune import swag


def get_config():
    return one_setting(swag.get_config())
