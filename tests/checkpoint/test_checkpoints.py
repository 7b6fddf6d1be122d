import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bert_jax.checkpoint import digests
from bert_jax.checkpoint.checkpoints import Checkpoints
from bert_jax.errors import UserError

MODEL = {"model": {"num_layers": 12, "vocab_size": 11}}


def trees(step):
    return {"bert": {"w": jnp.arange(1000.0) + step}}, {"mu": jnp.full((1000,), step, jnp.float32)}


def shapes(tree):
    sharding = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), tree)


def saved(directory, steps, **options):
    checkpoints = Checkpoints(directory, **options)
    for step in steps:
        checkpoints.save(step, *trees(step), MODEL)
    checkpoints.close()


def flip_a_bit(directory):
    target = max((p for p in directory.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    content = bytearray(target.read_bytes())
    content[len(content) // 2] ^= 1
    target.write_bytes(content)
    return target


def test_round_trip_and_what_is_kept(tmp_path):
    saved(tmp_path / "c", range(1, 7), keep=2, keep_every=3)
    checkpoints = Checkpoints(tmp_path / "c", keep=2, keep_every=3)
    assert checkpoints.steps() == [3, 5, 6] and checkpoints.latest_good() == 6
    params, optimizer = checkpoints.restore(6, MODEL, *map(shapes, trees(6)))
    jax.tree.map(np.testing.assert_array_equal, (params, optimizer), trees(6))
    params, optimizer = checkpoints.restore(3, MODEL, shapes(trees(3)[0]))
    jax.tree.map(np.testing.assert_array_equal, params, trees(3)[0])
    assert optimizer is None


def test_the_best_stays_and_later_ones_can_be_dropped(tmp_path):
    checkpoints = Checkpoints(tmp_path / "c", keep=1)
    for step, score in ((1, 0.1), (2, 0.7), (3, 0.5), (4, 0.7), (5, None)):
        checkpoints.save(step, *trees(step), MODEL, score)
    checkpoints.wait()
    assert checkpoints.steps() == [2, 5]
    again = Checkpoints(tmp_path / "c", keep=1)  # what was the best is known to the next process
    again.save(6, *trees(6), MODEL, 0.6)
    again.wait()
    assert again.steps() == [2, 6]
    again.drop_after(2)
    assert again.steps() == [2] and again.latest_good() == 2
    assert Checkpoints(tmp_path / "c", read_only=True).latest_good() == 2


def test_every_array_file_has_a_digest(tmp_path):
    saved(tmp_path / "c", [1])
    step = tmp_path / "c" / "1"
    digested = set(json.loads((step / digests.NAME).read_text()))
    files = {
        str(p.relative_to(step))
        for part in ("params", "optimizer", "about")
        for p in (step / part).rglob("*")
        if p.is_file()
    }
    assert digested == files and len(files) > 6


@pytest.mark.parametrize("damage", ["flip", "truncate", "delete", "no digests"])
def test_damage_is_seen_and_set_aside(tmp_path, damage):
    saved(tmp_path / "c", [1, 2], keep=2)
    step = tmp_path / "c" / "2"
    if damage == "no digests":
        (step / digests.NAME).unlink()
    else:
        target = flip_a_bit(step / "optimizer")
        if damage == "truncate":
            target.write_bytes(target.read_bytes()[:-1])
        if damage == "delete":
            target.unlink()
    reader = Checkpoints(tmp_path / "c", read_only=True)
    with pytest.raises(UserError, match="checkpoint 2 in .* is damaged"):
        reader.restore(2, MODEL, *map(shapes, trees(2)))
    assert reader.latest_good() == 1 and step.exists()

    checkpoints = Checkpoints(tmp_path / "c", keep=2)
    assert checkpoints.latest_good() == 1
    assert not step.exists() and len(list((tmp_path / "c").glob("damaged-2-*"))) == 1
    checkpoints.save(2, *trees(2), MODEL)  # the step can be saved again
    checkpoints.wait()
    assert checkpoints.latest_good() == 2


def test_no_good_checkpoint_is_an_error_and_none_is_none(tmp_path):
    assert Checkpoints(tmp_path / "new").latest_good() is None
    saved(tmp_path / "c", [1])
    flip_a_bit(tmp_path / "c" / "1" / "params")
    for _ in range(2):  # and stays one: a second try does not start anew
        with pytest.raises(UserError, match="no checkpoint .* is intact"):
            Checkpoints(tmp_path / "c").latest_good()


def test_another_model_is_refused_by_name(tmp_path):
    saved(tmp_path / "c", [1])
    with pytest.raises(UserError, match="of another model") as error:
        Checkpoints(tmp_path / "c").restore(
            1, {"model": {"num_layers": 3, "vocab_size": 11}}, *map(shapes, trees(1))
        )
    assert "model.num_layers = 12" in str(error.value) and "model.num_layers = 3" in str(
        error.value
    )


def test_saving_does_not_see_what_is_overwritten_after(tmp_path):
    """The step donates the state that is being saved in the background."""
    checkpoints = Checkpoints(tmp_path / "c")
    bump = jax.jit(lambda x: x + 1, donate_argnums=0)
    x = jnp.zeros((2000, 500))
    checkpoints.save(1, {"bert": {"w": x}}, {"count": jnp.zeros(1)}, MODEL)
    for _ in range(20):
        x = bump(x)
    x.block_until_ready()
    checkpoints.wait()
    restored, _ = checkpoints.restore(1, MODEL, shapes({"bert": {"w": x}}))
    assert np.all(restored["bert"]["w"] == 0)


def test_what_a_kill_left_half_written_is_removed(tmp_path):
    saved(tmp_path / "c", [1])
    half = tmp_path / "c" / "2.orbax-checkpoint-tmp"
    (half / "params").mkdir(parents=True)
    Checkpoints(tmp_path / "c", read_only=True)
    assert half.exists()
    checkpoints = Checkpoints(tmp_path / "c")
    assert not half.exists() and checkpoints.latest_good() == 1
