"""BERT learns English from the documentation of this Python installation, on two CPU cores.

    make demo

runs

    python -m bert_jax prepare documentation --data_dir=runs/data
    python train.py --config=configs/demo.py --workdir=runs/demo

and continues as configs/evaluate/demo.py says.

Time: about 3 minutes on two CPU cores.
Expected: held-out MLM accuracy about 0.13; always guessing the most frequent token gives 0.06. A
model of this size needs hours for more: the demo shows that everything works and learns, not how
good BERT is.
"""

from pathlib import Path

import ml_collections

from bert_jax.config import recipe


def get_config() -> ml_collections.ConfigDict:
    config = recipe()
    config.corpus.name = "documentation"
    config.corpus.data_dir = "runs/data"
    config.tokenizer.vocab_size = 8192

    config.model.num_layers = 2
    config.model.hidden_size = 128
    config.model.num_heads = 2
    config.model.intermediate_size = 512
    config.model.max_position_embeddings = 128
    # Hardly more than one pass over the text leaves no time to overfit, and a high learning rate
    # for so few steps wants a second moment that forgets sooner.
    config.model.hidden_dropout = 0.0
    config.model.attention_dropout = 0.0
    config.optimizer.name = "adamw"
    config.optimizer.learning_rate = 1.5e-3
    config.optimizer.b2 = 0.98
    config.optimizer.warmup_steps = 200

    # In minutes, many small steps get further than few large ones.
    config.train.steps = 1600
    config.train.batch_size = 16
    config.log.every = 40
    config.evaluate.every = 200
    config.evaluate.reference = str(Path(__file__).parent / "references" / "demo.json")
    config.checkpoint.every = 200
    return config
