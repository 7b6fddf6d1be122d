"""BERT learns English from the documentation of this Python installation, in minutes on two CPU cores.

    make demo

which runs

    python -m bert_jax prepare documentation --data_dir=runs/data
    python train.py --config=configs/demo.py --workdir=runs/demo
"""

from bert_jax.config import recipe


def get_config():
    config = recipe()
    config.corpus.name = "documentation"
    config.corpus.data_dir = "runs/data"
    config.tokenizer.vocab_size = 8192

    config.model.hidden_size = 128
    config.model.num_layers = 2
    config.model.num_heads = 2
    config.model.intermediate_size = 512
    config.model.max_position_embeddings = 128

    config.optimizer.learning_rate = 2e-3
    config.optimizer.warmup_steps = 30
    config.train.steps = 300
    config.train.batch_size = 64

    config.log.every = 10
    config.evaluate.every = 100
    config.evaluate.max_examples = 1024
    config.checkpoint.every = 100
    return config
