"""Parts that no package index has for everyone: whether they are here, and the sentence that says how to get them.

PyPI has no nvdiffrast, and what it calls kaolin is a placeholder that raises on import. Both come from NVIDIA, built
for one version of PyTorch and of CUDA, so no extra of a Python package can name them. Every message about them, those
of ``drag3d doctor`` included, takes its words from here.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import re
import runpy
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from get3d_models.errors import InputError

KAOLIN_WHEELS = "https://nvidia-kaolin.s3.us-east-2.amazonaws.com"
NVDIFFRAST_SOURCE = "git+https://github.com/NVlabs/nvdiffrast.git"
PLACEHOLDER = "the package that PyPI calls kaolin is a placeholder"
REASON_LENGTH = 160  # of what other programs say, in messages


@dataclass(frozen=True)
class Found:
    """The outcome of importing an optional part: the module, or why there is none."""

    module: ModuleType | None
    why_not: str = ""
    """One phrase; empty where the module is there."""
    installed: bool = True
    """Whether something of that name is installed, be it that it does not import"""


def install_sentence(part: str) -> str:
    """How to install ``part``, in one sentence without a full stop.

    Known are "kaolin", "nvdiffrast", "usd" (Pixar's library, through which kaolin writes USD files) and "torch".
    """
    sentences = {
        "kaolin": f"install it from NVIDIA's own index: {kaolin_command()} (that index lists for which versions of "
        "PyTorch there are wheels)",
        "nvdiffrast": "with the CUDA toolkit installed: pip install setuptools wheel ninja, then pip install "
        f"--no-build-isolation {NVDIFFRAST_SOURCE} (its licence is for research and evaluation)",
        "usd": "pip install usd-core",
        "torch": "install PyTorch as https://pytorch.org/get-started/locally says",
    }
    return sentences[part]


def kaolin_command() -> str:
    """The pip command that installs kaolin for the PyTorch that is here; a general one where there is none.

    A lower bound on the version keeps pip from falling back on PyPI's placeholder, 0.1.
    """
    return f'pip install "kaolin>=0.16" -f {KAOLIN_WHEELS}/{_wheel_page()}'


def _wheel_page() -> str:
    torch = torch_build()
    version = re.match(r"[0-9.]*[0-9]", torch.version)
    return f"torch-{version[0] if version else 'X'}_cu{torch.cuda.replace('.', '') if torch.cuda else 'Y'}.html"


@dataclass(frozen=True)
class TorchBuild:
    """Which PyTorch is installed."""

    version: str
    """Such as "2.13.0+cpu"; empty where there is none"""
    cuda: str | None
    """The version of CUDA that it was built for; None for none"""


@functools.cache
def torch_build() -> TorchBuild:
    """The installed PyTorch, without importing it, which takes a second."""
    try:
        spec = importlib.util.find_spec("torch")
        assert spec is not None and spec.submodule_search_locations
        names = runpy.run_path(str(Path(spec.submodule_search_locations[0], "version.py")))
        return TorchBuild(str(names["__version__"]), names["cuda"])
    except Exception:  # a build that says it elsewhere
        return TorchBuild("", None)


def kaolin_is_available() -> bool:
    """Whether NVIDIA's kaolin can be imported here; tried once per process."""
    return find_kaolin().module is not None


@functools.cache
def find_kaolin() -> Found:
    """The module ``kaolin``, or in one phrase why it cannot be used; imported when first asked for, in seconds."""
    return found("kaolin")


def found(name: str) -> Found:
    """A module by its dotted name, or in one phrase why it cannot be imported; never raises."""
    package = name.partition(".")[0]
    try:
        importlib.import_module(package)
        return Found(importlib.import_module(name))
    except ModuleNotFoundError as error:
        if error.name == package:
            return Found(None, f"{package} is not installed", installed=False)
        return Found(None, f"{name} does not import: {_reason(error)}")
    except Exception as error:  # whatever a build for another PyTorch or CUDA may raise
        if name == "kaolin" and "placeholder" in str(error):
            return Found(None, f"{PLACEHOLDER} (pip uninstall kaolin)")
        return Found(None, f"{name} does not import: {_reason(error)}")


def require_kaolin(purpose: str) -> ModuleType:
    """The module ``kaolin``; InputError says what needs it, why it is not there, and how to install it.

    ``purpose`` begins the sentence: "USD files" or "this FlexiCubes model's surface".
    """
    kaolin = find_kaolin()
    if kaolin.module is None:
        raise InputError(f"{purpose} needs kaolin, but {kaolin.why_not}; {install_sentence('kaolin')}")
    return kaolin.module


def _reason(error: Exception) -> str:
    first = str(error).strip().split("\n", maxsplit=1)[0][:REASON_LENGTH]
    return first or type(error).__name__
