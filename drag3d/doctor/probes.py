"""The trials themselves. They run in other processes, since some parts crash or hang where they do not work.

A trial returns what it found; an exception means that the part is here and broken. One that is not here is told from
one that fails by looking for it first.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import tempfile
from collections.abc import Callable
from pathlib import Path

from drag3d.doctor.finding import BROKEN, MISSING, WORKS, Finding
from get3d_models import optional_parts
from get3d_models.optional_parts import found, install_sentence, torch_build

ANSWER = "drag3d-doctor:"
"""Before the answer of a trial: what else stands on its standard output comes from libraries."""
OPENGL_REMEDY = "on Debian or Ubuntu: apt-get install -y libegl1 libgl1-mesa-dri"
REINSTALL = "install drag3d again"


def core() -> Finding:
    """PyTorch on the CPU, with a gradient."""
    import torch

    x = torch.arange(3.0, requires_grad=True)
    x.square().sum().backward()
    assert x.grad is not None and x.grad.tolist() == [0.0, 2.0, 4.0], "PyTorch's gradients are wrong"
    return Finding("core", WORKS, f"PyTorch {torch.__version__} computes, {os.cpu_count()} processors")


def models() -> Finding:
    """Each embedded model is loaded and makes something."""
    import torch

    from get3d_models import ImageGenerator, embedded_models, load

    names = embedded_models()
    if not names:
        return Finding("models", MISSING, "no embedded models: this installation lacks its files", REINSTALL)
    for name in names:
        generator = load(name)
        if isinstance(generator, ImageGenerator):
            values = torch.from_numpy(generator.sample(0)).float()
        else:
            center, ws = torch.zeros(1, 3), generator.latents(0).geometry[None]
            planes = generator.local_triplanes(ws, center, 0.01)  # the whole planes take longer
            values = generator.signed_distance(generator.features(planes, center[None]), ws)
        assert bool(torch.isfinite(values).all()), f"{name} makes numbers that are not finite"
    return Finding("models", WORKS, f"embedded: {', '.join(names)}")


def kernels() -> Finding:
    """A compiled numba kernel; without it PyTorch does the same, more slowly."""
    import numba
    import numpy as np

    @numba.njit
    def total(values: np.ndarray) -> float:
        result = 0.0
        for value in values:
            result += value
        return result

    assert total(np.arange(4.0)) == 6.0, "a compiled loop gives a wrong sum"
    return Finding("kernels", WORKS, f"numba {numba.__version__} compiles")


def cuda() -> Finding:
    """A multiplication on the GPU."""
    if torch_build().version and torch_build().cuda is None:
        return Finding(
            "CUDA", MISSING, "this PyTorch is built without CUDA", f"for an NVIDIA GPU {install_sentence('torch')}"
        )
    import torch

    if not torch.cuda.is_available():
        built = f"PyTorch is built for CUDA {torch.version.cuda}, but finds no NVIDIA GPU or no driver for it"
        return Finding("CUDA", MISSING, built, "if there is one, its driver may be too old: nvidia-smi tells")
    x = torch.eye(4, device="cuda")
    assert torch.equal((x @ x).cpu(), torch.eye(4)), "a multiplication on the GPU is wrong"
    return Finding("CUDA", WORKS, f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}")


def mps() -> Finding:
    """A multiplication on Apple's GPU."""
    if platform.system() != "Darwin":
        return Finding("MPS", MISSING, "only Macs have it")
    import torch

    if not torch.backends.mps.is_available():
        return Finding("MPS", MISSING, "PyTorch finds no GPU of Apple's", "it needs macOS 12.3 and Apple silicon")
    x = torch.eye(4, device="mps")
    assert torch.equal((x @ x).cpu(), torch.eye(4)), "a multiplication on the GPU is wrong"
    return Finding("MPS", WORKS, f"PyTorch {torch.__version__}, {platform.machine()}")


def nvdiffrast() -> Finding:
    """One triangle, rasterised on the GPU."""
    remedy = install_sentence("nvdiffrast")
    if importlib.util.find_spec("nvdiffrast") is None:
        return Finding("nvdiffrast", MISSING, "not installed, our own renderer draws", remedy)
    import torch

    if not torch.cuda.is_available():
        return Finding("nvdiffrast", BROKEN, "installed, but it needs CUDA; our own renderer draws")
    import nvdiffrast.torch as library

    corners = torch.tensor([[[-1.0, -1, 0, 1], [3, -1, 0, 1], [-1, 3, 0, 1]]], device="cuda")
    faces = torch.tensor([[0, 1, 2]], dtype=torch.int32, device="cuda")
    raster, _ = library.rasterize(library.RasterizeCudaContext(), corners, faces, resolution=[8, 8])
    assert bool((raster[..., 3] == 1).all()), "a triangle that covers the picture does not"
    return Finding("nvdiffrast", WORKS, f"version {getattr(library, '__version__', 'unknown')}")


def kaolin() -> Finding:
    """A ball's surface by FlexiCubes, and whether USD files can be written."""
    remedy = f"for FlexiCubes models and USD files, {install_sentence('kaolin')}"
    here = optional_parts.find_kaolin()
    if here.module is None:
        return Finding("kaolin", BROKEN if here.installed else MISSING, here.why_not, remedy)
    from get3d_models.cubegrid import cube_grid
    from get3d_models.flexicubes import WEIGHTS, flexicubes_surface

    grid = cube_grid(8)
    field = grid.vertices.norm(dim=1) - 0.3
    _, faces = flexicubes_surface(grid, field, grid.vertices, lambda corners: field.new_zeros(len(corners), WEIGHTS))
    assert len(faces) > 0, "FlexiCubes finds no surface on a ball"
    pixar = found("pxr.Usd")
    version = f"version {getattr(here.module, '__version__', 'unknown')}, FlexiCubes works"
    if pixar.module is None:
        return Finding("kaolin", WORKS, f"{version}, USD files do not: {pixar.why_not}", install_sentence("usd"))
    return Finding("kaolin", WORKS, f"{version}, USD files too")


def video() -> Finding:
    """Two frames of an MP4, as animations are written."""
    import numpy as np

    from drag3d.export.animation import missing_for, write_animation

    if missing := missing_for("a.mp4"):
        return Finding("video", MISSING, missing)
    import av

    with tempfile.TemporaryDirectory(prefix="drag3d-doctor-", ignore_cleanup_errors=True) as folder:
        frames = [np.full((16, 16, 3), level, dtype=np.uint8) for level in (0, 255)]
        written = write_animation(Path(folder, "a.mp4"), frames, hold=0.0)
        with av.open(str(written)) as container:
            count = sum(1 for _ in container.decode(video=0))
    assert count == 2, f"of 2 frames {count} came back"
    return Finding("video", WORKS, f"FFmpeg with x264, in PyAV {av.__version__}")


def opengl() -> Finding:
    """A picture drawn by VTK without a window."""
    import numpy as np
    import pyvista

    plotter = pyvista.Plotter(off_screen=True, window_size=[32, 32])
    plotter.add_mesh(pyvista.Sphere(), color="red")
    picture = np.asarray(plotter.screenshot(return_img=True))
    assert picture.std() > 1, "the picture is empty"
    window = type(plotter.render_window).__name__
    plotter.close()
    version = ".".join(map(str, tuple(pyvista.vtk_version_info)[:3]))
    return Finding("OpenGL", WORKS, f"VTK {version} draws without a window ({window})")


PROBES: dict[str, Callable[[], Finding]] = {
    probe.__name__: probe for probe in (core, models, kernels, cuda, mps, nvdiffrast, kaolin, video, opengl)
}


def main(names: list[str]) -> None:
    """Try parts one after the other, and print a line for each as soon as it is known."""
    for name in names:
        try:
            finding = PROBES[name]()
        except Exception as error:
            first = str(error).strip().partition("\n")[0]
            finding = Finding(name, BROKEN, f"{type(error).__name__}: {first}" if first else type(error).__name__)
        print(ANSWER + json.dumps({"probe": name, **finding.to_dict()}), flush=True)
