"""The compiler for TPUs agrees with itself, and the estimate with the compiler."""

import json

import pytest

from bert_jax import config as configs
from bert_jax.checkpoint.formats import open_pretrained
from bert_jax.cli import preflight
from bert_jax.errors import UserError
from bert_jax.parallel.devices import TPUS
from bert_jax.preflight import chips, hlo
from bert_jax.preflight.chips import slice_of
from bert_jax.preflight.estimate import estimate
from bert_jax.preflight.interconnect import axes_of
from bert_jax.preflight.trial import prepared
from bert_jax.training.task_workload import unpacked_shapes
from tests.made_models import GOLDEN


def test_what_is_no_topology_is_refused():
    for topology in ("v9:2x2", "v5e"):
        with pytest.raises(UserError, match="is no topology"):
            slice_of(topology)


def written(recipe, path):
    """A recipe as a file."""
    path.write_text(
        "import json\nfrom bert_jax.config import recipe\n\n\ndef get_config():\n    config = "
        "recipe()\n"
        f"    config.update(json.loads({recipe.to_json()!r}))\n    return config\n"
    )
    return path


@pytest.fixture
def recipe_file(recipe, tmp_path):
    return written(recipe, tmp_path / "recipe.py")


def test_batch_and_length_may_be_others(recipe):
    config = configs.resolve(recipe)
    asked = prepared(config, chips=4, batch_per_chip=16, length=8)
    assert (asked.train.batch_size, asked.instances.length, asked.masking.max_predictions) == (
        64,
        8,
        2,
    )
    assert asked.train.steps == 3  # of 64 rows rather than 20 of 8
    recipe.instances.phases = ((8, 8, 15), (16, 4, 5))
    for length, found in ((0, (8, 8, 15)), (16, (16, 4, 5)), (12, (12, 8, 15))):
        asked = prepared(configs.resolve(recipe), 4, 0, length)
        assert (asked.instances.length, asked.train.batch_size, asked.train.steps) == found
    recipe.instances.phases = ()
    recipe.task.name, recipe.task.length, recipe.optimizer.warmup_share = "glue/mrpc", 16, 0.1
    asked = prepared(configs.resolve(recipe), 4, 2, 8)
    assert (asked.train.batch_size, asked.task.length, asked.model.num_labels) == (8, 8, 2)
    assert unpacked_shapes(asked)["labels"].shape == (8, 1)


def test_architecture_is_that_of_the_checkpoint_to_start_from(recipe):
    recipe.init_from = str(GOLDEN)
    recipe.model = configs.recipe().model  # as the command line leaves it
    recipe.tokenizer = configs.recipe().tokenizer
    config = prepared(configs.resolve(recipe), chips=4, batch_per_chip=0, length=0)
    theirs = open_pretrained(GOLDEN).model
    assert config.model.hidden_size == theirs.hidden_size != configs.recipe().model.hidden_size
    assert config.model.vocab_size == theirs.vocab_size


def test_memory_by_shapes_needs_no_compiler(recipe_file, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(chips.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(
        preflight, "_pretend_to_have", lambda devices: None
    )  # these tests have eight already
    arguments = [
        f"--config={recipe_file}",
        "--memory_only",
        "--batch_per_chip=4",
        "--config.mesh.data=-1",
    ]
    preflight.main(arguments + [f"--json={tmp_path / 'out.json'}", "--devices=8"])
    said = json.loads((tmp_path / "out.json").read_text())
    parts = [said[f"{name}_bytes_per_chip"] for name in ("state", "gradient", "saved", "working")]
    assert (
        said["hbm_bytes_per_chip"] == sum(parts)
        and said["estimate"] == "shapes"
        and said["fits"] is None
    )
    assert said["batch_size"] == 32 and "no compiler has seen it" in capsys.readouterr().out
    for limit, verdict in (("1", "fits 1.00 GiB"), ("0.0001", "does not fit 0.1 MiB")):
        preflight.main(arguments + ["--devices=8", f"--device_memory={limit}"])
        assert verdict in capsys.readouterr().out
    with pytest.raises(UserError, match="--memory_only compiles nothing"):
        preflight.main(arguments + ["--topology=v5e:2x2"])
    with pytest.raises(UserError, match="--topology is missing"):
        preflight.main([f"--config={recipe_file}"])


def test_without_a_compiler_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr(chips.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install libtpu"):
        slice_of("v5e:2x4")


@pytest.fixture(scope="module")
def slices():
    pytest.importorskip("libtpu")
    import jax

    jax.config.update(
        "jax_enable_compilation_cache", False
    )  # which cannot read programs of another machine
    yield {name: slice_of(f"{name}:{'2x2x1' if name in ('v4', 'v5p') else '2x2'}") for name in TPUS}
    jax.config.update("jax_enable_compilation_cache", True)


@pytest.mark.full
@pytest.mark.parametrize("name", TPUS)
def test_products_run_near_the_peak_and_a_loop_of_them_is_as_many(slices, name):
    """A chain of products, in a loop and unrolled. A loop also copies what it carries, which does
    not count here."""
    import jax
    import jax.numpy as jnp

    chip, devices = slices[name]
    assert len(devices) == 4
    sharding = jax.sharding.SingleDeviceSharding(devices[0])

    def cycles(size: int, looped: bool) -> int:
        def chain(x, w):
            if looped:
                return jax.lax.fori_loop(0, 8, lambda i, x: x @ w, x)
            for _ in range(8):
                x = x @ w
            return x

        shape = jax.ShapeDtypeStruct((size, size), jnp.bfloat16, sharding=sharding)
        found = hlo.cost(jax.jit(chain).lower(shape, shape).compile().as_text()).cycles
        return sum(count for name, count in found.items() if name.endswith("dot_general"))

    unrolled, looped = (cycles(4096, looped) for looped in (False, True))
    assert looped == pytest.approx(unrolled, rel=0.02)
    assert 0.8 < 8 * 2 * 4096**3 / (unrolled * chip.flops_per_cycle) < 1


@pytest.fixture
def small(recipe):
    recipe.model.update(
        dict(vocab_size=1024, hidden_size=128, intermediate_size=512, max_position_embeddings=128)
    )
    recipe.compute.dtype, recipe.instances.length, recipe.train.batch_size, recipe.mesh.data = (
        "bfloat16",
        128,
        64,
        -1,
    )
    return recipe


@pytest.mark.full
def test_a_step_is_compiled_and_read(slices, small, tmp_path, capsys):
    chip, devices = slices["v5e"]
    found = estimate(prepared(configs.resolve(small), 4, 0, 0), chip, devices)
    assert found.fits and found.state_bytes < found.hbm_bytes < chip.hbm and found.mesh.size == 4
    assert 0 < found.mfu(found.serial) < found.mfu(found.overlapped) < 1
    gradients = sum(one.bytes for one in found.collectives if one.kind == "all-reduce")
    assert 2 * found.parameters < gradients < 4.5 * found.parameters  # of bfloat16 or float32
    assert {axes_of(one, found.mesh) for one in found.collectives} == {("data",)}
    assert (
        1 <= found.hardware_flops / found.model_flops < 1.001
        and 0 < found.saved_bytes < found.hbm_bytes
    )
    assert 0 < found.uncosted_seconds < found.seconds
    twice = estimate(prepared(configs.resolve(small), 4, 32, 0), chip, devices)
    assert twice.model_flops == 2 * found.model_flops and 1 < twice.seconds / found.seconds < 2
    evaluated = estimate(prepared(configs.resolve(small), 4, 0, 0), chip, devices, "evaluate")
    assert evaluated.state_bytes * 3 == pytest.approx(
        found.state_bytes, rel=1e-3
    ) and 3 * evaluated.model_flops == (found.model_flops)
    assert evaluated.seconds < found.seconds / 2 and evaluated.hbm_bytes < found.hbm_bytes
    small.compute.scan_layers = True
    assert set(
        estimate(prepared(configs.resolve(small), 4, 0, 0), chip, devices).loops.values()
    ) == {2}

    small.compute.scan_layers, small.task.name, small.task.length = False, "glue/mrpc", 128
    tuned = estimate(prepared(configs.resolve(small), 4, 0, 0), chip, devices)
    assert (
        tuned.seconds < found.seconds and tuned.model_flops < found.model_flops and not tuned.steps
    )
    small.task.name = ""
    written(small, tmp_path / "recipe.py")
    preflight.main(
        [
            f"--config={tmp_path / 'recipe.py'}",
            "--topology=v5e:2x2",
            "--config.compute.scan_layers=False",
            f"--json={tmp_path / 'out.json'}",
            f"--hlo={tmp_path / 'out.hlo'}",
            "--price=1.2",
        ]
    )
    said = json.loads((tmp_path / "out.json").read_text())
    assert (
        said["estimated_cycles"] == found.cycles.total()
        and said["hbm_bytes_per_chip"] == found.hbm_bytes
    )
    assert said["cost"] == pytest.approx(1.2 * said["chip_hours"]) and said["mfu"] == found.mfu(
        found.overlapped
    )
    assert (
        "HloModule" in (tmp_path / "out.hlo").read_text()
        and "overlapped" in capsys.readouterr().out
    )


@pytest.mark.full
@pytest.mark.parametrize("name", TPUS)
def test_every_kind_of_chip_has_an_estimate(slices, small, name):
    # Look-ups that are worth a SparseCore.
    small.model.update(dict(num_layers=1, vocab_size=30522, hidden_size=768, num_heads=12))
    found = estimate(prepared(configs.resolve(small), 4, 0, 0), *slices[name])
    assert found.fits and found.cycles.total() > 0 and found.mesh.size == 4


@pytest.mark.full
def test_a_sweep_shows_what_fits_and_what_does_not(slices, small, tmp_path, capsys):
    written(small, tmp_path / "recipe.py")
    preflight.main(
        [
            f"--config={tmp_path / 'recipe.py'}",
            "--topology=v5e:2x2",
            "--config.model.num_layers=1",
            "--sweep",
            "batch_per_chip=8,300000",
            "mesh.fsdp=1,3",
            f"--json={tmp_path / 'out.json'}",
        ]
    )
    said = {one["setting"]: one for one in json.loads((tmp_path / "out.json").read_text())}
    assert [one["fits"] for one in said.values()] == [True, False, False, False]
    assert said["batch_per_chip=8, mesh.fsdp=1"]["batch_size"] == 32
    assert "does not fit" in said["batch_per_chip=8, mesh.fsdp=3"]["error"]
    assert capsys.readouterr().out.splitlines()[1].startswith("*  batch_per_chip=8,")
    with pytest.raises(UserError, match="has no values"):
        preflight.main(
            [f"--config={tmp_path / 'recipe.py'}", "--topology=v5e:2x2", "--sweep", "mesh.fsdp"]
        )


@pytest.mark.full
def test_collectives_run_along_the_axes_that_share(slices, small):
    small.model.num_layers, small.mesh.fsdp = 1, 2
    found = estimate(prepared(configs.resolve(small), 4, 0, 0), *slices["v5e"])
    axes = {(one.kind, axes_of(one, found.mesh)) for one in found.collectives}
    assert ("all-gather", ("fsdp",)) in axes  # of parameters
    assert {along for kind, along in axes if kind in ("all-reduce", "reduce-scatter")} >= {
        ("data",),
        ("data", "fsdp"),
    }


@pytest.mark.full
def test_several_slices_talk_through_their_hosts(small, tmp_path):
    pytest.importorskip("libtpu")
    chip, devices = slice_of("v5e:2x2", 2)
    small.model.num_layers = 1
    with pytest.raises(UserError, match="config.mesh.slice is not the number of slices"):
        estimate(prepared(configs.resolve(small), 8, 0, 0), chip, devices)
    config = prepared(configs.resolve(small), 8, 0, 0, slices=2)
    found = estimate(config, chip, devices)
    assert dict(found.mesh.shape) | dict(slice=2, data=4) == dict(found.mesh.shape)
    assert [[one.slice_index for one in row] for row in found.mesh.devices.reshape(2, 4)] == [
        [0] * 4,
        [1] * 4,
    ]
    assert {axes_of(one, found.mesh) for one in found.collectives} == {("slice",), ("data",)}
    between = sum(one.bytes for one in found.collectives if one.between_slices)
    assert 0 < between < 4.5 * found.parameters  # of what is not added up within a slice first


@pytest.mark.full
def test_kernels_without_an_estimate_get_a_roofline(slices):
    import jax
    import jax.numpy as jnp
    from jax.experimental import pallas as pl

    def double(x):
        def kernel(read, written):
            written[...] = 2 * read[...]

        cost = pl.CostEstimate(flops=12345, bytes_accessed=678, transcendentals=0)
        return pl.pallas_call(kernel, out_shape=x, cost_estimate=cost)(x)

    sharding = jax.sharding.SingleDeviceSharding(slices["v5e"][1][0])
    shape = jax.ShapeDtypeStruct((256, 256), jnp.float32, sharding=sharding)
    text = jax.jit(double).trace(shape).lower(lowering_platforms=("tpu",)).compile().as_text()
    (one,) = hlo.cost(text).uncosted
    assert (one.what, one.bytes, one.flops) == ("custom-call tpu_custom_call", 678, 12345)


@pytest.mark.full
def test_too_little_memory_is_an_answer(slices, small):
    chip, devices = slices["v5e"]
    small.train.batch_size = 4 * 2**18
    found = estimate(prepared(configs.resolve(small), 4, 0, 0), chip, devices)
    assert not found.fits and found.hbm_bytes > chip.hbm and not found.cycles


@pytest.mark.full
def test_what_cannot_be_compiled_for_is_refused(slices, small):
    small.mesh.data = 3
    with pytest.raises(UserError, match="config.mesh does not fit"):
        estimate(prepared(configs.resolve(small), 4, 3, 0), *slices["v5e"])
    with pytest.raises(UserError, match="does not know the topology 'v5e:3x7'"):
        slice_of("v5e:3x7")
