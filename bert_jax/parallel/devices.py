"""What is known of devices by the names that JAX gives them."""

import re

# Operations a second of matrix products in bfloat16 with float32 sums, dense, as Google and NVIDIA publish them.
PEAKS = {
    "TPU v4": 275e12, "TPU v5 lite": 197e12, "TPU v5e": 197e12, "TPU v5": 459e12, "TPU v5p": 459e12,
    "TPU v6 lite": 918e12, "TPU v6e": 918e12,
    "NVIDIA A100": 312e12, "NVIDIA H100 PCIe": 756e12, "NVIDIA H100": 989e12, "NVIDIA H200": 989e12,
    "NVIDIA L4": 121e12,
}


def peak_of(kind: str) -> float | None:
    """The peak of a device of this kind, or None if it is not known; GPUs' names may go on with their memory."""
    known = [name for name in PEAKS if re.match(rf"{name}\b", kind)]
    return PEAKS[max(known, key=len)] if known else None
