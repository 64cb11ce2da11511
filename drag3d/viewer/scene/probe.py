"""Whether this machine can draw without a window."""

from __future__ import annotations

from drag3d.doctor.examination import tried_apart
from drag3d.doctor.finding import WORKS
from drag3d.doctor.probes import OPENGL_REMEDY


def opengl_trouble() -> str | None:
    """One line that says why nothing can be drawn off-screen and what to install; None where it works.

    It is tried in another process, since VTK ends the one where it does not; that takes a second or two.
    """
    finding = tried_apart(["opengl"])[0]
    if finding.state == WORKS:
        return None
    remedy = finding.remedy or OPENGL_REMEDY
    return f"no off-screen OpenGL ({finding.detail}); {remedy}"
