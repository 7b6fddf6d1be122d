"""Checks of this hardware's numbers: against PyTorch's, the host's, and its own in other
layouts."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from bert_jax.checkpoint import hf, layout
from bert_jax.checkpoint.names import hf as name_of
from bert_jax.checkpoint.pretrained import flat
from bert_jax.config import ComputeConfig, Config, MeshConfig, ModelConfig
from bert_jax.model.bert import Bert
from bert_jax.objectives import choose
from bert_jax.parallel import mesh as meshes
from bert_jax.parallel.sharding import shardings
from bert_jax.preflight.trial import prepared, shapes_on
from bert_jax.training import state
from bert_jax.training.plan import Plan, without_data
from bert_jax.training.step import make_loss
from bert_jax.verification.findings import Finding, within

GOLDEN = Path(__file__).parent / "golden"  # made by tests/golden/make.py
ROWS = 16  # of the recipe's length; enough for all devices of a host
EXACT: dict[str, Any] = dict(
    dtype="float32", matmul_precision="highest", prng="threefry2x32"
)  # `rbg` depends on device and mesh


def check(config: Config, workdir: Path) -> list[Finding]:
    """Compares outputs, losses and gradients.

    Args:
        config: the recipe.
        workdir: not used.
    """
    return pytorch() + of_recipe(config)


def pytorch(golden: Path = GOLDEN) -> list[Finding]:
    """A small BERT's outputs, loss and gradients beside those that Hugging Face's PyTorch model
    once computed."""
    if not golden.is_dir():
        return [
            Finding(
                "PyTorch's outputs",
                f"not looked at: {golden} is not there",
                "a checkout of the repository",
            )
        ]
    pretrained, expected = hf.open(golden / "bert"), dict(np.load(golden / "outputs.npz"))
    params = pretrained.read()
    model = Bert(pretrained.model, ComputeConfig(**EXACT), pretrained.heads)
    batch = {name: x for name, x in expected.items() if x.ndim and not name.startswith("gradient")}

    def total(params: dict) -> tuple[jax.Array, dict]:
        outputs: Any = model.apply({"params": params}, batch)
        loss: Any = sum(
            o.terms(outputs[name], batch).loss / o.weight(batch)
            for name, o in choose(("mlm", "nsp")).items()
        )
        return loss, outputs

    (loss, outputs), gradients = jax.device_get(
        jax.jit(jax.value_and_grad(total, has_aux=True))(params)
    )
    mlm = np.take_along_axis(expected["mlm"], expected["masked_positions"][..., None], 1)
    theirs = {
        path: expected[f"gradient/{name}"].T if transposed else expected[f"gradient/{name}"]
        for path, (name, transposed) in ((path, name_of(path)) for path in flat(params))
    }
    return [
        within(
            "logits, beside PyTorch's",
            max(
                np.abs(outputs["mlm"] - mlm).max(),
                np.abs(outputs["nsp"][:, 0] - expected["nsp"]).max(),
            ),
            1e-4,
        ),
        within("loss, beside PyTorch's", abs(float(loss) - float(expected["loss"])), 1e-4),
        within("gradient, beside PyTorch's, of its norm", _apart(flat(gradients), theirs), 1e-3),
    ]


def of_recipe(config: Config) -> list[Finding]:
    """The recipe's loss and gradient, dropout and all, on one device in float32, beside other ways
    to compute them."""
    mesh = meshes.make_mesh(config.mesh)
    rows = -(-ROWS // meshes.row_shards(mesh)) * meshes.row_shards(mesh)
    config = prepared(config, 1, 0, 0)
    config = dataclasses.replace(
        config, train=dataclasses.replace(config.train, batch_size=rows, accumulation=1, replicas=1)
    )
    batch, plan = _random_batch(config, mesh), without_data(config)

    def computed(
        mesh: Mesh, model: ModelConfig = config.model, **compute: Any
    ) -> tuple[float, dict]:
        compute = dataclasses.replace(config.compute, **EXACT | compute)
        return loss_and_gradient(
            dataclasses.replace(plan, compute=compute, model=model), batch, mesh
        )

    alone = meshes.make_mesh(MeshConfig(data=1))
    loss, gradient = computed(alone)
    found = []

    def beside(
        what: str,
        bound: float,
        other: tuple[float, dict],
        against: tuple[float, dict] = (loss, gradient),
    ) -> None:
        found.append(within(f"loss, {what}", abs(other[0] - against[0]) / abs(against[0]), bound))
        found.append(within(f"gradient, {what}", _apart(other[1], against[1]), 10 * bound))

    if host := _host():
        beside("beside the host's", 1e-4, computed(meshes.make_mesh(MeshConfig(data=1), host)))
    else:
        found.append(
            Finding(
                "the host beside the device",
                "not looked at: the CPU is the device, or not to be had",
            )
        )
    # Scanned layers draw other dropout.
    certain = dataclasses.replace(config.model, hidden_dropout=0.0, attention_dropout=0.0)
    scanned, unrolled = (computed(alone, certain, scan_layers=scan) for scan in (True, False))
    beside("layers scanned beside unrolled", 1e-5, scanned, unrolled)
    beside("QKV fused beside apart", 1e-5, computed(alone, fused_qkv=not config.compute.fused_qkv))
    other = "none" if config.compute.remat == "full" else "full"
    beside(f"remat {other} beside {config.compute.remat}", 1e-5, computed(alone, remat=other))
    if mesh.size == 1:
        found.append(
            Finding("the mesh beside one device", "not looked at: the recipe's mesh is one device")
        )
    else:
        beside(f"{mesh.size} devices beside one", 1e-5, computed(mesh))
    if config.compute.dtype != "float32":
        beside(
            f"{config.compute.dtype} beside float32",
            1e-2,
            computed(alone, dtype=config.compute.dtype),
        )
    again = computed(alone)
    same = again[0] == loss and all(
        np.array_equal(again[1][path], gradient[path]) for path in gradient
    )
    return found + [
        Finding(
            "the same again", "the same bits" if same else "other bits", "the same bits", bool(same)
        )
    ]


def _host() -> list:
    """The host's CPU as a device, if it is another one than the default, and JAX may use it."""
    try:
        return [] if jax.default_backend() == "cpu" else jax.devices("cpu")[:1]
    except RuntimeError:  # JAX_PLATFORMS leaves it out
        return []


def loss_and_gradient(plan: Plan, batch: dict, mesh: Mesh) -> tuple[float, dict[str, np.ndarray]]:
    """Returns the loss of a batch at the initial parameters, with dropout, and its gradient in
    canonical form by path."""
    objectives, loss = choose(plan.objectives), make_loss(plan)

    def total(params: dict, batch: dict) -> jax.Array:
        weights = {
            name: jnp.maximum(objective.weight(batch), 1) for name, objective in objectives.items()
        }
        rows = jnp.arange(batch["input_ids"].shape[0])
        key = jax.random.key(plan.recipe.seed, impl=plan.compute.prng)
        return loss(params, batch, rows, weights, key)[0]

    def both(batch: dict) -> tuple[jax.Array, dict]:
        params = state.initial_params(plan)
        params = jax.lax.with_sharding_constraint(
            params, shardings(params, mesh, plan.recipe.mesh.rules, strict=False)
        )
        value, gradient = jax.value_and_grad(total)(params, batch)
        return value, layout.to_canonical(gradient, plan.model, plan.compute)

    with jax.set_mesh(mesh):
        sharding = meshes.row_sharding(mesh)
        placed = {name: jax.device_put(x, sharding) for name, x in batch.items()}
        value, gradient = jax.device_get(jax.jit(both, in_shardings=sharding)(placed))
    return float(value), flat(gradient)


def _random_batch(config: Config, mesh: Mesh) -> dict[str, np.ndarray]:
    """Rows of random tokens and random lengths, in the recipe's shapes; labels are of class 0, or
    near 0."""
    chance = np.random.default_rng(config.seed)
    shapes = shapes_on(config, mesh)
    rows, length = shapes["input_ids"].shape
    tokens = chance.integers(length // 2, length + 1, (rows, 1))
    present = np.arange(length) < tokens
    batch: dict[str, np.ndarray] = {name: np.zeros(x.shape, x.dtype) for name, x in shapes.items()}
    batch |= dict(
        input_ids=(chance.integers(0, config.model.vocab_size, (rows, length)) * present).astype(
            np.int32
        ),
        position_ids=(np.arange(length) * present).astype(np.int32),
        segment_ids=present.astype(np.int32),
    )
    for name, x in shapes.items():
        if name.endswith("_weights"):
            batch[name] = np.ones(x.shape, x.dtype)
    if "masked_positions" in batch:
        shape = batch["masked_positions"].shape
        batch |= dict(
            masked_positions=chance.integers(1, length // 2, shape).astype(np.int32),
            masked_ids=chance.integers(0, config.model.vocab_size, shape).astype(np.int32),
        )
    return batch


def _apart(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> float:
    """The norm of the difference of two gradients, as a share of that of the second."""
    difference = sum(
        float(np.sum(np.square(ours[path].astype(np.float64) - theirs[path]))) for path in theirs
    )
    return (
        difference / sum(float(np.sum(np.square(x.astype(np.float64)))) for x in theirs.values())
    ) ** 0.5
