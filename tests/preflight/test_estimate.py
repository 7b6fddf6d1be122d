"""The compiler for TPUs agrees with itself, and the estimate with the compiler."""

import json

import pytest

from bert_jax import config as configs
from bert_jax.cli import preflight
from bert_jax.errors import UserError
from bert_jax.preflight import chips, hlo
from bert_jax.preflight.chips import CHIPS, slice_of
from bert_jax.preflight.estimate import estimate, prepared, seconds_of
from bert_jax.training.finetuning import unpacked_shapes


def test_what_is_no_topology_is_refused():
    for topology in ("v9:2x2", "v5e"):
        with pytest.raises(UserError, match="is no topology"):
            slice_of(topology)


def test_batch_and_length_may_be_others(recipe):
    config = configs.resolve(recipe)
    asked = prepared(config, chips=4, batch_per_chip=16, length=8)
    assert (asked.train.batch_size, asked.instances.length, asked.masking.max_predictions) == (64, 8, 2)
    assert asked.train.steps == 3  # of 64 rows rather than 20 of 8
    recipe.task.name, recipe.task.length, recipe.optimizer.warmup_share = "glue/mrpc", 16, 0.1
    asked = prepared(configs.resolve(recipe), 4, 2, 8)
    assert (asked.train.batch_size, asked.task.length, asked.model.num_labels) == (8, 8, 2)
    assert unpacked_shapes(asked)["labels"].shape == (8, 1)


@pytest.mark.parametrize("kind, times", [
    ("all-reduce", 1.5), ("all-gather", 0.75), ("reduce-scatter", 3), ("all-to-all", 0.75), ("collective-permute", 1)])
def test_what_a_chip_sends(kind, times):
    """In rings of four, as often as its result is large."""
    one = hlo.Collective(kind, 1000, 4, 2)
    assert seconds_of(one, CHIPS["v5e"]) == pytest.approx(2 * times * 1000 / 200e9)


def test_without_a_compiler_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr(chips.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install libtpu"):
        slice_of("v5e:2x4")


@pytest.fixture(scope="module")
def slices():
    pytest.importorskip("libtpu")
    import jax

    jax.config.update("jax_enable_compilation_cache", False)  # which cannot read programs of another machine
    yield {name: slice_of(f"{name}:{'2x2x1' if name in ('v4', 'v5p') else '2x2'}") for name in CHIPS}
    jax.config.update("jax_enable_compilation_cache", True)


@pytest.mark.full
@pytest.mark.parametrize("name", CHIPS)
def test_products_run_near_the_peak_and_a_loop_of_them_is_as_many(slices, name):
    """A chain of products, in a loop and unrolled. A loop also copies what it carries, which does not count here."""
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
    recipe.model.update(dict(vocab_size=1024, hidden_size=128, intermediate_size=512, max_position_embeddings=128))
    recipe.compute.dtype, recipe.instances.length, recipe.train.batch_size, recipe.mesh.data = "bfloat16", 128, 64, -1
    return recipe


@pytest.mark.full
def test_a_step_is_compiled_and_read(slices, small, tmp_path, capsys):
    chip, devices = slices["v5e"]
    found = estimate(prepared(configs.resolve(small), 4, 0, 0), chip, devices)
    assert found.fits and found.state_bytes < found.hbm_bytes < chip.hbm and found.chips == 4
    assert 0 < found.mfu(found.serial) < found.mfu(found.overlapped) < 1
    gradients = sum(one.bytes for one in found.collectives if one.kind == "all-reduce")
    assert 2 * found.parameters < gradients < 4.5 * found.parameters  # of bfloat16 or float32
    assert {one.devices for one in found.collectives} == {4}
    twice = estimate(prepared(configs.resolve(small), 4, 32, 0), chip, devices)
    assert twice.model_flops == 2 * found.model_flops and 1 < twice.seconds / found.seconds < 2
    evaluated = estimate(prepared(configs.resolve(small), 4, 0, 0), chip, devices, "evaluate")
    assert evaluated.state_bytes * 3 == pytest.approx(found.state_bytes, rel=1e-3) and 3 * evaluated.model_flops == (
        found.model_flops)
    assert evaluated.seconds < found.seconds / 2 and evaluated.hbm_bytes < found.hbm_bytes
    small.compute.scan_layers = True
    assert set(estimate(prepared(configs.resolve(small), 4, 0, 0), chip, devices).loops.values()) == {2}

    small.compute.scan_layers, small.task.name, small.task.length = False, "glue/mrpc", 128
    tuned = estimate(prepared(configs.resolve(small), 4, 0, 0), chip, devices)
    assert tuned.seconds < found.seconds and tuned.model_flops < found.model_flops and not tuned.steps
    small.task.name = ""
    (tmp_path / "recipe.py").write_text(
        "import json\nfrom bert_jax.config import recipe\n\n\ndef get_config():\n    config = recipe()\n"
        f"    config.update(json.loads({small.to_json()!r}))\n    return config\n")
    preflight.main([f"--config={tmp_path / 'recipe.py'}", "--topology=v5e:2x2", "--config.compute.scan_layers=False",
                    f"--json={tmp_path / 'out.json'}", f"--hlo={tmp_path / 'out.hlo'}", "--price=1.2"])
    said = json.loads((tmp_path / "out.json").read_text())
    assert said["estimated_cycles"] == found.cycles.total() and said["hbm_bytes_per_chip"] == found.hbm_bytes
    assert said["cost"] == pytest.approx(1.2 * said["chip_hours"]) and said["mfu"] == found.mfu(found.overlapped)
    assert "HloModule" in (tmp_path / "out.hlo").read_text() and "overlapped" in capsys.readouterr().out


@pytest.mark.full
@pytest.mark.parametrize("name", CHIPS)
def test_every_kind_of_chip_has_an_estimate(slices, small, name):
    # Look-ups that are worth a SparseCore.
    small.model.update(dict(num_layers=1, vocab_size=30522, hidden_size=768, num_heads=12))
    found = estimate(prepared(configs.resolve(small), 4, 0, 0), *slices[name])
    assert found.fits and found.cycles.total() > 0 and found.chips == 4


@pytest.mark.full
def test_a_sweep_shows_what_fits_and_what_does_not(slices, small, tmp_path, capsys):
    (tmp_path / "recipe.py").write_text(
        "import json\nfrom bert_jax.config import recipe\n\n\ndef get_config():\n    config = recipe()\n"
        f"    config.update(json.loads({small.to_json()!r}))\n    return config\n")
    preflight.main([f"--config={tmp_path / 'recipe.py'}", "--topology=v5e:2x2", "--config.model.num_layers=1",
                    "--sweep", "batch_per_chip=8,300000", "mesh.fsdp=1,3", f"--json={tmp_path / 'out.json'}"])
    said = {one["setting"]: one for one in json.loads((tmp_path / "out.json").read_text())}
    assert [one["fits"] for one in said.values()] == [True, False, False, False]
    assert said["batch_per_chip=8, mesh.fsdp=1"]["batch_size"] == 32
    assert "does not fit" in said["batch_per_chip=8, mesh.fsdp=3"]["error"]
    assert capsys.readouterr().out.splitlines()[1].startswith("*  batch_per_chip=8,")
    with pytest.raises(UserError, match="has no values"):
        preflight.main([f"--config={tmp_path / 'recipe.py'}", "--topology=v5e:2x2", "--sweep", "mesh.fsdp"])


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
