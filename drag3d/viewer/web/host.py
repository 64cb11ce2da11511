"""What the viewer asks of a browser: to have files chosen, and to hand over those that were written."""

from __future__ import annotations

import re
import time
import zipfile
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drag3d.viewer.intents import CancelWriting

if TYPE_CHECKING:
    from drag3d.viewer.application import Viewer

FORMATS = {
    "shape": {"glb": "GLB", "obj": "OBJ with its texture, as ZIP", "ply": "PLY", "stl": "STL", "png": "PNG, this view"},
    "image": {"png": "PNG", "jpg": "JPEG"},
}
FILMS = {"mp4": "MP4", "gif": "GIF"}
TEXTURE_SIZES = (512, 1024, 2048, 4096)
FILES_KEPT = 6
DEFAULTS: dict[str, Any] = {
    "dialog": "",
    "export_format": "glb",
    "export_texture": 1024,
    "export_unwrap": "fast",
    "export_vertex_colors": False,
    "export_smooth": "0",
    "export_simplify": "",
    "film_format": "mp4",
    "film_turntable": False,
    "writing": False,
}
_TEXTURED = ("glb", "obj")
_WITH_COLORS = ("glb", "obj")
MESHES = ("glb", "obj", "ply", "stl")


class BrowserHost:
    """Dialogs are parts of the page, shown where ``state["dialog"]`` says so; files lie in the session's folder.

    ``download`` has the browser fetch a file of that name.
    """

    def __init__(self, state: MutableMapping[str, Any], files: Path, download: Callable[[str], None]):
        self.state, self.files, self._download = state, files, download
        self.viewer: Viewer | None = None
        for name, value in DEFAULTS.items():
            self.state[name] = value

    # ---- what the viewer asks for ---------------------------------------------------------------------------------

    def request_open(self) -> None:
        """A dialog with a file to choose; the upload comes back through the front door."""
        self.state["dialog"] = "open"

    def request_save(self) -> None:
        """No questions: the browser knows where its downloads go."""
        self._viewer.save(str(self._path("drag3d")))

    def request_export(self) -> None:
        """A dialog with the format."""
        self._keep_format()
        self.state["dialog"] = "export"

    def request_film(self) -> None:
        """A dialog with the kind of animation."""
        self.state["dialog"] = "film"

    def written(self, path: str) -> None:
        """Hand a file over; an OBJ together with its material and texture."""
        self.state["writing"] = False
        file = Path(path)
        if file.suffix == ".obj":
            file = _packed(file)
        self._download(file.name)
        self._remove_old(file)

    # ---- what the dialogs do --------------------------------------------------------------------------------------

    def export(self) -> None:
        """The dialog's button."""
        self._keep_format()
        self.state["dialog"] = ""
        self.state["writing"] = True
        self._viewer.export(str(self._path(self.state["export_format"])), self._settings())

    def film(self) -> None:
        """The dialog's button."""
        suffix = self.state["film_format"] if self.state["film_format"] in FILMS else "mp4"
        self.state["dialog"] = ""
        self.state["writing"] = True
        turntable = self.state["film_turntable"] is True and self._viewer.mirror.document.kind == "shape"
        self._viewer.film(str(self._path(suffix)), turntable)

    def cancel(self) -> None:
        """End what is being written."""
        self._viewer.send(CancelWriting())

    def open(self, path: str) -> None:
        """Go on with a file that was uploaded."""
        self.state["dialog"] = ""
        self._viewer.open(path)

    def tick(self) -> None:
        """Writing is over when nothing is being done any more."""
        if self.state["writing"] and not self._viewer.mirror.busy.text and time.monotonic() - self._asked > 1.0:
            self.state["writing"] = False

    _asked = 0.0

    @property
    def _viewer(self) -> Viewer:
        assert self.viewer is not None
        return self.viewer

    def _keep_format(self) -> None:
        known = FORMATS.get(self._viewer.mirror.document.kind or "shape", FORMATS["shape"])
        if self.state["export_format"] not in known:
            self.state["export_format"] = next(iter(known))

    def _settings(self) -> dict[str, Any]:
        """Of the export, as far as the format has them; what is no number is left out."""
        suffix, state = self.state["export_format"], self.state
        if self._viewer.mirror.document.kind != "shape" or suffix not in MESHES:
            return {}
        found: dict[str, Any] = {}
        if suffix in _WITH_COLORS and state["export_vertex_colors"] is True:
            found["vertex_colors"] = True
        elif suffix in _TEXTURED:
            if state["export_texture"] in TEXTURE_SIZES:
                found["texture_size"] = state["export_texture"]
            found["unwrap"] = "quality" if state["export_unwrap"] == "quality" else "fast"
        for name in ("smooth", "simplify"):
            text = str(state[f"export_{name}"] or "").strip()
            if text.isascii() and text.isdigit() and int(text[:9]) > 0:
                found[name] = int(text[:9])
        return found

    def _path(self, suffix: str) -> Path:
        """A name that says what it is: model, seed and time."""
        self._asked = time.monotonic()
        document = self._viewer.mirror.document
        model = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(document.model.replace("\\", "/")).stem).strip("-")[:40] or "edit"
        return self.files / f"{model}-{document.seed}-{time.strftime('%H%M%S')}.{suffix}"

    def _remove_old(self, new: Path) -> None:
        """The server's disk is not the browser's: the last few stay, while they may still be on their way."""
        old = sorted((p for p in self.files.iterdir() if p != new), key=lambda p: p.stat().st_mtime)
        for path in old[: max(0, len(old) - FILES_KEPT)]:
            path.unlink(missing_ok=True)


def _packed(obj: Path) -> Path:
    """An OBJ, its material and its texture in one file."""
    companions = [obj, obj.with_suffix(".mtl"), obj.with_name(f"{obj.stem}_texture.png")]
    archive = obj.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in companions:
            if path.exists():
                packed.write(path, path.name)
                path.unlink()
    return archive
