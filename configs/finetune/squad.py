r"""Fine-tuning on SQuAD by the paper's recipes (Devlin et al., 2018, sections 4.2 and 4.3).

    python -m bert_jax prepare squad --train train-v1.1.json --validation dev-v1.1.json \
        --name=squad1 --data_dir=data
    python train.py --config=configs/finetune/squad.py --workdir=runs/squad1 \
        --config.init_from=CHECKPOINT --config.task.name=squad1 --config.task.data_dir=data

SQuAD 1.1: 3 epochs at 5e-5, batch 32. `squad.py:2.0`: 2 epochs at 5e-5, batch 48; a threshold that
is tuned on the development set decides whether a question has an answer. TFDS's own `squad/v1.1`
and `squad/v2.0` can be used as well. Windows of 384 tokens, 128 apart, and questions of at most 64
are those of Google's code.

To fine-tune on TriviaQA first, convert it to SQuAD's format by its authors' code, train on that by
this recipe, and start from there with --config.init_from=runs/triviaqa.

Published, exact match and F1 on the development sets: SQuAD 1.1 BERT-base 80.8 and 88.5, BERT-large
84.1 and 90.9, after TriviaQA 84.2 and 91.1; SQuAD 2.0 BERT-large 78.7 and 81.9.
Here: not run on the whole training sets; measured on a tenth with a MiniLM (docs/measurements.md).
"""

import ml_collections

from configs.finetune._common import fine_tuning

RECIPES = {"1.1": dict(epochs=3.0, batch_size=32), "2.0": dict(epochs=2.0, batch_size=48)}


def get_config(version: str = "1.1") -> ml_collections.ConfigDict:
    config = fine_tuning(f"squad/v{version}", 384, **RECIPES[version], learning_rate=5e-5)
    config.objectives = ("span",)
    config.evaluate.every = 0
    config.checkpoint.every = 1000
    return config
