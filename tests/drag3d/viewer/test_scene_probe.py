"""Where nothing can be drawn off-screen, one line says so and what to install; and the scene needs no torch."""

from __future__ import annotations

import subprocess
import sys

import pytest

from drag3d.doctor.finding import BROKEN, WORKS, Finding
from drag3d.viewer.scene import probe


def test_trouble_is_one_line_that_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    crashed = Finding("OpenGL", BROKEN, "crashed\n(SIGSEGV)", "on Debian or Ubuntu: apt-get install -y libegl1")
    monkeypatch.setattr(probe, "tried_apart", lambda _: [crashed])
    line = probe.opengl_trouble()
    assert line is not None and "\n" not in line
    assert "SIGSEGV" in line and "apt-get install -y libegl1" in line


def test_where_it_works_there_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "tried_apart", lambda _: [Finding("OpenGL", WORKS, "draws")])
    assert probe.opengl_trouble() is None


def test_the_scene_is_imported_without_torch() -> None:
    program = "import sys, drag3d.viewer.scene.probe, drag3d.viewer.scene.offscreen; print('torch' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"


def test_an_off_screen_plotter_complains_of_no_missing_display() -> None:
    if reason := probe.opengl_trouble():
        pytest.skip(reason)
    program = (
        "from drag3d.viewer.scene.offscreen import offscreen_plotter as p; q = p(40, 30); q.close(); print('made')"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "made" and ran.stderr.strip() == ""
