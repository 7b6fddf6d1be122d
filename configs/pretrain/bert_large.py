r"""BERT-large: 24 layers, hidden 1024, 336 M parameters with a vocabulary of 30,522.

    python train.py --config=configs/pretrain/bert_large.py --workdir=DIR \
        --config.corpus.data_dir=TFDS_DIR --config.tokenizer.vocab_file=vocab.txt

Published: 4 days on 16 Cloud TPUs (64 chips); GLUE 82.1 (Devlin et al., 2018,
appendix A.2 and table 1).
Here: not run to its end.
"""

import ml_collections

from configs.pretrain._common import pretraining


def get_config() -> ml_collections.ConfigDict:
    config = pretraining(num_layers=24, hidden_size=1024)
    # Compile one layer rather than 24, and do not keep `[rows, heads, length, length]` of each.
    config.compute.scan_layers = True
    config.compute.remat = "dots"
    return config
