"""Fine-tuning on a task of GLUE, one run: batch 32, 3 epochs (Devlin et al., 2018, section 4.1).

    python -m bert_jax prepare glue --input glue_data/ --data_dir=data
    python train.py --config=configs/finetune/glue.py:mrpc --workdir=runs/mrpc \
        --config.init_from=CHECKPOINT --config.task.data_dir=data

The task stands behind the colon: cola, sst2, mrpc, qqp, stsb, mnli, qnli, rte or wnli. The paper takes the best of the
learning rates 5e-5, 4e-5, 3e-5 and 2e-5 on the development set.
"""

from bert_jax.config import recipe


def get_config(task: str = "mrpc"):
    config = recipe()
    config.task.name = f"glue/{task}"
    config.task.length = 128

    config.train.epochs = 3.0
    config.train.batch_size = 32
    config.optimizer.learning_rate = 5e-5
    config.optimizer.warmup_share = 0.1

    config.evaluate.every = -1
    config.checkpoint.every = 0
    config.checkpoint.keep = 1
    config.log.every = 20
    return config
