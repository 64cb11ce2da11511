"""Our StyleGAN2 computes what the official system computed, from every file under $DRAG3D_GOLDEN/stylegan2."""

from __future__ import annotations

import json
import os
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from get3d_models import load
from get3d_models.checkpoint import open_model, read_header, write_generator
from get3d_models.stylegan2 import ImageGenerator

ROOT = Path(os.environ.get("DRAG3D_GOLDEN", Path(__file__).parents[1] / "data" / "golden")) / "stylegan2"
FILES = sorted(p for p in ROOT.glob("*/*") if p.suffix in (".pkl", ".pt", ".pth", ".safetensors"))
TOLERANCE = 2e-5
GRADIENT_TOLERANCE = 3e-4  # of the gradient's maximum


def arrays(path: Path) -> dict[str, Tensor]:
    with np.load(path) as file:
        return {k: torch.from_numpy(np.asarray(file[k])) for k in file}


@cache
def generator_of(path: Path) -> ImageGenerator:
    found = load(path)
    assert isinstance(found, ImageGenerator)
    return found


def recorded(folder: Path) -> Path | None:
    """The folder with the outputs of a folder's weights: itself, or the one whose generator has the same weights."""
    if (folder / "outputs.npz").is_file():
        return folder
    ours = generator_of(next(p for p in FILES if p.parent == folder)).state_dict()
    for other in sorted({p.parent for p in FILES}):
        if not (other / "outputs.npz").is_file():
            continue
        theirs = generator_of(next(p for p in FILES if p.parent == other)).state_dict()
        if theirs.keys() == ours.keys() and all(torch.equal(theirs[k], v) for k, v in ours.items()):
            return other
    return None


class Golden:
    """One file as we load it, and what the official network of these weights gave."""

    def __init__(self, path: Path):
        self.path = path
        self.generator = generator_of(path)
        self.stored_noise = not any("noise is not in the file" in note for note in open_model(path).notes)
        folder = recorded(path.parent)
        if folder is None:
            pytest.skip(f"there are no outputs of the weights of {path}")
        self.arguments = json.loads((folder / "config.json").read_text())
        self.outputs = arrays(folder / "outputs.npz")
        inputs = arrays(folder / "inputs.npz") if (folder / "inputs.npz").is_file() else {}
        self.z = inputs["z"] if "z" in inputs else self.outputs["z"]
        c = inputs.get("c", self.outputs.get("c"))
        self.label = c if c is not None and c.shape[1] else None

    def found(self, pattern: str) -> list[tuple[str, ...]]:
        """The groups of all recorded outputs whose names match."""
        return [m.groups() for key in self.outputs if (m := re.fullmatch(pattern, key))]

    def ws(self, tag: str) -> Tensor:
        """Our latent rows for a tag such as psi07 or psi05cut4; the recorded ones for wsplus."""
        if tag == "wsplus":
            return self.outputs["wsplus"]
        for entry in self.arguments.get("truncations", []):
            if entry["tag"] == tag:
                return self.generator.map(self.z, self.label, entry["psi"], entry["cutoff"])
        match = re.fullmatch(r"psi(\d)(\d*)(?:cut(\d+))?", tag)
        assert match is not None, tag
        psi, cutoff = float(f"{match[1]}.{match[2] or 0}"), match[3]
        return self.generator.map(self.z, self.label, psi, None if cutoff is None else int(cutoff))

    def computable(self, noise: str) -> bool:
        """Whether the file has the noise of this mode."""
        return noise == "none" or (noise == "const" and self.stored_noise)


@pytest.fixture(scope="module", params=FILES, ids=lambda p: f"{p.parent.name}-{p.name}")
def golden(request: pytest.FixtureRequest) -> Golden:
    return Golden(request.param)


def close(ours: Tensor, official: Tensor) -> None:
    assert ours.shape == official.shape
    assert float((ours - official).abs().max()) <= TOLERANCE


def test_there_is_golden_data() -> None:
    assert FILES, f"no golden networks under {ROOT}"


def test_the_configuration_is_that_of_the_network(golden: Golden) -> None:
    config, stated = golden.generator.config, golden.arguments
    pairs = {"z_dim": config.z_dim, "w_dim": config.w_dim, "c_dim": config.label_dim, "num_ws": config.rows,
             "img_resolution": config.resolution, "img_channels": config.image_channels, "size": config.resolution,
             "style_dim": config.w_dim, "n_mlp": config.mapping_layers}  # fmt: skip
    compared = {name: ours for name, ours in pairs.items() if name in stated}
    assert compared and compared == {name: stated[name] for name in compared}
    for resolution, channels in stated.get("block_channels", {}).items():
        assert config.channels[int(resolution).bit_length() - 3] == channels


def test_latents_agree(golden: Golden) -> None:
    if "w" not in golden.outputs:
        pytest.skip("no latents were recorded for this file")
    close(golden.generator.map(golden.z, golden.label)[:, 0], golden.outputs["w"])


def test_latent_rows_agree_with_truncation_and_cutoff(golden: Golden) -> None:
    for (tag,) in golden.found(r"ws_(\w+)"):
        close(golden.ws(tag), golden.outputs[f"ws_{tag}"])


def test_images_agree_in_every_noise_mode(golden: Golden) -> None:
    compared = [(tag, noise) for tag, noise in golden.found(r"img_(\w+)_(const|none)") if golden.computable(noise)]
    assert compared
    for tag, noise in compared:
        image = golden.generator.image(golden.ws(tag), noise)
        close(image, golden.outputs[f"img_{tag}_{noise}"])


def test_the_features_of_every_block_agree(golden: Golden) -> None:
    for tag, noise, resolution in golden.found(r"feat_(\w+)_(const|none)_b(\d+)"):
        if golden.computable(noise):
            ws = golden.ws(tag)[:1]
            features = golden.generator.features(ws, int(resolution).bit_length() - 3, noise)
            close(features, golden.outputs[f"feat_{tag}_{noise}_b{resolution}"])


def test_the_running_image_agrees_after_every_block(golden: Golden) -> None:
    for tag, noise, resolution in golden.found(r"skiprgb_(\w+)_(const|none)_b(\d+)"):
        if golden.computable(noise):
            images = golden.generator.images(golden.ws(tag)[:1], noise)
            expected = golden.outputs[f"skiprgb_{tag}_{noise}_b{resolution}"]
            close(next(image for image in images if image.shape[2] == int(resolution)), expected)


def test_the_gradient_to_the_latent_rows_agrees(golden: Golden) -> None:
    if "grad_wsplus" not in golden.outputs or not golden.stored_noise:
        pytest.skip("no gradient was recorded for this file")
    ws = golden.outputs["wsplus"].clone().requires_grad_()
    (golden.generator.image(ws) * golden.outputs["grad_cotangent_img"]).mean().backward()
    official = golden.outputs["grad_wsplus"]
    assert ws.grad is not None and ws.grad.shape == official.shape
    assert float((ws.grad - official).abs().max() / official.abs().max()) <= GRADIENT_TOLERANCE


def test_a_converted_file_gives_the_very_same_images_and_bytes(golden: Golden, tmp_path: Path) -> None:
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    write_generator(first, golden.generator)
    own = load(first)
    assert isinstance(own, ImageGenerator)
    ws = golden.generator.map(golden.z, golden.label)
    assert own.fingerprint == golden.generator.fingerprint
    assert torch.equal(own.image(own.map(golden.z, golden.label)), golden.generator.image(ws))
    own.name = read_header(first).name
    write_generator(second, own)
    assert first.read_bytes() == second.read_bytes()


def test_every_file_of_one_network_has_the_same_weights() -> None:
    """Where a folder has several files, they are layouts of one network."""
    for folder in sorted({p.parent for p in FILES}):
        states = [generator_of(p).state_dict() for p in FILES if p.parent == folder]
        for state in states[1:]:
            assert state.keys() == states[0].keys()
            assert all(torch.equal(state[k], v) for k, v in states[0].items() if "noise_const" not in k)
