"""What is said of parts that no package index has: true of the PyTorch that is here, and always one line."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import kaolin_stand_in
import pytest
import torch

from get3d_models import InputError, optional_parts
from get3d_models.optional_parts import (
    TorchBuild,
    found,
    install_sentence,
    kaolin_command,
    kaolin_is_available,
    require_kaolin,
    torch_build,
)

PARTS = ("kaolin", "nvdiffrast", "usd", "torch")


def test_the_build_of_pytorch_is_told_without_importing_it() -> None:
    assert torch_build() == TorchBuild(torch.__version__, torch.version.cuda)


@pytest.mark.parametrize(
    ("build", "page"),
    [
        (TorchBuild("2.5.1+cu124", "12.4"), "torch-2.5.1_cu124.html"),
        (TorchBuild("2.12.0", "13.0"), "torch-2.12.0_cu130.html"),
        (TorchBuild("2.13.0+cpu", None), "torch-2.13.0_cuY.html"),
        (TorchBuild("", None), "torch-X_cuY.html"),
    ],
)
def test_kaolins_wheels_are_those_for_this_pytorch_and_never_pypis_placeholder(
    monkeypatch: pytest.MonkeyPatch, build: TorchBuild, page: str
) -> None:
    monkeypatch.setattr(optional_parts, "torch_build", lambda: build)
    command = kaolin_command()
    assert command.endswith(f"-f https://nvidia-kaolin.s3.us-east-2.amazonaws.com/{page}")
    assert '"kaolin>=0.16"' in command  # the placeholder is 0.1


@pytest.mark.parametrize("part", PARTS)
def test_every_sentence_is_one_line_that_goes_on_after_a_semicolon(part: str) -> None:
    sentence = install_sentence(part)
    assert sentence == " ".join(sentence.split()) and not sentence.endswith(".") and sentence[0].islower()


def test_a_module_is_found_missing_or_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "breaks_for_a_test.py").write_text("raise OSError('undefined symbol\\nand more')")
    (tmp_path / "lacks_for_a_test.py").write_text("import is_not_there_for_a_test")
    assert found("json.decoder").module is sys.modules["json.decoder"]
    missing = found("is_not_there_for_a_test.part")
    assert (missing.why_not, missing.installed) == ("is_not_there_for_a_test is not installed", False)
    broken = found("breaks_for_a_test")
    assert (broken.why_not, broken.installed) == ("breaks_for_a_test does not import: undefined symbol", True)
    assert "No module named 'is_not_there_for_a_test'" in found("lacks_for_a_test").why_not


def test_kaolin_is_handed_out_where_it_is_and_asked_for_in_one_line_where_not(monkeypatch: pytest.MonkeyPatch) -> None:
    kaolin_stand_in.install(monkeypatch)
    assert kaolin_is_available() and require_kaolin("a test") is sys.modules["kaolin"]
    kaolin_stand_in.uninstall(monkeypatch)
    assert not kaolin_is_available()
    with pytest.raises(InputError) as caught:
        require_kaolin("a test")
    assert str(caught.value) == f"a test needs kaolin, but kaolin is not installed; {install_sentence('kaolin')}"


def test_the_extra_for_cuda_names_only_what_pypi_has() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = [requirement.split(">=")[0] for requirement in project["optional-dependencies"]["cuda"]]
    assert named == ["ninja", "setuptools", "wheel", "usd-core"]
