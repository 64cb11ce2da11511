"""The process that draws: `python picture_worker.py SCENE.npz OUT.png`, `--film FOLDER`, or `--probe` (can it draw?).

Stands alone (no import from this project, so that it starts quickly), and may be killed by VTK at any moment; see
`picture.py`, which writes SCENE.npz and reads OUT.png, and `shape_film.py`, whose folder holds `film.json` and a
`moment_N.npz` for each state of the shape, and receives a `shot_N.png` for each picture.
"""

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyvista as pv

_PAPER_TOP, _PAPER_BOTTOM = "#fbfcfd", "#dfe5ec"
_INK = "#2b3440"
_HANDLE, _TARGET, _ARROW = "#e5232e", "#1f5fe0", "#39424e"
_POINT_SIZE = 0.013  # of the diagonal of everything drawn; arrows are measured by it too
ARRAYS = ("vertices", "faces", "colors", "normals", "handles", "targets")
# Light direction as the viewer sees it (right, up, towards the viewer), and strength.
_LIGHTS = (((-0.6, 0.9, 1.2), 0.70), ((0.6, 0.1, 1.0), 0.42), ((0.2, 1.0, -0.8), 0.30))


def main(arguments: list[str]) -> None:
    without_core_dump()
    if arguments == ["--probe"]:
        probe()
        return
    if arguments[0] == "--film":
        film(Path(arguments[1]))
        return
    packed, out = arguments
    with np.load(packed) as arrays:
        layout = json.loads(str(arrays["layout"]))
        draw(layout, dict(arrays)).screenshot(out)


def without_core_dump() -> None:
    """A crash is expected on machines without OpenGL, and shall leave nothing behind."""
    with contextlib.suppress(ImportError, OSError, ValueError):  # no such module on Windows
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def probe() -> None:
    """Draw a tiny red ball and check that it can be seen."""
    plotter = pv.Plotter(off_screen=True, window_size=[32, 32], lighting="none")
    plotter.renderer.set_background(color="white")
    plotter.add_mesh(pv.Sphere(), color="red", lighting=False)
    image = plotter.screenshot(None, return_img=True)
    if image is None or tuple(image[16, 16, :3]) != (255, 0, 0):
        raise RuntimeError("the OpenGL library here draws empty pictures")


def draw(layout: dict[str, Any], arrays: dict[str, Any]) -> pv.Plotter:
    panels = layout["panels"]
    plotter = new_plotter(layout["size"], len(panels))
    for number, panel in enumerate(panels):
        plotter.subplot(0, number)
        mine = {name: arrays[f"{name}_{number}"] for name in ARRAYS}
        furnish(plotter, panel, mine, layout["bounds"], layout["view"])
        add_words(plotter, panel, layout["size"][1])
    plotter.enable_anti_aliasing("ssaa", all_renderers=True)
    return plotter


def film(folder: Path) -> None:
    """Draw the shots one after the other with one plotter: what costs time is to make it, not to refill it."""
    layout = json.loads((folder / "film.json").read_text(encoding="utf-8"))
    plotter = new_plotter(layout["size"], 1)
    plotter.enable_anti_aliasing("ssaa", all_renderers=True)
    shown, arrays = None, {}
    for number, shot in enumerate(layout["shots"]):
        if shot["moment"] != shown:
            shown = shot["moment"]
            with np.load(folder / f"moment_{shown}.npz") as packed:
                arrays = dict(packed)
        plotter.suppress_rendering = True  # else every single thing that is added is drawn at once
        plotter.clear()
        plotter.remove_all_lights()
        furnish(plotter, layout["panel"], arrays, layout["bounds"], shot["view"])
        plotter.suppress_rendering = False
        plotter.render()
        plotter.screenshot(str(folder / f"shot_{number}.png"))


def new_plotter(size: list[int], panels: int) -> pv.Plotter:
    return pv.Plotter(off_screen=True, window_size=size, shape=(1, panels), border=False, lighting="none")


def furnish(plotter: pv.Plotter, panel: dict[str, Any], arrays: dict[str, Any], bounds: Any, view: Any) -> None:
    """Everything but words for the current panel, and its camera. bounds: low and high corner of all that is shown."""
    low, high = np.asarray(bounds[0], float), np.asarray(bounds[1], float)
    plotter.renderer.set_background(color=_PAPER_BOTTOM, top=_PAPER_TOP)
    add_shadow(plotter, low, high)
    shape = add_shape(plotter, *(arrays[name] for name in ("vertices", "faces", "colors", "normals")))
    marks = Marks(shape, view["position"], _POINT_SIZE * float(np.linalg.norm(high - low)))
    add_points(plotter, panel, arrays["handles"], arrays["targets"], marks)
    add_lights(plotter)
    plotter.camera.position, plotter.camera.focal_point = view["position"], view["focus"]
    plotter.camera.up, plotter.camera.view_angle = view["up"], view["view_angle"]
    plotter.renderer.ResetCameraClippingRange()


def add_shape(plotter: pv.Plotter, vertices: Any, faces: Any, colors: Any, normals: Any) -> pv.PolyData:
    mesh = pv.PolyData.from_regular_faces(vertices, faces)
    mesh.point_data["colors"] = np.round(255 * colors).astype(np.uint8)
    mesh.point_data.active_normals = normals
    actor = plotter.add_mesh(
        mesh, scalars="colors", rgb=True, ambient=0.42, diffuse=0.76, specular=0.08, specular_power=18
    )
    actor.prop.interpolation = "Phong"  # with the normals given; `smooth_shading` would compute others
    return mesh


def add_shadow(plotter: pv.Plotter, low: Any, high: Any) -> None:
    """A soft dark patch on the ground under the shape, so that it stands rather than floats."""
    extent = high - low
    disc = pv.Disc(center=(0, 0, 0), inner=0.0, outer=1.0, normal=(0, 1, 0), r_res=48, c_res=96)
    radius = np.linalg.norm(disc.points, axis=1)
    strength = np.exp(-((radius / 0.5) ** 2)) * (1 - radius**2).clip(0, 1)
    disc.point_data["shade"] = np.round(
        np.column_stack([np.tile([45, 55, 70], (len(radius), 1)), 115 * strength])
    ).astype(np.uint8)
    reach = 0.62 * extent[[0, 2]] + 0.14 * extent.max()
    disc.points[:, 0] *= reach[0]
    disc.points[:, 2] *= reach[1]
    disc.points += np.array([(low[0] + high[0]) / 2, low[1] - 0.003 * extent.max(), (low[2] + high[2]) / 2])
    plotter.add_mesh(disc, scalars="shade", rgb=True, lighting=False)


def add_points(plotter: pv.Plotter, panel: dict[str, Any], handles: Any, targets: Any, marks: "Marks") -> None:
    """Targets as blue balls with a halo, handles as red balls: a handle that arrived sits in its target's halo."""
    for target in targets:
        marks.add(plotter, ball(target, 0.75 * marks.size), _TARGET, at=[target])
        plotter.add_mesh(ball(target, 1.6 * marks.size), color=_TARGET, opacity=0.2, lighting=False)
    for handle in handles:
        marks.add(plotter, ball(handle, marks.size), _HANDLE, at=[handle])
    if panel["arrows"]:
        for handle, target in zip(handles, targets, strict=True):
            for part in arrow_parts(handle, target, marks.size):
                marks.add(plotter, part, _ARROW, at=[handle, target])


class Marks:
    """Adds solid marks, and a faint copy in front of everything of those that the shape hides from the camera."""

    def __init__(self, shape: pv.PolyData, camera: Any, size: float) -> None:
        self.shape, self.camera, self.size = shape, np.asarray(camera, float), size

    def add(self, plotter: pv.Plotter, mesh: pv.PolyData, color: str, at: list[Any]) -> None:
        plotter.add_mesh(mesh, color=color, smooth_shading=True, split_sharp_edges=True, ambient=0.45, specular=0.25)
        if any(self.hidden(np.asarray(point, float)) for point in at):
            ghost = plotter.add_mesh(mesh, color=color, opacity=0.35, lighting=False)
            ghost.mapper.SetResolveCoincidentTopologyToPolygonOffset()
            ghost.mapper.SetRelativeCoincidentTopologyPolygonOffsetParameters(0, -60_000)

    def hidden(self, point: Any) -> bool:
        towards = self.camera - point
        start = point + 1.2 * self.size * towards / np.linalg.norm(towards)  # a ball on the surface still shows
        return len(self.shape.ray_trace(start, self.camera)[0]) > 0


def ball(center: Any, radius: float) -> pv.PolyData:
    return pv.Sphere(radius=radius, center=center, theta_resolution=40, phi_resolution=40)


def arrow_parts(handle: Any, target: Any, size: float) -> list[pv.PolyData]:
    """Shaft and tip of an arrow that fills the gap between the two balls; nothing where there is no gap."""
    along = np.asarray(target, float) - np.asarray(handle, float)
    length = float(np.linalg.norm(along))
    gap = length - 2 * size
    if gap <= 0.2 * size:
        return []
    direction = along / length
    start, end = handle + size * direction, target - size * direction
    tip = min(2.4 * size, gap)
    neck = end - tip * direction
    cone = pv.Cone(center=(neck + end) / 2, direction=direction, height=tip, radius=0.85 * size, resolution=40)
    if gap - tip <= 0:
        return [cone]
    shaft = pv.Cylinder(
        center=(start + neck) / 2, direction=direction, radius=0.32 * size, height=gap - tip, resolution=40
    )
    return [shaft, cone]


def add_words(plotter: pv.Plotter, panel: dict[str, Any], height: int) -> None:
    for words, place, size in ((panel["title"], 0.945, 0.034), (panel["caption"], 0.04, 0.021)):
        if words:
            text = pv.Text(words, position=(0.5, place))
            text.GetPositionCoordinate().SetCoordinateSystemToNormalizedViewport()
            text.prop.color, text.prop.font_size = _INK, max(9, round(size * height))
            text.prop.justification_horizontal, text.prop.justification_vertical = "center", "center"
            plotter.add_actor(text)


def add_lights(plotter: pv.Plotter) -> None:
    for position, strength in _LIGHTS:
        light = pv.Light(position=position, focal_point=(0, 0, 0), intensity=strength, light_type="camera light")
        plotter.add_light(light, only_active=True)


if __name__ == "__main__":
    main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(0)  # the picture is written; VTK's own clean-up can still crash with some drivers
