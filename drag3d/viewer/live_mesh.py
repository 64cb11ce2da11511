"""Meshes of a shape as the window draws them: from scratch, or near the last one while it changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drag3d.session import Session
from drag3d.viewer.feature_colors import FeatureColors, surface_features
from get3d_models.mesh import vertex_normals
from get3d_models.refresh import SurfaceRefresh


@dataclass(frozen=True, eq=False)
class DrawnMesh:
    """Arrays as in ``ShapeShown``."""

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    normals: NDArray[np.float32]
    colors: NDArray[np.uint8]
    features: NDArray[np.uint8] | None = None


def whole_mesh(session: Session, latents: Any, feature_colors: FeatureColors | None) -> DrawnMesh:
    """The mesh of latents of the session, extracted from scratch, with the smoothest normals."""
    shape = session.shape_of(latents)
    if len(shape.faces) == 0:
        return _drawn(shape.vertices[:0], shape.faces, shape.vertices[:0], shape.vertices[:0], None)
    features = None
    if feature_colors is not None:
        features = feature_colors.of(
            surface_features(shape.generator, shape.planes.geometry, shape.latents, shape.vertices)
        )
    return _drawn(shape.vertices, shape.faces, shape.normals, shape.vertex_colors, features)


def original_features(session: Session) -> Tensor:
    """Features ``(V, C)`` at the vertices of the session's start."""
    shape = session.original_shape
    return surface_features(shape.generator, shape.planes.geometry, shape.latents, shape.vertices)


class LiveMesh:
    """The mesh of a session whose latents change a little at a time. One synthesis serves surface and colours."""

    def __init__(self, session: Session):
        self.session = session
        self._refresh = SurfaceRefresh(session.generator)
        if session.last_drag is not None:
            before: Any = session.last_drag.before.latents
            self._refresh.remember(session.shape_of(before))

    def __call__(self, feature_colors: FeatureColors | None) -> DrawnMesh:
        """The session's present mesh; its normals are averaged from faces, which costs a twentieth."""
        generator, device = self.session.generator, self.session.generator.device
        latents = self.session.latents
        geometry, texture = latents.geometry.to(device), latents.texture.to(device)
        vertices, faces = self._refresh(geometry, ws_texture=texture)
        planes = self._refresh.planes
        assert planes is not None and planes.texture is not None
        if len(faces) == 0:
            return _drawn(vertices[:0], faces, vertices[:0], vertices[:0], None)
        with torch.no_grad():
            colors = generator.colors(planes.texture, texture[None], vertices[None])[0]
        features = None
        if feature_colors is not None:
            features = feature_colors.of(surface_features(generator, planes.geometry, latents, vertices))
        return _drawn(vertices, faces, vertex_normals(vertices, faces), colors, features)


def _drawn(
    vertices: Tensor, faces: Tensor, normals: Tensor, colors: Tensor, features: NDArray[np.uint8] | None
) -> DrawnMesh:
    return DrawnMesh(
        vertices.detach().cpu().numpy(),
        faces.cpu().to(torch.int32).numpy(),
        normals.detach().cpu().numpy(),
        (colors.detach() * 255).round().clamp(0, 255).to(torch.uint8).cpu().numpy(),
        features,
    )
