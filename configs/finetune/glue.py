"""Fine-tuning on a task of GLUE, one run: batch 32, 3 epochs (Devlin et al., 2018, section 4.1).

    python -m bert_jax prepare glue --input glue_data/ --data_dir=data
    python train.py --config=configs/finetune/glue.py:mrpc --workdir=runs/mrpc \
        --config.init_from=CHECKPOINT --config.task.data_dir=data

The task stands behind the colon: cola, sst2, mrpc, qqp, stsb, mnli, qnli, rte or wnli. The paper takes the best of the
learning rates 5e-5, 4e-5, 3e-5 and 2e-5 on the development set.
"""

from configs.finetune._common import fine_tuning


def get_config(task: str = "mrpc"):
    return fine_tuning(f"glue/{task}", 128, batch_size=32, epochs=3.0, learning_rate=5e-5)
