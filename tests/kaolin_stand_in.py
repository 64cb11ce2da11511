"""A small kaolin, for machines without NVIDIA's: the parts that are used, with the real ones' signatures and rules.

Its FlexiCubes is the plain dual method (one vertex in each crossed cube, at the mean of its edges' crossings): closed
and oriented as the real one's meshes are, with vertices elsewhere. It remembers what it was called with.
"""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from get3d_models import optional_parts


class FlexiCubes:
    """Negative is inside; faces look to where the field grows."""

    calls: ClassVar[list[dict[str, Any]]] = []

    def __init__(self, device: str = "cuda") -> None:
        self.device = device

    def __call__(
        self,
        voxelgrid_vertices: Tensor,
        scalar_field: Tensor,
        cube_idx: Tensor,
        resolution: int,
        qef_reg_scale: float = 1e-3,
        weight_scale: float = 0.99,
        beta: Tensor | None = None,
        alpha: Tensor | None = None,
        gamma_f: Tensor | None = None,
        training: bool = False,
        output_tetmesh: bool = False,
        grad_func: Any = None,
        voxelgrid_features: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        count = resolution**3
        assert (
            voxelgrid_vertices.shape == ((resolution + 1) ** 3, 3)
            and scalar_field.shape == voxelgrid_vertices.shape[:1]
        )
        assert cube_idx.shape == (count, 8) and cube_idx.dtype == torch.int64
        assert beta is not None and beta.shape == (count, 12)
        assert alpha is not None and alpha.shape == (count, 8)
        assert gamma_f is not None and gamma_f.shape == (count,)
        FlexiCubes.calls.append({k: v for k, v in locals().items() if k != "self"})
        places, number = _dual_vertices(voxelgrid_vertices, scalar_field, cube_idx)
        faces = _dual_faces(scalar_field, number.reshape([resolution] * 3), resolution)
        return places, faces, torch.zeros(len(places))


def _dual_vertices(places: Tensor, field: Tensor, cubes: Tensor) -> tuple[Tensor, Tensor]:
    """A vertex for each crossed cube, and for each cube the number of its vertex, -1 for none."""
    edges = torch.tensor([(i, i | bit) for bit in (1, 2, 4) for i in range(8) if not i & bit])
    s, p = field[cubes][:, edges], places[cubes][:, edges]  # (C, 12, 2), (C, 12, 2, 3)
    crossed = (s[..., 0] < 0) != (s[..., 1] < 0)
    crossing = (p[:, :, 0] * s[..., 1:] - p[:, :, 1] * s[..., :1]) / (s[..., 1:] - s[..., :1])
    counts = crossed.sum(dim=1)
    mean = torch.where(crossed[..., None], crossing, 0.0).sum(dim=1) / counts[:, None].clamp_min(1)
    used = counts > 0
    return mean[used], torch.where(used, used.cumsum(0) - 1, -1)


def _dual_faces(field: Tensor, number: Tensor, resolution: int) -> Tensor:
    """Two triangles across each grid edge that is crossed and has four cubes around it."""
    inside = (field < 0).reshape([resolution + 1] * 3)
    faces = [torch.zeros(0, 3, dtype=torch.int64)]
    for axis in range(3):
        turn = [axis, (axis + 1) % 3, (axis + 2) % 3]  # the other two axes turn counter-clockwise around the first
        around, cubes = inside.permute(turn), number.permute(turn)
        start, end = around[:-1, 1:-1, 1:-1], around[1:, 1:-1, 1:-1]
        quad = torch.stack([cubes[:, :-1, :-1], cubes[:, 1:, :-1], cubes[:, 1:, 1:], cubes[:, :-1, 1:]], dim=3)
        for chosen, corners in ((start & ~end, quad), (~start & end, quad.flip(3))):
            found = corners[chosen]
            faces += [found[:, [0, 1, 2]], found[:, [0, 2, 3]]]
    return torch.cat(faces)


class SurfaceMesh:
    """Holds the tensors it is given; a batch is a list of meshes, or vertices (B, V, 3) with faces in common."""

    def __init__(
        self,
        vertices: Any,
        faces: Any,
        vertex_normals: Any = None,
        vertex_colors: Any = None,
        strict_checks: bool = True,
        unset_attributes_return_none: bool = True,
        allow_auto_compute: bool = True,
    ) -> None:
        assert torch.is_tensor(vertices) or type(vertices) is list
        self.vertices, self.faces = vertices, faces
        given = {"vertex_normals": vertex_normals, "vertex_colors": vertex_colors}
        for name, value in given.items():
            if value is not None:  # as in kaolin, what was not given is not there
                setattr(self, name, value)

    def __len__(self) -> int:
        if isinstance(self.vertices, list):
            return len(self.vertices)
        return 1 if self.vertices.ndim == 2 else len(self.vertices)

    def has_attribute(self, attr: str) -> bool:
        return attr in self.__dict__


class Intrinsics:
    """A lens; the matrix is that of the classes below, batched."""

    def __init__(self, width: int, height: int, near: float, far: float, matrices: Tensor) -> None:
        self.width, self.height, self.near, self.far, self.matrices = width, height, near, far, matrices
        self.ndc_min, self.ndc_max = -1, 1

    def projection_matrix(self) -> Tensor:
        return self.matrices

    @classmethod
    def pinhole(cls, width: int, height: int, focal: Tensor, near: float = 1e-2, far: float = 1e2) -> Intrinsics:
        """As ``PinholeIntrinsics``: focal lengths (B,) in pixels; OpenGL's clip space, y up."""
        matrices = torch.zeros(len(focal), 4, 4)
        matrices[:, 0, 0], matrices[:, 1, 1] = 2 * focal / width, 2 * focal / height
        matrices[:, 2, 2], matrices[:, 2, 3] = -(far + near) / (far - near), -2 * far * near / (far - near)
        matrices[:, 3, 2] = -1
        return cls(width, height, near, far, matrices)

    @classmethod
    def orthographic(cls, width: int, height: int, distance: float, near: float = 1e-2, far: float = 1e2) -> Intrinsics:
        """As ``OrthographicIntrinsics``: half of the picture's height is ``distance`` world units."""
        matrices = torch.eye(4)[None].clone()
        matrices[:, 0, 0], matrices[:, 1, 1] = height / (distance * width), 1 / distance
        matrices[:, 2, 2], matrices[:, 2, 3] = -2 / (far - near), -(far + near) / (far - near)
        return cls(width, height, near, far, matrices)


class Camera:
    """Extrinsics and intrinsics in one; the view matrices (B, 4, 4) are world to camera, which looks along -z."""

    __module__ = "kaolin.render.camera.camera"

    def __init__(self, views: Tensor, intrinsics: Intrinsics) -> None:
        self.views, self.intrinsics = views, intrinsics

    def __len__(self) -> int:
        return len(self.views)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError
        return getattr(self.intrinsics, name)

    def view_matrix(self) -> Tensor:
        return self.views


def export_mesh(
    file_path: str,
    scene_path: str = "/World/Meshes/mesh_0",
    vertices: Tensor | None = None,
    faces: Tensor | None = None,
    uvs: Any = None,
    face_uvs_idx: Any = None,
    face_normals: Tensor | None = None,
    material_assignments: Any = None,
    materials: Any = None,
    up_axis: str = "Y",
    time: Any = None,
) -> Any:
    """A new file, by Pixar's library, with a mesh of triangles in it."""
    from pxr import Usd, UsdGeom, Vt

    assert os.path.isdir(os.path.dirname(file_path)) and not os.path.exists(file_path)
    stage = Usd.Stage.CreateNew(file_path)
    stage.SetDefaultPrim(stage.DefinePrim("/World", "Xform"))
    UsdGeom.SetStageUpAxis(stage, up_axis)
    mesh = UsdGeom.Mesh.Define(stage, scene_path)
    assert faces is not None and vertices is not None
    mesh.GetFaceVertexCountsAttr().Set([faces.size(1)] * faces.size(0))
    mesh.GetFaceVertexIndicesAttr().Set(faces.view(-1).cpu().long().numpy())
    mesh.GetPointsAttr().Set(Vt.Vec3fArray.FromNumpy(vertices.detach().cpu().float().numpy()))
    if face_normals is not None:
        mesh.GetNormalsAttr().Set(face_normals.reshape(-1, 3).cpu().float().numpy())
        UsdGeom.PointBased(mesh).SetNormalsInterpolation("faceVarying")
    stage.Save()
    return stage


def _modules() -> dict[str, ModuleType]:
    """The package, its modules by their dotted names."""
    contents: dict[str, dict[str, Any]] = {
        "kaolin": {"__version__": "0.0-stand-in", "__path__": []},
        "kaolin.ops": {"__path__": []},
        "kaolin.ops.conversions": {"FlexiCubes": FlexiCubes},
        "kaolin.rep": {"SurfaceMesh": SurfaceMesh},
        "kaolin.render": {"__path__": []},
        "kaolin.render.camera": {"Camera": Camera},
        "kaolin.io": {"__path__": []},
        "kaolin.io.usd": {"export_mesh": export_mesh},
    }
    modules = {}
    for name, entries in contents.items():
        modules[name] = ModuleType(name)
        for key, value in entries.items():
            setattr(modules[name], key, value)
        parent, _, last = name.rpartition(".")
        if parent:
            setattr(modules[parent], last, modules[name])
    return modules


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """For one test, make ``import kaolin`` find this package; recorded calls are forgotten."""
    uninstall(monkeypatch)
    for name, module in _modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(FlexiCubes, "calls", [])


def uninstall(monkeypatch: pytest.MonkeyPatch) -> None:
    """For one test, let there be no kaolin, wherever the tests run."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "kaolin"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "kaolin", None)
    monkeypatch.setattr(optional_parts, "find_kaolin", lambda: optional_parts.found("kaolin"))
