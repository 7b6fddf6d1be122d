import types

import pytest

from bert_jax import config as configs
from bert_jax.verification import speed


def test_a_run_has_a_speed_and_its_data_comes_faster(run_recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(speed, "STEPS", 3)
    found = {one.what: one for one in speed.check(configs.resolve(run_recipe), tmp_path)}
    assert list(found) == [
        "a step",
        "preflight's prediction",
        "memory a device",
        "the input pipeline",
    ]
    assert (
        "sequences a second" in found["a step"].found
        and "by shapes" in found["memory a device"].found
    )
    assert (
        found["preflight's prediction"].passed is None
        and "no TPU" in found["preflight's prediction"].found
    )
    assert "times the step's" in found["the input pipeline"].found


@pytest.mark.parametrize("seconds, passed", [(1.1, True), (0.9, True), (0.7, False), (2.6, False)])
def test_a_prediction_holds_or_does_not(run_recipe, monkeypatch, seconds, passed):
    told = types.SimpleNamespace(fits=True, overlapped=1.0, serial=2.0)
    monkeypatch.setattr(speed, "estimate", lambda *args: told)
    monkeypatch.setattr(speed, "prepared", lambda config, *args: config)
    mesh = types.SimpleNamespace(size=4, devices=types.SimpleNamespace(flat=[None] * 4))
    config = configs.resolve(run_recipe)
    (found,) = speed._prediction(config, mesh, "v5e", seconds)
    assert found.passed is passed and "1000.00 to 2000.00 ms" in found.found
