"""Fixtures for both packages' tests."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

if TYPE_CHECKING:
    from get3d_models import Generator

TEST_RESOLUTION = 16

# The tests' networks are small, and two test processes may share two cores: more threads would wait for each other.
torch.set_num_threads(1)
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):  # for the programs that tests start
    os.environ.setdefault(variable, "1")


@pytest.fixture(scope="session")
def quadruped() -> Generator:
    """The embedded model; $DRAG3D_TEST_MODEL may name another file to develop with while there is none."""
    import get3d_models

    generator = get3d_models.load(os.environ.get("DRAG3D_TEST_MODEL", "quadruped"))
    generator.name = "quadruped"
    return generator


@pytest.fixture(scope="session")
def small_quadruped(quadruped: Generator) -> Generator:
    """The embedded model on a coarse grid, where a mesh takes no time."""
    return quadruped.with_config(grid_resolution=TEST_RESOLUTION)


@pytest.fixture(scope="session")
def small_model(small_quadruped: Generator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file of the coarse quadruped, for commands, which take names and paths."""
    from get3d_models.checkpoint import write_generator

    path = tmp_path_factory.mktemp("model") / "quadruped.safetensors"
    write_generator(path, small_quadruped)
    return path
