"""The page: toolbar above, panel on the right, the view in between, and what comes and goes in front of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from trame.ui.vuetify3 import VAppLayout
from trame.widgets import client, html
from trame.widgets import vuetify3 as v3

from drag3d.viewer.commands import COMMANDS
from drag3d.viewer.web import gestures, host
from drag3d.viewer.web.area import Area
from drag3d.viewer.web.panel import FIELD, TIGHT, build_panel, build_toolbar

PANEL_WIDTH, TOOLBAR_HEIGHT = 320, 48
STATIC = Path(__file__).with_name("static")
MODULE = {
    "serve": {"__drag3d": str(STATIC)},
    "scripts": ["__drag3d/page.js"],
    "styles": ["__drag3d/page.css"],
}
THEME = {
    "theme": {
        "defaultTheme": "drag3d",
        "themes": {
            "drag3d": {
                "dark": True,
                "colors": {
                    "background": "#16181d",
                    "surface": "#1f2229",
                    "primary": "#5aa7ff",
                    "warning": "#ffb454",
                    "error": "#e5534b",
                    "success": "#3fa36b",
                },
            }
        },
    }
}
INITIAL: dict[str, Any] = {
    "trame__title": "Drag3D",
    "kind": "",
    "choices": {},
    "on": {},
    "labels": {command.name: command.text for command in COMMANDS},
    "texts": {},
    "curves": {},
    "points": [],
    "box": None,
    "selected": -1,
    "comparing": False,
    "busy": {"text": "starting", "part": -1},
    "offers": [],
    "message": {"text": "", "level": "note", "serial": 0},
    "message_open": False,
    "known_keys": list(gestures.KEYS),
}


def build_page(server: Any, plotter: Any, upload_bytes: int) -> tuple[Area, Any]:
    """The page on a trame server; returns the area that shows pictures, and what downloads a file by its name."""
    server.enable_module(MODULE)
    server.state.update(INITIAL)
    with VAppLayout(server, vuetify_config=THEME) as layout:
        layout.root.classes = "drag3d"
        with v3.VAppBar(height=TOOLBAR_HEIGHT, flat=True, border="b", classes="drag3d-toolbar"):
            build_toolbar()
        with v3.VNavigationDrawer(location="right", permanent=True, width=PANEL_WIDTH, border="s",
                                  classes="drag3d-panel", raw_attrs=['aria-label="Panel"']):  # fmt: skip
            build_panel()
        with v3.VMain(classes="drag3d-main"), html.Div(classes="drag3d-stage"):
            area = Area(plotter)
            view = 'tabindex="-1" role="application" aria-label="View" data-test="view"'
            html.Div(classes="drag3d-view", raw_attrs=[view])
            _progress()
            _banners()
        _message()
        _open_dialog(upload_bytes)
        _export_dialog()
        _film_dialog()
        downloader = client.JSEval(exec="window.drag3d.download($event)")
    return area, downloader.exec


def _progress() -> None:
    with html.Div(classes="drag3d-busy", v_if=("busy.text",), raw_attrs=['data-test="busy" role="status"']):
        v3.VProgressLinear(indeterminate=("busy.part < 0",), model_value=("busy.part",), height=3, color="primary")
        with html.Div(classes="drag3d-busy-line"):
            html.Span("{{ busy.text }}")
            v3.VBtn("Cancel", v_if=("writing",), size="x-small", variant="tonal", click="trigger('cancel')",
                    raw_attrs=['data-test="cancel"'])  # fmt: skip


def _banners() -> None:
    """What an earlier run left, and a worker that is gone."""
    with html.Div(classes="drag3d-banners"):
        with html.Div(
            classes="drag3d-banner", raw_attrs=['v-for="offer in offers" :key="offer.name" data-test="offer"']
        ):
            html.Span("{{ offer.text }}")
            v3.VBtn("Restore", size="small", variant="flat", color="primary",
                    click="trigger('offer', [offer.name, 'restore'])")  # fmt: skip
            v3.VBtn("Discard", size="small", variant="text", click="trigger('offer', [offer.name, 'discard'])")
        with html.Div(classes="drag3d-banner", v_if=("on.restart",), raw_attrs=['data-test="dead"']):
            html.Span("The session's worker has ended.")
            v3.VBtn(
                "Start it again", size="small", variant="flat", color="primary", click="trigger('run', ['restart'])"
            )


def _message() -> None:
    colors = "{ error: 'error', done: 'success' }[message.level] || 'surface-variant'"
    with v3.VSnackbar(v_model=("message_open",), timeout=("message.level === 'error' ? 9000 : 4500",), color=(colors,),
                      location="bottom", contained=False, raw_attrs=['data-test="message"']):  # fmt: skip
        html.Span("{{ message.text }}")
        with v3.Template(v_slot_actions=True):
            v3.VBtn(icon="mdi-close", size="small", variant="text", click="message_open = false",
                    raw_attrs=['aria-label="Close"'])  # fmt: skip


class _Dialog:
    """A dialog with a title and buttons below; what is built inside ``with`` stands in between."""

    def __init__(self, name: str, title: str, action: str = "", trigger: str = ""):
        self.name, self.title, self.action, self.trigger = name, title, action, trigger

    def __enter__(self) -> None:
        self._dialog = v3.VDialog(
            model_value=(f"dialog === '{self.name}'",), update_modelValue="dialog = $event ? dialog : ''", width=440,
            raw_attrs=[f'data-test="dialog-{self.name}"'],
        )  # fmt: skip
        self._dialog.__enter__()
        self._card = v3.VCard(title=self.title)
        self._card.__enter__()
        self._text = v3.VCardText(classes="drag3d-items")
        self._text.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._text.__exit__(*error)
        with v3.VCardActions():
            v3.VSpacer()
            v3.VBtn("Cancel" if self.action else "Close", click="dialog = ''")
            if self.action:
                v3.VBtn(self.action, color="primary", variant="flat", click=f"trigger('{self.trigger}')",
                        raw_attrs=[f'data-test="do-{self.name}"'])  # fmt: skip
        self._card.__exit__(*error)
        self._dialog.__exit__(*error)


def _open_dialog(upload_bytes: int) -> None:
    with _Dialog("open", "Open a session"):
        html.Div(
            f"A .drag3d file of this computer, up to {upload_bytes // 2**20} MB. Save first what you want to keep."
        )
        html.Input(
            __events=["change"], change=f"window.drag3d.upload($event.target, {upload_bytes})",
            raw_attrs=['type="file" accept=".drag3d" data-test="upload" aria-label="Session file"'],
        )  # fmt: skip


def _export_dialog() -> None:
    formats = json.dumps({kind: _items(known) for kind, known in host.FORMATS.items()}).replace('"', "'")
    textured = "kind === 'shape' && ['glb', 'obj'].includes(export_format)"
    mesh = "kind === 'shape' && export_format !== 'png'"
    with _Dialog("export", "Export", "Export", "export"):
        v3.VSelect(v_model=("export_format",), items=(f"({formats})[kind] || []",), label="Format", **FIELD,
                   raw_attrs=['data-test="export-format"'])  # fmt: skip
        v3.VCheckbox(v_model=("export_vertex_colors",), v_if=(textured,), color="primary", **TIGHT,
                     label="Colours at the vertices instead of a texture")  # fmt: skip
        with html.Div(classes="drag3d-row", v_if=(f"{textured} && !export_vertex_colors",)):
            v3.VSelect(v_model=("export_texture",), items=("export_textures", list(host.TEXTURE_SIZES)),
                       label="Texture size", **FIELD, raw_attrs=['data-test="export-texture"'])  # fmt: skip
            v3.VSelect(
                v_model=("export_unwrap",), items=("export_unwraps", ["fast", "quality"]), label="Unwrap", **FIELD
            )
        with html.Div(classes="drag3d-row", v_if=(mesh,)):
            v3.VTextField(v_model=("export_smooth",), label="Rounds of smoothing", **FIELD)
            v3.VTextField(v_model=("export_simplify",), label="Triangles at most", placeholder="all", **FIELD,
                          persistent_placeholder=True)  # fmt: skip


def _film_dialog() -> None:
    with _Dialog("film", "Animation", "Write", "film"):
        with v3.VRadioGroup(v_model=("film_turntable",), v_if=("kind === 'shape'",), **TIGHT):
            v3.VRadio(label="The last drag", value=("false",), raw_attrs=['data-test="film-drag"'])
            v3.VRadio(label="Once round the shape", value=("true",), raw_attrs=['data-test="film-turntable"'])
        v3.VSelect(v_model=("film_format",), items=("film_formats", _items(host.FILMS)), label="Format", **FIELD)


def _items(known: dict[str, str]) -> list[dict[str, str]]:
    return [{"title": text, "value": key} for key, text in known.items()]
