"""BERT learns English from the documentation of this Python installation, in minutes on two CPU cores.

    make demo

which runs

    python -m bert_jax prepare documentation --data_dir=runs/data
    python train.py --config=configs/demo.py --workdir=runs/demo

Expected: held-out MLM accuracy about 0.12 (always guessing the most frequent token: 0.06). A model of this size needs
hours for more: this shows that everything works and learns, not how well BERT does.
"""

from bert_jax.config import recipe


def get_config():
    config = recipe()
    config.corpus.name = "documentation"
    config.corpus.data_dir = "runs/data"
    config.tokenizer.vocab_size = 8192

    config.model.num_layers = 2
    config.model.hidden_size = 128
    config.model.num_heads = 2
    config.model.intermediate_size = 512
    config.model.max_position_embeddings = 128
    # Two passes over little text leave no time to overfit, and a high learning rate for a few hundred steps wants a
    # second moment that forgets sooner.
    config.model.hidden_dropout = 0.0
    config.model.attention_dropout = 0.0
    config.optimizer.name = "adamw"
    config.optimizer.learning_rate = 2e-3
    config.optimizer.b2 = 0.98
    config.optimizer.warmup_steps = 50

    config.train.steps = 450
    config.train.batch_size = 64
    config.log.every = 10
    config.evaluate.every = 50
    config.checkpoint.every = 50
    return config
