"""Named entities by the paper's protocol (Devlin et al., 2018, section 5.3): five runs of each setting.

    python -m bert_jax prepare ner --train eng.train --validation eng.testa --test eng.testb --name=conll2003 \\
        --data_dir=data
    python evaluate.py --config=configs/evaluate/ner.py --checkpoint=CASED_CHECKPOINT --workdir=runs/conll2003 \\
        --config.task.data_dir=data [--tasks=conll2003]

Batch 16 and 32, learning rates 5e-5, 3e-5 and 2e-5, 2, 3 and 4 epochs are the grid of appendix A.3. The paper does not
say what an example of a batch is; here it is a sentence with `ner.py:sentence`, and else a window of 512 tokens, with
which batches of 4 and 8 hold about as many words. `ner.py:features-KIND` has one setting, of
configs/finetune/ner.py. The setting is selected by the validation split; the best run's score on the test split is

    python evaluate.py --checkpoint=runs/conll2003/BEST --config.task.validation_splits="('test',)" --workdir=runs/test
"""

from configs.evaluate._common import one_setting
from configs.finetune import ner


def get_config(variant: str = "document"):
    config = one_setting(ner.get_config(variant))
    config.protocol.seeds = 5
    if not variant.startswith("features-"):
        config.protocol.batch_sizes = (16, 32) if variant == "sentence" else (4, 8)
        config.protocol.epochs = (2.0, 3.0, 4.0)
        config.protocol.learning_rates = (5e-5, 3e-5, 2e-5)
    return config
