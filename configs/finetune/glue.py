r"""Fine-tuning on one task of GLUE (Devlin et al., 2018, section 4.1).

    python -m bert_jax prepare glue --input glue_data/ --data_dir=data
    python train.py --config=configs/finetune/glue.py:mrpc --workdir=runs/mrpc \
        --config.init_from=CHECKPOINT --config.task.data_dir=data

The argument behind the colon is the task: cola, sst2, mrpc, qqp, stsb, mnli, qnli, rte or wnli.
Batch 32 and 3 epochs. The paper selects the best of the learning rates 5e-5, 4e-5, 3e-5 and 2e-5 on
the development set, as configs/evaluate/glue.py does; this is a single run at 5e-5.

Published, BERT-base on the test sets: CoLA 52.1, SST-2 93.5, MRPC 88.9 (F1), STS-B 85.8, QQP 71.2
(F1), MNLI 84.6/83.4, QNLI 90.5, RTE 66.4 (table 1 of the paper).
Here: measured with a MiniLM beside Hugging Face's Trainer only (docs/measurements.md).
"""

import ml_collections

from configs.finetune._common import fine_tuning


def get_config(task: str = "mrpc") -> ml_collections.ConfigDict:
    return fine_tuning(f"glue/{task}", 128, batch_size=32, epochs=3.0, learning_rate=5e-5)
