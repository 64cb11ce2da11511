"""Which device to compute on."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from get3d_models.errors import InputError

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@lru_cache(maxsize=4096)
def constant(values: tuple[Any, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """A small tensor of these numbers, kept: to bring it to a CUDA device anew makes the program wait for that.

    Nobody may change it.
    """
    import torch

    with torch.inference_mode(False):  # what is made in that mode could never serve a gradient
        return torch.tensor(values, dtype=dtype, device=device)


def full_precision() -> None:
    """Let CUDA convolve in float32. TF32, which PyTorch takes for that, is wrong in the fourth digit.

    Handles are placed by differences of features that are smaller than that. It holds for the whole process.
    """
    import torch

    torch.backends.cudnn.allow_tf32 = False


def chosen_device(name: str) -> str:
    """A device that is there, for torch; InputError when it is not."""
    import torch

    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return "cuda" if there["cuda"] else "cpu"
    if not there[name]:
        usable = ", ".join(key for key, found in there.items() if found)
        raise InputError(f"device {name} is not available on this machine; available: {usable}. Or use --device auto")
    return name
