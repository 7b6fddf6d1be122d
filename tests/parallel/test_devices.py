import pytest

from bert_jax.parallel.devices import DEVICES, TPUS, device_of, peak_of


@pytest.mark.parametrize(
    "kind, peak",
    [
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA L4", 121e12),
        ("NVIDIA L40S", None),
        ("TPU v5 lite", 197e12),
        ("TPU v5", 459e12),
        ("cpu", None),
    ],
)
def test_peaks_by_name(kind, peak):
    assert peak_of(kind) == peak


def test_clocks_of_tpus_give_the_published_peaks():
    assert list(TPUS) == ["v4", "v5e", "v5p", "v6e"]
    for name, tpu in TPUS.items():
        assert tpu.peak == pytest.approx(DEVICES[name].peak, rel=0.005)
        for kind in DEVICES[name].kinds:
            assert device_of(kind) is DEVICES[name]
