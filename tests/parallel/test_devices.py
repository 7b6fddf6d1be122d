import pytest

from bert_jax.parallel.devices import peak_of
from bert_jax.preflight.chips import CHIPS
from bert_jax.verification.speed import KINDS


@pytest.mark.parametrize("kind, peak", [
    ("NVIDIA H100 80GB HBM3", 989e12), ("NVIDIA H100 PCIe", 756e12), ("NVIDIA A100-SXM4-80GB", 312e12),
    ("NVIDIA L4", 121e12), ("NVIDIA L40S", None), ("TPU v5 lite", 197e12), ("TPU v5", 459e12), ("cpu", None)])
def test_peaks_by_name(kind, peak):
    assert peak_of(kind) == peak


def test_preflight_has_the_same_peaks():
    for kind, name in KINDS.items():
        assert CHIPS[name].peak == pytest.approx(peak_of(kind), rel=0.005)
