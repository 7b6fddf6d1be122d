"""BERT-large: 24 layers, hidden 1024, 336 M parameters with a vocabulary of 30,522.

    python train.py --config=configs/pretrain/bert_large.py --workdir=DIR --config.corpus.data_dir=TFDS_DIR \
        --config.tokenizer.vocab_file=vocab.txt

Published: 4 days on 16 Cloud TPUs (64 chips); GLUE 82.1 (Devlin et al., 2018, appendix A.2 and table 1).
Here: not run to the end; no figure of it is claimed.
"""

from configs.pretrain._common import pretraining


def get_config():
    config = pretraining(num_layers=24, hidden_size=1024)
    config.compute.scan_layers = True  # compiles one layer rather than 24
    config.compute.remat = "dots"  # attention keeps `[rows, heads, length, length]` a layer otherwise
    return config
