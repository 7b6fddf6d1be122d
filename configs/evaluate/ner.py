r"""Named entities by the paper's protocol (Devlin et al., 2018, section 5.3), with five seeds.

    python -m bert_jax prepare ner --train eng.train --validation eng.testa --test eng.testb \
        --name=conll2003 --data_dir=data
    python evaluate.py --config=configs/evaluate/ner.py --checkpoint=CASED_CHECKPOINT \
        --workdir=runs/conll2003 --config.task.data_dir=data [--tasks=conll2003]

The grid is that of appendix A.3: batch 16 and 32; learning rates 5e-5, 3e-5 and 2e-5; 2, 3 and 4
epochs. The paper does not say what an example of a batch is. With `ner.py:sentence` it is a
sentence; by default it is a window of 512 tokens, and batches of 4 and 8 hold about as many words.
`ner.py:features-KIND` has the one setting of configs/finetune/ner.py.

The validation split selects the setting. To score the best run on the test split:

    python evaluate.py --checkpoint=runs/conll2003/BEST --workdir=runs/test \
        --config.task.validation_splits=test

Published: see configs/finetune/ner.py.
Here: not run on CoNLL-2003.
"""

import ml_collections

from configs.evaluate._common import one_setting
from configs.finetune import ner


def get_config(variant: str = "document") -> ml_collections.ConfigDict:
    config = one_setting(ner.get_config(variant))
    config.protocol.seeds = 5
    if not variant.startswith("features-"):
        config.protocol.batch_sizes = (16, 32) if variant == "sentence" else (4, 8)
        config.protocol.epochs = (2.0, 3.0, 4.0)
        config.protocol.learning_rates = (5e-5, 3e-5, 2e-5)
    return config
