"""Training beside PyTorch: AdamW and pytorch-pretrained-bert's BertAdam, 200 steps, and tasks. Run
by `make test-full`.

`test_trajectory` holds the losses to golden ones; here both train now, and parameters are compared
too.
"""

import dataclasses

import jax
import numpy as np
import pytest
from rich.console import Console

from bert_jax import config as configs
from bert_jax.checkpoint import initial
from bert_jax.checkpoint.formats import open_pretrained
from bert_jax.checkpoint.names import hf as name_of
from bert_jax.checkpoint.pretrained import flat
from bert_jax.optim import make_optimizer
from bert_jax.parallel import mesh as meshes
from bert_jax.tasks import examples
from bert_jax.tasks.packed import shuffled
from bert_jax.training import state
from bert_jax.training.plan import without_data
from bert_jax.training.state import TrainState
from bert_jax.training.step import make_train_step
from bert_jax.training.task_workload import TaskData
from tests.golden.batches import batch

pytestmark = pytest.mark.full
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
make = pytest.importorskip("tests.golden.make")


@pytest.mark.parametrize("name, clip_norm", [("adamw", 0.0), ("adamw", 1.0), ("bert_adam", 0.0)])
def test_losses_and_parameters(name, clip_norm):
    model = make.random_model(transformers.BertForPreTraining, seed=0)
    theirs = [loss for loss, _ in make.train(model, make.OPTIMIZERS[name], make.STEPS, clip_norm)]
    pretrained = open_pretrained(make.SHIPPED / "bert")
    recipe = configs.recipe()
    recipe.train.steps, recipe.compute.matmul_precision = make.STEPS, "highest"
    recipe.optimizer.update(
        dict(
            name=name,
            warmup_steps=make.WARMUP,
            learning_rate=1e-3,
            clip_norm=clip_norm,
            decay_start="warmup",
        )
    )
    config = dataclasses.replace(
        configs.resolve(recipe),
        model=dataclasses.replace(pretrained.model, hidden_dropout=0.0, attention_dropout=0.0),
    )
    start = pretrained.read()
    now = TrainState(np.int32(0), start, make_optimizer(config.optimizer, make.STEPS).init(start))
    step, ours, norms = jax.jit(make_train_step(without_data(config))), [], []
    for number in range(make.STEPS):
        now, metrics = step(now, batch(1000 + number))
        ours.append(float(metrics["loss"]))
        norms.append(float(metrics["gradient_norm"]))
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    assert not clip_norm or max(norms) > clip_norm
    # As far apart as a ten-thousandth of the way that they went, or of a thousandth of the way of
    # all parameters.
    parameters, moved, apart = dict(model.named_parameters()), {}, {}
    for path, value in flat(jax.device_get(now.params)).items():
        other, transposed = name_of(path)
        expected = parameters[other].detach().numpy()
        expected = expected.T if transposed else expected
        moved[path] = np.linalg.norm(expected - flat(start)[path])
        apart[path] = np.linalg.norm(value - expected)
    whole = np.linalg.norm(list(moved.values()))
    for path, distance in apart.items():
        # A bias of keys has no gradient: what Adam makes of its rounding errors is as large as it
        # is random.
        assert "key/bias" in path or distance <= 1e-4 * max(moved[path], 1e-3 * whole), path


CLASSES = dict(
    tagging="AutoModelForTokenClassification",
    span="AutoModelForQuestionAnswering",
    choice="AutoModelForMultipleChoice",
)


@pytest.mark.parametrize("kind", CLASSES)
def test_tasks_are_learned_alike(task_recipe, tmp_path, kind):
    """Packed here, and there each example by itself, from the text on by its own tokenizer."""
    read = examples.read(kind, task_recipe.task.data_dir, "train")
    labels = dict(num_labels=len(read.label_names)) if kind == "tagging" else {}
    tokenizer = transformers.AutoTokenizer.from_pretrained(make.SHIPPED / "bert")
    torch.manual_seed(0)
    theirs = (
        getattr(transformers, CLASSES[kind])
        .from_pretrained(
            make.SHIPPED / "bert",
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            **labels,
        )
        .train()
    )
    theirs.save_pretrained(tmp_path / "start")
    tokenizer.save_pretrained(tmp_path / "start")
    task_recipe.task.name, task_recipe.init_from = kind, str(tmp_path / "start")
    task_recipe.compute.matmul_precision = "highest"
    task_recipe.train.epochs, task_recipe.train.steps = 0.0, STEPS
    task_recipe.optimizer.update(
        dict(
            learning_rate=1e-3,
            warmup_share=0.0,
            warmup_steps=5,
            decay_start="warmup",
            epsilon=1e-8,
            weight_decay=0.0,
        )
    )
    mesh = meshes.make_mesh(configs.resolve(task_recipe).mesh)
    config, pretrained = initial.adopt(configs.resolve(task_recipe))
    data = TaskData(config, tmp_path, pretrained, progress=False)
    workload = data.workload(config, mesh, Console(quiet=True))
    plan = workload.plan
    optimizer = torch.optim.AdamW(theirs.parameters(), lr=1e-3, eps=1e-8, weight_decay=0.0)
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, 5, STEPS)
    with jax.set_mesh(mesh):
        ours, _ = state.state_from(pretrained, plan, data.vocabulary, mesh)
        step, losses = jax.jit(make_train_step(plan)), []
        for number, chosen in enumerate(
            shuffled(plan.examples, config.train.batch_size, STEPS, config.seed)
        ):
            loss = LOSSES[kind](theirs, tokenizer, read, chosen)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(theirs.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            ours, metrics = step(ours, workload.batch(number)[1])
            losses.append((float(metrics["loss"]), loss.item()))
    found, expected = zip(*losses)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert np.ptp(expected) > 0.1  # there was something to learn


def _of_words(model, tokenizer, read, chosen):
    made = tokenizer(
        [read.texts_a[i] for i in chosen],
        is_split_into_words=True,
        padding=True,
        return_tensors="pt",
    )
    labels = torch.full(made["input_ids"].shape, -100)
    for row, i in enumerate(chosen):
        words = made.word_ids(row)
        for at, word in enumerate(words):
            if word is not None and word != words[at - 1]:
                labels[row, at] = int(read.labels[i][word])
    return model(**made, labels=labels).loss


def _of_answers(model, tokenizer, read, chosen):
    losses = []
    for i in chosen:  # one by one: padding is a choice there
        made = tokenizer(read.texts_a[i], read.texts_b[i], return_tensors="pt")
        answer = read.labels[i][0]
        first, last = (
            made.char_to_token(0, at, sequence_index=1)
            for at in (answer.start, answer.start + len(answer.text) - 1)
        )
        losses.append(
            model(
                **made, start_positions=torch.tensor([first]), end_positions=torch.tensor([last])
            ).loss
        )
    return torch.stack(losses).mean()


def _of_choices(model, tokenizer, read, chosen):
    pairs = [(read.texts_a[i], choice) for i in chosen for choice in read.texts_b[i]]
    made = tokenizer(*map(list, zip(*pairs)), padding=True, return_tensors="pt")
    made = {name: x.reshape(len(chosen), -1, x.shape[-1]) for name, x in made.items()}
    return model(**made, labels=torch.tensor([int(read.labels[i]) for i in chosen])).loss


STEPS = 25
LOSSES = dict(tagging=_of_words, span=_of_answers, choice=_of_choices)
