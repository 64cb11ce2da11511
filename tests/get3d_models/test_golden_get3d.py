"""Our GET3D computes what the official system computed, on every network under $DRAG3D_GOLDEN/get3d."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from get3d_models import load
from get3d_models.marching import fill_degenerate, marching_tetrahedra
from get3d_models.tetgrid import load_grid

ROOT = Path(os.environ.get("DRAG3D_GOLDEN", Path(__file__).parents[1] / "data" / "golden")) / "get3d"
FOLDERS = sorted(p for p in ROOT.glob("*") if (p / "checkpoint.pt").is_file())


class Golden:
    """One folder: the network as we load it and what the official one gave."""

    def __init__(self, folder: Path):
        arguments = json.loads((folder / "config.json").read_text())
        self.psi, self.alt_psi = arguments["truncation_psi"], arguments["alt_psi"]
        kwargs = arguments["generator_kwargs"]
        self.arguments = arguments
        self.generator = load(
            folder / "checkpoint.pt",
            scale=kwargs["dmtet_scale"],
            grid_resolution=kwargs["tet_res"],
            deformation_multiplier=kwargs["deformation_multiplier"],
        )
        if kwargs["conv_clamp"] is None:
            self.generator = self.generator.with_config(conv_clamp=None)
        self.grid = load_grid(folder / "tet_grid.npz", kwargs["dmtet_scale"])
        self.generator.use_grid(self.grid)
        self.inputs = self._tensors(folder / "inputs.npz")
        self.outputs = self._tensors(folder / "outputs.npz")
        self.drag = self._tensors(folder / "drag.npz")
        self.ws_geometry = self.generator.map_geometry(self.inputs["geo_z"], self.psi)
        self.ws_texture = self.generator.map_texture(self.inputs["tex_z"], self.psi)
        self.planes = self.generator.triplanes(self.ws_geometry, self.ws_texture)

    @staticmethod
    def _tensors(path: Path) -> dict[str, torch.Tensor]:
        with np.load(path) as arrays:
            return {k: torch.from_numpy(np.asarray(arrays[k])) for k in arrays}


@pytest.fixture(scope="module", params=FOLDERS, ids=lambda p: p.name)
def golden(request: pytest.FixtureRequest) -> Golden:
    return Golden(request.param)


def close(ours: torch.Tensor, official: torch.Tensor, tolerance: float = 1e-5) -> None:
    assert ours.shape == official.shape
    assert float((ours - official).abs().max()) <= tolerance


def test_there_is_golden_data() -> None:
    assert FOLDERS, f"no golden networks under {ROOT}"


def test_the_rows_of_the_latents_are_counted_as_officially(golden: Golden) -> None:
    assert golden.generator.config.geometry_rows == golden.arguments["num_ws_geo"]
    assert golden.generator.config.texture_rows == golden.arguments["num_ws_tex"]


def test_latents_agree_with_and_without_truncation(golden: Golden) -> None:
    close(golden.ws_geometry, golden.outputs["ws_geo"])
    close(golden.ws_texture, golden.outputs["ws_tex"])
    close(golden.generator.map_geometry(golden.inputs["geo_z"], golden.alt_psi), golden.outputs["ws_geo_altpsi"])
    close(golden.generator.map_texture(golden.inputs["tex_z"], golden.alt_psi), golden.outputs["ws_tex_altpsi"])


def test_triplanes_agree(golden: Golden) -> None:
    assert golden.planes.texture is not None
    close(golden.planes.geometry[0].flatten(0, 1), golden.outputs["sdf_feature"])
    close(golden.planes.texture[0].flatten(0, 1), golden.outputs["tex_feature"])


def test_the_stored_noise_is_part_of_the_triplanes(golden: Golden) -> None:
    mean = torch.cat([golden.planes.geometry, golden.planes.texture], dim=1).abs().mean()
    assert float(mean) == pytest.approx(float(golden.outputs["planes_mean_abs"]), abs=1e-5)
    strengths = [p for n, p in golden.generator.named_parameters() if n.endswith("noise_strength")]
    before = [p.detach().clone() for p in strengths]
    try:
        for p in strengths:
            p.data.zero_()
        silent = golden.generator.triplanes(golden.ws_geometry, golden.ws_texture)
    finally:
        for p, value in zip(strengths, before, strict=True):
            p.data.copy_(value)
    mean = torch.cat([silent.geometry, silent.texture], dim=1).abs().mean()
    assert float(mean) == pytest.approx(float(golden.outputs["planes_nonoise_mean_abs"]), abs=1e-5)


def test_field_and_deformation_agree_at_points_inside_outside_and_on_the_corners(golden: Golden) -> None:
    generator, points = golden.generator, golden.outputs["query_positions"]
    features = generator.features(golden.planes.geometry, points.expand(len(golden.ws_geometry), -1, -1))
    close(generator.signed_distance(features, golden.ws_geometry), golden.outputs["query_sdf"])
    close(generator.deformation(features, golden.ws_geometry), golden.outputs["query_def"])
    close(features[0], golden.drag["query_geo_feature"])


def test_the_grid_file_is_read_as_officially(golden: Golden) -> None:
    close(golden.grid.vertices, golden.outputs["grid_verts"], 1e-7)
    assert golden.grid.center == int(golden.outputs["center_index"])
    assert torch.equal(golden.grid.boundary.nonzero()[:, 0], golden.outputs["boundary_indices"].long())
    low, length = golden.generator.box
    assert low == pytest.approx(float(golden.outputs["aabb_min"]), abs=1e-7)
    assert length == pytest.approx(float(golden.outputs["aabb_length"]), abs=1e-7)


def test_the_surface_has_the_very_same_faces_and_vertices(golden: Golden) -> None:
    for i in range(len(golden.ws_geometry)):
        sdf, deformation = golden.generator.grid_fields(
            golden.planes.geometry[i : i + 1], golden.ws_geometry[i : i + 1]
        )
        close(sdf, golden.outputs["grid_sdf"][i])
        vertices, faces = marching_tetrahedra(golden.grid, sdf, golden.grid.vertices + deformation)
        assert len(vertices) == int(golden.outputs["n_verts"][i])
        assert len(faces) == int(golden.outputs["n_faces"][i])
        if i == 0:
            close(deformation, golden.outputs["grid_def"])
            # Where the field hardly differs along an edge, the last digit of it moves a vertex by more than its own.
            close(vertices, golden.outputs["verts"], 5e-5)
            off = (vertices - golden.outputs["verts"]).abs().amax(dim=1)
            assert float((off < 2e-6).float().mean()) > 0.95
            assert torch.equal(faces, golden.outputs["faces"].long())


def test_colours_on_the_surface_agree(golden: Golden) -> None:
    generator, points = golden.generator, golden.outputs["surf_points"][None]
    assert golden.planes.texture is not None
    planes, ws = golden.planes.texture[:1], golden.ws_texture[:1]
    features = generator.texture_features(generator.features(planes, points), ws)
    close(features[0], golden.outputs["surf_tex_feat"])
    close(generator.raw_colors(features, ws)[0], golden.outputs["surf_rgb"])
    background = generator.raw_colors(torch.zeros_like(features[:, :1]), ws)
    close(background[0, 0], golden.outputs["background_rgb"])


@pytest.mark.parametrize("case", ["neg_near", "neg_far", "pos_near", "pos_far"])
def test_empty_and_full_shapes_fall_back_as_officially(golden: Golden, case: str) -> None:
    expected = {k.removeprefix(f"fallback_{case}_"): v for k, v in golden.outputs.items() if f"fallback_{case}_" in k}
    bias = golden.generator.sdf_decoder.layers[-1].bias
    before = bias.detach().clone()
    try:
        bias.data.fill_(float(expected["bias"]))
        sdf, deformation = golden.generator.grid_fields(golden.planes.geometry[:1], golden.ws_geometry[:1])
    finally:
        bias.data.copy_(before)
    filled = fill_degenerate(golden.grid, sdf[None])[0]
    close(filled, expected["sdf"], 1e-5 * max(1.0, float(expected["bias"].abs())))
    vertices, faces = marching_tetrahedra(golden.grid, filled, golden.grid.vertices + deformation)
    assert [len(vertices), len(faces)] == expected["counts"].tolist()
    if "verts" in expected:
        close(vertices, expected["verts"], 2e-5)
        assert torch.equal(faces, expected["faces"].long())
