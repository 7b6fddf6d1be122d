r"""Fine-tuning on SWAG by the paper's recipe (Devlin et al., 2018, section 4.4).

    python -m bert_jax prepare choice --train train.csv --validation val.csv --name=swag \
        --data_dir=data
    python train.py --config=configs/finetune/swag.py --workdir=runs/swag \
        --config.init_from=CHECKPOINT --config.task.name=swag --config.task.data_dir=data

3 epochs at 2e-5, batch 16.

Published, accuracy: BERT-base 81.6 on the development set; BERT-large 86.6 on the development set
and 86.3 on the test set.
Here: not run on SWAG.
"""

import ml_collections

from configs.finetune._common import fine_tuning


def get_config() -> ml_collections.ConfigDict:
    config = fine_tuning("swag", 128, batch_size=16, epochs=3.0, learning_rate=2e-5)
    config.objectives = ("choice",)
    return config
