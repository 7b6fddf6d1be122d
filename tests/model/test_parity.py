"""Against Hugging Face's PyTorch BERT with the same weights. Run by `make test-full`."""

import dataclasses

import jax
import numpy as np
import pytest

from bert_jax import config as configs
from bert_jax.model.bert import Bert
from bert_jax.objectives import choose

pytestmark = pytest.mark.full
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


def canonical(state: dict) -> dict:
    """Hugging Face's tensors as our tree: a dense weight is `[out, in]` there."""
    tree = {}

    def put(path: str, value):
        node = tree
        *parents, last = path.split("/")
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = value.detach().numpy()

    def dense(path, name):
        put(f"{path}/kernel", state[f"{name}.weight"].T)
        put(f"{path}/bias", state[f"{name}.bias"])

    def norm(path, name):
        put(f"{path}/scale", state[f"{name}.weight"])
        put(f"{path}/bias", state[f"{name}.bias"])

    for name in ("word", "position", "token_type"):
        put(f"bert/embeddings/{name}_embeddings/embedding", state[f"bert.embeddings.{name}_embeddings.weight"])
    norm("bert/embeddings/layer_norm", "bert.embeddings.LayerNorm")
    layers = len({key.split(".")[3] for key in state if key.startswith("bert.encoder.layer.")})
    for i in range(layers):
        ours, theirs = f"bert/encoder/layer_{i}", f"bert.encoder.layer.{i}"
        for name in ("query", "key", "value"):
            dense(f"{ours}/attention/{name}", f"{theirs}.attention.self.{name}")
        dense(f"{ours}/attention/output", f"{theirs}.attention.output.dense")
        norm(f"{ours}/attention_layer_norm", f"{theirs}.attention.output.LayerNorm")
        dense(f"{ours}/feed_forward/intermediate", f"{theirs}.intermediate.dense")
        dense(f"{ours}/feed_forward/output", f"{theirs}.output.dense")
        norm(f"{ours}/feed_forward_layer_norm", f"{theirs}.output.LayerNorm")
    dense("bert/pooler/dense", "bert.pooler.dense")
    dense("mlm/transform", "cls.predictions.transform.dense")
    norm("mlm/layer_norm", "cls.predictions.transform.LayerNorm")
    put("mlm/bias", state["cls.predictions.bias"])
    dense("nsp/dense", "cls.seq_relationship")
    return tree


@pytest.fixture
def pair(recipe):
    recipe.model.hidden_size, recipe.model.num_layers, recipe.model.num_heads = 96, 3, 4
    recipe.model.intermediate_size, recipe.model.activation = 384, "gelu_erf"
    config = configs.resolve(recipe)
    torch.manual_seed(0)
    theirs = transformers.BertForPreTraining(transformers.BertConfig(
        vocab_size=101, hidden_size=96, num_hidden_layers=3, num_attention_heads=4, intermediate_size=384,
        max_position_embeddings=16, initializer_range=0.1)).eval()
    with torch.no_grad():  # biases and norms that start at 0 and 1 would hide a mistake
        for parameter in theirs.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return config, theirs


def tensors(batch):
    return dict(input_ids=torch.tensor(batch["input_ids"]).long(),
                token_type_ids=torch.tensor(batch["token_type_ids"]).long(),
                attention_mask=torch.tensor(batch["segment_ids"]).long())


def test_outputs(pair, make_batch):
    config, theirs = pair
    batch = make_batch(config)
    expected = theirs(**tensors(batch), output_hidden_states=True)
    found = Bert(config.model, dataclasses.replace(config.compute, matmul_precision="highest"), ("mlm", "nsp")).apply(
        {"params": canonical(theirs.state_dict())}, batch, collect=True)
    present = batch["segment_ids"] > 0
    for ours, hidden in zip(found["hidden_states"], expected.hidden_states, strict=True):
        np.testing.assert_allclose(ours[present], hidden.detach().numpy()[present], atol=2e-5)
    logits = np.take_along_axis(expected.prediction_logits.detach().numpy(), batch["masked_positions"][..., None], 1)
    np.testing.assert_allclose(found["mlm"], logits, atol=2e-5)
    np.testing.assert_allclose(found["nsp"][:, 0], expected.seq_relationship_logits.detach().numpy(), atol=2e-5)


def test_loss_and_gradients(pair, make_batch):
    config, theirs = pair
    batch = make_batch(config)
    labels = torch.full(batch["input_ids"].shape, -100)
    # Hugging Face's labels hold one prediction a place.
    batch["masked_positions"] = np.tile(np.arange(1, 5, dtype=np.int32), (len(batch["masked_ids"]), 1))
    counted = batch["masked_weights"] > 0
    rows = np.nonzero(counted)[0]
    labels[rows, batch["masked_positions"][counted]] = torch.tensor(batch["masked_ids"][counted]).long()
    loss = theirs(**tensors(batch), labels=labels,
                  next_sentence_label=torch.tensor(batch["next_sentence_labels"][:, 0]).long()).loss
    loss.backward()
    expected = canonical({name: p.grad for name, p in theirs.named_parameters()}
                         | {"cls.predictions.bias": theirs.cls.predictions.bias.grad})
    objectives = choose(("mlm", "nsp"))
    model = Bert(config.model, config.compute, ("mlm", "nsp"))

    def total(params):
        outputs = model.apply({"params": params}, batch)
        return sum(o.terms(outputs[name], batch).loss / o.weight(batch) for name, o in objectives.items())

    found, gradients = jax.value_and_grad(total)(canonical(theirs.state_dict()))
    np.testing.assert_allclose(found, loss.item(), rtol=1e-5)
    norm = np.sqrt(sum(np.sum(np.square(g)) for g in jax.tree.leaves(expected)))
    pairs = zip(jax.tree_util.tree_leaves_with_path(gradients), jax.tree.leaves(expected), strict=True)
    for (path, ours), theirs_ in pairs:
        bound = 1e-4 * max(np.linalg.norm(theirs_), 1e-3 * norm)
        assert np.linalg.norm(ours - theirs_) <= bound, jax.tree_util.keystr(path)
