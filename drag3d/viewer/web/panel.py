"""Vuetify widgets for the controls of :mod:`drag3d.viewer.controls`; all bound to names of :class:`PageState`."""

from __future__ import annotations

import json
from typing import Any

from trame.widgets import html
from trame.widgets import vuetify3 as v3

from drag3d.viewer.commands import BY_NAME
from drag3d.viewer.controls import (
    BOTH,
    PANEL,
    TOOLBAR,
    Button,
    Choice,
    Control,
    Corners,
    Curve,
    Number,
    PointTable,
    Readout,
    Row,
    Section,
    Slider,
    Toggle,
)
from drag3d.viewer.web.pagestate import PLOT_HEIGHT, PLOT_WIDTH

TIGHT: dict[str, Any] = {"density": "compact", "hide_details": True}
FIELD: dict[str, Any] = {**TIGHT, "variant": "outlined"}
_TYPED_INTO: dict[str, Any] = {
    "__events": ["focusin", "focusout"],
    "focusin": "trigger('editing', [true])",
    "focusout": "trigger('editing', [false])",
}
"""What is typed into must not change meanwhile."""


def build_toolbar() -> None:
    """The groups of the toolbar, into the widget that is open."""
    for number, group in enumerate(TOOLBAR):
        if number:
            v3.VDivider(vertical=True, classes="mx-1 my-2")
        for control in group:
            if isinstance(control, Button):
                build_button(control, "bottom")
            elif isinstance(control, Choice) and control.value == "tool":
                _tools(control)
            elif isinstance(control, Choice):
                _choice(control, style="max-width: 132px; min-width: 96px", classes="mx-1")


def build_panel() -> None:
    """The sections of the panel, into the widget that is open."""
    unfolded = [section.title for section in PANEL if section.open]
    with v3.VExpansionPanels(multiple=True, model_value=("unfolded", unfolded), update_modelValue="unfolded = $event",
                             variant="accordion", flat=True, static=True):  # fmt: skip
        for section in PANEL:
            _section(section)


def _section(section: Section) -> None:
    with v3.VExpansionPanel(
        value=section.title, **_only_for(section.kinds), raw_attrs=[_test(f"section-{section.title}")]
    ):
        v3.VExpansionPanelTitle(section.title, classes="drag3d-title")
        with v3.VExpansionPanelText(eager=True), html.Div(classes="drag3d-items"):
            for control in section.items:
                build(control)


def build(control: Control) -> None:
    """The widget of one control."""
    match control:
        case Button():
            build_button(control, "top")
        case Choice():
            _choice(control)
        case Toggle():
            _toggle(control)
        case Number():
            _number(control)
        case Slider():
            _slider(control)
        case Readout():
            _readout(control)
        case Curve():
            _curve(control)
        case PointTable():
            _points(control)
        case Corners():
            _corners(control)
        case Row():
            with html.Div(classes="drag3d-row", **_only_for(control.kinds)):
                for item in control.items:
                    build(item)


def build_button(button: Button, tip_side: str) -> None:
    """A button with its icon, and its keys in the tip. What it says may change while it stands there."""
    command = BY_NAME[button.command]
    keys = f" ({' or '.join(command.keys)})" if command.keys else ""
    label = f"labels.{command.name}"
    shared: dict[str, Any] = {
        "click": f"trigger('run', ['{command.name}'])",
        "disabled": (f"!on.{command.name}",),
        "size": "small",
        **_only_for(tuple(kind for kind in button.kinds if kind in command.kinds)),
        "raw_attrs": [_test(f"command-{command.name}"), f':aria-label="{label}"'],
    }
    icon: Any = f"mdi-{command.icon}"
    if command.name == "start":
        icon = (f"{label} === 'Pause' ? 'mdi-pause' : 'mdi-play'",)
        shared |= {"color": ("on.start ? 'primary' : undefined",), "variant": ("on.start ? 'flat' : 'tonal'",)}
    elif command.name == "compare":
        shared["color"] = ("comparing ? 'warning' : undefined",)
    if button.label:
        shared.setdefault("variant", "tonal")
        with v3.VBtn(prepend_icon=icon, classes="mx-1", **shared):
            html.Span(f"{{{{ {label} }}}}" if command.name == "start" else button.label)
            _tip((f"{label} + '{keys}'",) if command.name != "start" else command.text + keys, tip_side)
    else:
        with v3.VBtn(icon=True, variant=shared.pop("variant", "text"), density="comfortable", **shared):
            v3.VIcon(icon)
            _tip((f"{label} + '{keys}'",), tip_side)


def _tip(text: str | tuple[str], side: str) -> None:
    """A text, or a tuple of an expression of the page, as trame has it."""
    v3.VTooltip(text=text, activator="parent", location=side, open_delay=500)


def _tools(control: Choice) -> None:
    """The tools as icons, of which one is pressed."""
    with v3.VBtnToggle(v_model=(f"value_{control.value}",), mandatory=True, density="compact", variant="text",
                       color="primary", classes="drag3d-tools", raw_attrs=[_test("value-tool")]):  # fmt: skip
        for name in ("point", "brush", "box"):
            command = BY_NAME[f"tool_{name}"]
            attributes = [_test(f"tool-{name}"), f'aria-label="{command.text}"']
            with v3.VBtn(value=name, icon=True, size="small", raw_attrs=attributes, disabled=(f"!on.{command.name}",),
                         **_only_for(command.kinds)):  # fmt: skip
                v3.VIcon(f"mdi-{command.icon}")
                _tip(f"{command.text} ({command.keys[0]})", "bottom")


def _choice(control: Choice, **more: Any) -> None:
    v3.VSelect(
        v_model=(f"value_{control.value}",), items=(f"choices.{control.value} || []",), label=control.label,
        disabled=(f"!on.{control.value}",), **FIELD, **_only_for(control.kinds), **more,
        raw_attrs=[_test(f"value-{control.value}"), *_title(control.tip)],
    )  # fmt: skip


def _toggle(control: Toggle) -> None:
    v3.VCheckbox(
        v_model=(f"value_{control.value}",), label=control.label, disabled=(f"!on.{control.value}",), color="primary",
        **TIGHT, **_only_for(control.kinds), raw_attrs=[_test(f"value-{control.value}"), *_title(control.tip)],
    )  # fmt: skip


def _number(control: Number) -> None:
    placeholder = {"placeholder": "automatic", "persistent_placeholder": True} if control.optional else {}
    attributes = [_test(f"value-{control.value}"), 'inputmode="decimal"', 'spellcheck="false"', *_title(control.tip)]
    v3.VTextField(
        v_model=(f"value_{control.value}",), label=control.label, disabled=(f"!on.{control.value}",), **FIELD,
        __events=["change"], change=f"trigger('give', ['{control.value}', $event.target.value])", **placeholder,
        **_only_for(control.kinds), raw_attrs=attributes,
    )  # fmt: skip


def _slider(control: Slider) -> None:
    with html.Div(classes="drag3d-slider", **_only_for(control.kinds), raw_attrs=_title(control.tip)):
        html.Label(control.label)
        v3.VSlider(
            v_model=(f"value_{control.value}",), min=control.low, max=control.high, step=control.step, color="primary",
            disabled=(f"!on.{control.value}",), thumb_size=14, track_size=3, **TIGHT,
            raw_attrs=[_test(f"value-{control.value}"), f'aria-label="{control.label}"'],
        )  # fmt: skip
        html.Span(f"{{{{ Number(value_{control.value}).toFixed(2) }}}}", classes="drag3d-figure")


def _readout(control: Readout) -> None:
    with html.Div(classes="drag3d-readout", **_only_for(control.kinds)):
        html.Span(control.label)
        html.Span(f"{{{{ texts.{control.value} || '–' }}}}", raw_attrs=[_test(f"text-{control.value}")])


def _curve(control: Curve) -> None:
    name = f"curves.{control.value}"
    with html.Div(
        classes="drag3d-curve", v_if=(f"{name} && {name}.line",), raw_attrs=[_test(f"curve-{control.value}")]
    ):
        with html.Div(classes="drag3d-readout"):
            html.Span(control.label)
            html.Span(f"{{{{ {name}.first }}}} → {{{{ {name}.last }}}}")
        line = f'<polyline :points="{name}.line" vector-effect="non-scaling-stroke"></polyline>'
        box = f"0 -1 {PLOT_WIDTH:g} {PLOT_HEIGHT + 2:g}"
        html.Div(
            f'<svg viewBox="{box}" preserveAspectRatio="none" role="img" aria-label="{control.label}">{line}</svg>'
        )


def _points(control: PointTable) -> None:
    """A line for each point: on or off, its number, and under each other handle and target, which can be typed."""
    html.Div("Click the shape for a handle, click again for its target.", v_if=("kind === 'shape' && !points.length",),
             classes="drag3d-hint")  # fmt: skip
    html.Div("Click the image for a handle, click again for its target.", v_if=("kind === 'image' && !points.length",),
             classes="drag3d-hint")  # fmt: skip
    with html.Div(classes="drag3d-points", v_if=("points.length",), raw_attrs=[_test("points")], **_TYPED_INTO):
        row = ':class="{ chosen: row.index === selected, off: !row.enabled }" v-for="row in points" :key="row.index"'
        with html.Div(classes="drag3d-point", click="trigger('point', [row.index, 'select'])",
                      raw_attrs=[row, ':data-test="`point-${row.index}`"']):  # fmt: skip
            with html.Div(classes="drag3d-point-head"):
                v3.VCheckboxBtn(
                    model_value=("row.enabled",), density="compact", color="primary",
                    update_modelValue="trigger('point', [row.index, 'enable', $event])",
                    raw_attrs=[':aria-label="`Point ${row.name} takes part`"'],
                )  # fmt: skip
                html.Span("{{ row.name }}", classes="drag3d-point-name")
                html.Span("{{ row.distance }} to go", classes="drag3d-figure")
                with v3.VBtn(icon=True, variant="text", size="x-small", density="comfortable",
                             click="trigger('point', [row.index, 'remove'])", __events=[("click_stop", "click.stop")],
                             raw_attrs=[':aria-label="`Delete point ${row.name}`"']):  # fmt: skip
                    v3.VIcon("mdi-close")
            for end in ("handle", "target"):
                with _line(f"'point', [row.index, '{end}', {_NUMBERS}]"):
                    html.Span(classes=f"drag3d-dot {end}", raw_attrs=[f'title="{end}"'])
                    _coordinates(f"row.{end}", f"`{end.capitalize()} of point ${{row.name}}, ${{'xyz'[axis]}}`")


def _corners(control: Corners) -> None:
    with html.Div(classes="drag3d-box", **_only_for(control.kinds), raw_attrs=[_test(f"value-{control.value}")]):
        html.Div(
            "No box. With the box tool, press on the shape and pull one open.", v_if=("!box",), classes="drag3d-hint"
        )
        with html.Div(v_if=("box",), **_TYPED_INTO):
            for number, name in enumerate(("low", "high")):
                with _line(f"'corner', [{number}, {_NUMBERS}]"):
                    html.Span(name, classes="drag3d-corner")
                    _coordinates(f"box[{number}]", f"`{control.label}, {name} corner, ${{'xyz'[axis]}}`")


_NUMBERS = "Array.from($event.currentTarget.querySelectorAll('input'), (field) => field.value)"


def _line(given: str) -> html.Div:
    """The coordinates of one place. They are given all at once, when the focus leaves the line or with Enter.

    One by one would not do: on the way from one place of the surface to another lies none.
    """
    left = f"$event.currentTarget.contains($event.relatedTarget) || trigger({given})"
    return html.Div(
        classes="drag3d-coordinates", __events=["focusout", ("entered", "keydown.enter")], focusout=left,
        entered="$event.target.blur()",
    )  # fmt: skip


def _coordinates(place: str, label: str) -> None:
    each = f'v-for="(value, axis) in {place}" :key="`${{axis}} ${{tables}}`" :value="value" :aria-label="{label}"'
    how = 'inputmode="decimal" spellcheck="false" autocomplete="off"'
    html.Input(raw_attrs=[each, how])


def _only_for(kinds: tuple[str, ...]) -> dict[str, Any]:
    """Shown for shapes, images or both; both while nothing is loaded."""
    if set(kinds) == set(BOTH):
        return {}
    return {"v_if": (f"!kind || {json.dumps(list(kinds))}.includes(kind)".replace('"', "'"),)}


def _test(name: str) -> str:
    """The name that tests find a widget by."""
    return f'data-test="{name}"'


def _title(tip: str) -> list[str]:
    return [f'title="{tip}"'] if tip else []
