"""The doctor tries things, names what helps, and is stopped by nothing that crashes, hangs or raises."""

from __future__ import annotations

import json
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import kaolin_stand_in
import pytest
from click.testing import CliRunner

import drag3d.doctor
from drag3d.cli import main
from drag3d.cli.doctor import as_text
from drag3d.doctor import BROKEN, MISSING, WORKS, Finding, examination, probes, surroundings
from drag3d.doctor.examination import tried_apart

# A process that answers for all parts but those named in `bad`, at which it does what `bad` says.
PRETENDED = """
import json, os, sys, time
names, _ = json.loads(sys.argv[1])
bad = {bad!r}
for name in names:
    print("a library talks", flush=True)
    exec(bad.get(name, ""))
    finding = dict(part=name, state="works", detail="fine", remedy="", required=False)
    print("drag3d-doctor:" + json.dumps(dict(probe=name, **finding)), flush=True)
"""


def pretend(monkeypatch: pytest.MonkeyPatch, **bad: str) -> None:
    monkeypatch.setattr(examination, "PROGRAM", PRETENDED.replace("{bad!r}", repr(bad)))


def states(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.part, finding.state) for finding in findings]


# ---- other processes --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("deed", "said"),
    [
        ("os.abort()", "crashed (SIGABRT)"),
        ("time.sleep(60)", "had not finished after 2 seconds"),
        ("sys.exit(3)", "its process ended with code 3"),
        ("raise RuntimeError('no such luck')", "RuntimeError: no such luck"),
    ],
)
def test_the_part_at_which_a_process_ends_is_to_blame_and_those_behind_it_are_still_tried(
    monkeypatch: pytest.MonkeyPatch, deed: str, said: str
) -> None:
    pretend(monkeypatch, cuda=deed)
    findings = tried_apart(["core", "cuda", "video"], seconds=2)
    assert states(findings) == [("core", WORKS), ("CUDA", BROKEN), ("video", WORKS)]
    assert findings[1].text == f"{said}; --device cpu works without it"


def test_every_part_of_a_process_that_does_not_even_start_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "PROGRAM", "import there_is_no_such_module")
    findings = tried_apart(["core", "opengl"])
    assert [f.state for f in findings] == [BROKEN, BROKEN]
    assert all("No module named 'there_is_no_such_module'" in f.detail for f in findings)
    assert [f.required for f in findings] == [True, False]
    assert "apt-get install -y libegl1" in findings[1].remedy


def test_a_trial_that_raises_is_broken_and_the_next_one_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def raises() -> Finding:
        raise ValueError("what a\nlong story")

    monkeypatch.setitem(probes.PROBES, "cuda", raises)
    probes.main(["cuda", "core"])
    first, second = (json.loads(line.removeprefix(probes.ANSWER)) for line in capsys.readouterr().out.splitlines())
    assert (first["state"], first["detail"]) == (BROKEN, "ValueError: what a")
    assert second["state"] == WORKS


@pytest.mark.slow
def test_on_this_machine_the_required_parts_work_and_every_part_is_told_of_once() -> None:
    findings = drag3d.doctor.examine()
    found = {finding.part: finding for finding in findings}
    assert len(found) == len(findings)
    surroundings = {"display", "window", "web viewer", "browser"}
    assert set(found) == {part for part, _ in examination.PARTS.values()} | surroundings
    assert [f.part for f in findings if f.required] == ["core", "models"]
    for part in ("core", "models", "kernels", "video"):
        assert found[part].state == WORKS, found[part].text
    assert "quadruped" in found["models"].detail
    assert all(f.detail and "\n" not in f.text for f in findings)


def test_every_trial_has_a_name_a_remedy_and_a_process() -> None:
    assert set(probes.PROBES) == set(examination.PARTS)
    assert sorted(probes.PROBES) == sorted(examination.WITH_TORCH + examination.WITHOUT_TORCH)
    assert set(examination.REQUIRED) <= set(probes.PROBES)


# ---- trials --------------------------------------------------------------------------------


def test_kaolin_is_missing_broken_or_works(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kaolin_stand_in.uninstall(monkeypatch)
    finding = probes.kaolin()
    assert (finding.state, finding.detail) == (MISSING, "kaolin is not installed")
    assert 'pip install "kaolin>=0.16" -f https://nvidia-kaolin' in finding.remedy
    kaolin_stand_in.install(monkeypatch)
    finding = probes.kaolin()
    assert finding.state == WORKS and finding.detail.startswith("version 0.0-stand-in, FlexiCubes works")


def test_pypis_placeholder_is_told_from_kaolin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kaolin_stand_in.uninstall(monkeypatch)
    monkeypatch.delitem(sys.modules, "kaolin")
    monkeypatch.syspath_prepend(tmp_path)
    package = tmp_path / "kaolin"
    package.mkdir()
    said = "This is the kaolin placeholder wheel from https://pypi.org/project/kaolin/."
    (package / "__init__.py").write_text(f'raise ImportError("{said}")\n')
    finding = probes.kaolin()
    assert finding.state == BROKEN
    assert finding.detail == "the package that PyPI calls kaolin is a placeholder (pip uninstall kaolin)"
    (package / "__init__.py").write_text('raise OSError("_C.so: undefined symbol: _ZN2at")\n')
    sys.modules.pop("kaolin", None)
    shutil.rmtree(package / "__pycache__", ignore_errors=True)
    assert probes.kaolin().detail == "kaolin does not import: _C.so: undefined symbol: _ZN2at"


def test_a_cpu_build_of_pytorch_is_told_without_importing_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    from get3d_models.optional_parts import TorchBuild

    monkeypatch.setattr(probes, "torch_build", lambda: TorchBuild("2.13.0+cpu", None))
    finding = probes.cuda()
    assert (finding.state, finding.detail) == (MISSING, "this PyTorch is built without CUDA")
    assert "pytorch.org" in finding.remedy


# ---- display and browser --------------------------------------------------------------------------------


@pytest.fixture
def no_display(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if not hasattr(socket, "AF_UNIX"):
        pytest.skip("this system has no local sockets")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(surroundings, "X_SOCKETS", str(tmp_path))
    monkeypatch.setattr("platform.system", lambda: "Linux")


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[None]:
    """Servers at display :7 and at Wayland's wayland-7."""
    servers = []
    for name in ("X7", "wayland-7"):
        servers.append(socket.socket(socket.AF_UNIX))
        servers[-1].bind(str(tmp_path / name))
        servers[-1].listen()
    yield
    for server in servers:
        server.close()


@pytest.mark.usefixtures("no_display", "listening")
def test_a_display_works_if_it_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert surroundings.display().state == MISSING
    monkeypatch.setenv("DISPLAY", ":7.0")
    assert surroundings.display() == Finding("display", WORKS, "X, :7.0")
    for name in (":8", "nonsense", ":", "localhost:99999"):
        monkeypatch.setenv("DISPLAY", name)
        assert surroundings.display().state == BROKEN
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-7")
    assert surroundings.display() == Finding("display", WORKS, "Wayland, wayland-7")


@pytest.mark.skipif(sys.platform == "win32", reason="the browsers here are shell scripts")
def test_a_browser_works_if_it_tells_its_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setattr(surroundings, "BROWSERS", ("chromium-for-a-test", "chrome-for-a-test"))
    monkeypatch.setattr(surroundings, "ELSEWHERE", {})
    assert surroundings.browser().state == MISSING

    def put(name: str, code: str) -> None:
        (tmp_path / name).write_text(f"#!/bin/sh\n{code}\n")
        (tmp_path / name).chmod(0o755)

    put("chromium-for-a-test", "exit 1")
    assert surroundings.browser().state == BROKEN
    put("chrome-for-a-test", "echo 'Chrome 151.0 '")
    assert surroundings.browser() == Finding("browser", WORKS, "Chrome 151.0")


# ---- the command --------------------------------------------------------------------------------

FINE = Finding("core", WORKS, "PyTorch 2.13.0 computes", required=True)
NO_OPENGL = Finding("OpenGL", BROKEN, "crashed (SIGSEGV)", "apt-get install -y libegl1 libgl1-mesa-dri")


def told(monkeypatch: pytest.MonkeyPatch, findings: list[Finding], *options: str) -> tuple[int, str]:
    monkeypatch.setattr(drag3d.doctor, "examine", lambda: findings)
    result = CliRunner().invoke(main, ["doctor", *options])
    return result.exit_code, result.output


def test_what_is_optional_may_be_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    code, output = told(monkeypatch, [FINE, NO_OPENGL])
    lines = output.splitlines()
    assert code == 0
    assert lines[0].startswith(f"drag3d {drag3d.__version__}, Python 3.")
    assert lines[1] == "works    core        PyTorch 2.13.0 computes"
    assert lines[2] == "broken   OpenGL      crashed (SIGSEGV); apt-get install -y libegl1 libgl1-mesa-dri"
    assert lines[3:] == ["What drag3d needs works; the rest is optional."]


def test_a_broken_core_is_said_and_ends_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Finding("core", BROKEN, "ImportError: no torch", "install drag3d again", required=True)
    code, output = told(monkeypatch, [broken, NO_OPENGL])
    assert code == 1 and output.splitlines()[-1] == "not usable: core"
    code, output = told(monkeypatch, [broken, NO_OPENGL], "--json")
    assert code == 1 and json.loads(output)["works"] is False


def test_json_has_every_part_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    code, output = told(monkeypatch, [FINE, NO_OPENGL], "--json")
    values = json.loads(output)
    assert code == 0 and values["works"] is True and values["drag3d"] == drag3d.__version__
    assert values["parts"] == [FINE.to_dict(), NO_OPENGL.to_dict()]
    assert values["parts"][1] == {
        "part": "OpenGL", "state": "broken", "detail": "crashed (SIGSEGV)",
        "remedy": "apt-get install -y libegl1 libgl1-mesa-dri", "required": False,
    }  # fmt: skip


@pytest.mark.parametrize("width", [40, 60, 72, 100])
def test_lines_fit_the_terminal_and_commands_and_addresses_stay_whole(width: int) -> None:
    address = "https://nvidia-kaolin.s3.us-east-2.amazonaws.com/torch-2.13.0_cu130.html"
    finding = Finding("nvdiffrast", MISSING, "not installed " * 8, f"pip install --no-build-isolation -f {address}")
    lines = as_text(finding, width).splitlines()
    assert all(len(line) <= width or line.strip() == address for line in lines)
    assert any(address in line for line in lines) and any("--no-build-isolation" in line for line in lines)
    assert " ".join(" ".join(lines).split()) == f"missing nvdiffrast {finding.text}"
    assert len({len(line) - len(line.lstrip()) for line in lines[1:]}) == 1


def test_a_finding_is_one_line_of_bounded_length_in_one_of_three_states() -> None:
    long = Finding("core", BROKEN, "a\nb\t" * 1000)
    assert "\n" not in long.detail and len(long.detail) <= 400
    with pytest.raises(ValueError, match="works, is missing or broken"):
        Finding("core", "fine", "")


def test_the_command_is_there() -> None:
    assert isinstance(main, click.Group) and "doctor" in main.commands
