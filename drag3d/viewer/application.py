"""The viewer itself, without a window: what both windows show and do, from mouse and keys to intents and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from drag3d.viewer import availability, commands, values
from drag3d.viewer.actions import ACTIONS
from drag3d.viewer.drawing import Drawing
from drag3d.viewer.intents import Configure, Generate, Intent, Look, SetBox, Shown
from drag3d.viewer.mirror import Mirror
from drag3d.viewer.mouse import Mouse
from drag3d.viewer.replies import Busy, Died, Document, ImageShown, Offers, Reply, Said, ShapeShown, Written
from drag3d.viewer.requests import Requests
from drag3d.viewer.scene import BACKGROUNDS
from drag3d.viewer.tools import BoxTool, BrushTool, PointTool, Tool

if TYPE_CHECKING:
    from drag3d.viewer.host import Host
    from drag3d.viewer.link import Link
    from drag3d.viewer.scene.pointer import Pointer
    from drag3d.viewer.scene.scene import Scene


DRAWING = 1 / 4
"""Of the time of a drag, at most, where nobody holds anything: without a GPU, drawing takes from the drag's steps"""


class Viewer(Requests):
    """One person's view of one session. Call :meth:`tick` some 60 times a second from the window's loop."""

    link: Link
    scene: Scene
    host: Host
    region_shown: bool
    helping: bool
    brush_share: float

    unanswerable = 1 << 62
    """In place of an intent's number: shown until it is replaced."""

    def __init__(self, link: Link, scene: Scene, host: Host, *, restart: Callable[[], Link] | None = None):
        self.link, self.scene, self.host, self._restart = link, scene, host, restart
        self.mirror = Mirror()
        self.dead = False
        """Whether the worker is gone; the command "restart" makes a new one."""
        self.points, self.brush, self.box = PointTool(self), BrushTool(self), BoxTool(self)
        self.tool_name: str = "point"
        self.selected: int = -1
        self.look: str = "textured"
        self.background: str = BACKGROUNDS[0]
        self.chosen_constraint: str = ""
        self.held: set[str] = set()
        """Commands whose keys are down"""
        self.brush_share: float = 0.06
        self.erase = self.in_view = self.comparing = self.helping = False
        self.region_shown = True
        self.wanted: Generate | None = None
        """A start that was asked for while another was being made; only the last one counts."""
        self.asked_for: Generate | None = None
        """The start that is being made, until it is there"""
        self._starting = 0
        self.mouse, self.drawing = Mouse(self), Drawing(self)
        self._recovering, self._changed = False, True

    # ---- the loop ---------------------------------------------------------------------------------------------

    def tick(self) -> bool:
        """Take in what the worker has answered, and draw if there is something new; whether values have changed."""
        for reply in self.link.poll():
            self._take(reply)
            self._changed = True
        if self.wanted is not None and self.mirror.document.answered >= self._starting:
            self.asked_for, self.wanted = self.wanted, None
            self._starting = self.send(self.asked_for)
        if self.scene.dirty and self._may_draw():
            self.scene.render()
        changed, self._changed = self._changed, False
        return changed

    def _may_draw(self) -> bool:
        """While a drag runs, and nobody holds anything with the mouse, drawing leaves the processor to it."""
        running = self.mirror.document.progress.state == "running"
        return not running or self.mouse.grip is not None or self.scene.rested(DRAWING)

    def touch(self) -> None:
        """Values have changed: the next tick says so."""
        self._changed = True

    def send(self, intent: Intent) -> int:
        """Ask the worker for something; returns the intent's number."""
        self._changed = True
        return self.unanswerable if self.dead else self.link.send(intent)

    def close(self) -> None:
        """End the worker; what is unsaved stays as an autosave."""
        self.link.close()

    def _take(self, reply: Reply) -> None:
        mirror = self.mirror
        match reply:
            case Document():
                self._take_document(reply)
            case ShapeShown() | ImageShown():
                if reply.original:
                    mirror.original = reply
                else:
                    mirror.shown = reply
                    self.send(Shown(reply.version))
                self.drawing.body()
            case Said():
                mirror.say(reply.level, reply.text)
            case Busy():
                mirror.busy = reply
            case Written():
                self.host.written(reply.path)
            case Offers():
                mirror.offers = reply.autosaves
                if self._recovering and reply.autosaves:  # after a crash nobody wants to be asked
                    self._recovering = False
                    self.restore(reply.autosaves[0].name)
            case Died():
                self.dead, mirror.busy = True, Busy("")
                mirror.say("error", reply.text)

    def _take_document(self, document: Document) -> None:
        before = self.mirror.document
        self.mirror.take(document)
        if document.answered >= self._starting:
            self.asked_for = None
        if document.kind != before.kind:
            self.mouse.cancel()
            if document.kind == "image" and self.tool_name == "box":
                self.tool_name = "point"
            self.chosen_constraint = ""
        if self.selected >= len(self.mirror.points()):
            self.selected = -1
        if (document.model, document.seed, document.texture_seed) != (before.model, before.seed, before.texture_seed):
            self.points.cancel()
        self.drawing.box()
        self.drawing.points()
        self.drawing.caption()

    # ---- what the tools ask ---------------------------------------------------------------------------------------

    @property
    def can_restart(self) -> bool:
        """Whether there is a dead worker to be replaced."""
        return self.dead and self._restart is not None

    @property
    def tool(self) -> Tool:
        """What the left button does."""
        tools: dict[str, Tool] = {"point": self.points, "brush": self.brush, "box": self.box}
        return tools[self.tool_name]

    @property
    def brush_radius(self) -> float:
        """World units or pixels."""
        return self.brush_share * self.mirror.document.diagonal

    def constraint(self) -> str:
        """The way that targets move: one of the held keys, else what is chosen; "" for freely."""
        held = [name for name in values.CONSTRAINTS if name in self.held]
        return held[-1] if held else self.chosen_constraint

    # ---- mouse, keys, commands and values -------------------------------------------------------------------------

    def pointer(self, event: Pointer) -> None:
        """Take a mouse event of the view."""
        self.mouse.take(event)

    def key(self, name: str, down: bool) -> bool:
        """Take a key ("ctrl+shift+z"); true if it is one of ours."""
        command = commands.command_of(name, self.mirror.document.kind)
        if command is None:
            return False
        if command.held:
            self._hold(command.name, down)
        elif down:
            self.run(command.name)
        return True

    def _hold(self, name: str, down: bool) -> None:
        self.held = self.held | {name} if down else self.held - {name}
        if name == "compare":
            self.compare(down)
        else:
            self.mouse.again()  # the target goes where the key now says

    def run(self, command: str) -> None:
        """Do what a command says, as far as it can be done now."""
        if self.enabled(command):
            ACTIONS[command](self)
            self._changed = True

    def compare(self, on: bool) -> None:
        """Show the original, or again what is edited."""
        if on != self.comparing and (self.mirror.original is not None or not on):
            self.mouse.cancel()
            self.comparing = on
            self.drawing.body()
            self.drawing.caption()
            self._changed = True

    def give_up(self) -> bool:
        """Let go of what is being done with the mouse, and of the help; false if there was nothing."""
        if self.helping:
            self.show_help(False)
            return True
        return self.mouse.cancel() or self.points.cancel()

    def show_help(self, on: bool) -> None:
        """The overlay with all gestures and keys."""
        self.helping = on
        self.scene.set_help(commands.help_lines(self.mirror.document.kind or "shape") if on else None)

    def values(self) -> dict[str, Any]:
        """What the controls show, by name."""
        return values.values_of(self)

    def choices(self, name: str) -> tuple[tuple[str, str], ...]:
        """Keys and texts of a Choice."""
        return tuple(values.choices_of(self, name).items())

    def label(self, command: str) -> str:
        """What stands on a button, or in its tip, now."""
        document = self.mirror.document
        if command == "start":
            return {"running": "Pause", "paused": "Continue"}.get(document.progress.state, "Start")
        if command in ("undo", "redo"):
            what, text = getattr(document, command), commands.BY_NAME[command].text
            return f"{text}: {what}" if what else text
        return commands.BY_NAME[command].text

    def enabled(self, name: str) -> bool:
        """Whether a command can be run or a value be set now."""
        return availability.enabled(self, name)

    def set_value(self, name: str, value: Any) -> None:
        """Set a value of the panel; wrong ones are answered with a line by the worker and leave all as it is."""
        self._changed = True
        if name in values.SETTINGS:
            if value != self.mirror.document.settings.get(name):
                self.send(Configure({name: value}))
        elif name in values.STARTS:
            self.generate(**{name: value})
        elif name == "tool" and value in dict(self.choices("tool")):
            self.tool.cancel()
            self.tool_name = value
        elif name == "look" and value in self.scene.looks:
            self.look = value
            self.send(Look(value == "features"))
            self.scene.set_look(value)
        elif name == "background" and value in BACKGROUNDS:
            self.background = value
            self.scene.set_background(value)
        elif name == "constraint" and value in dict(self.choices("constraint")):
            self.chosen_constraint = value
        elif name == "brush":
            self.brush_share = min(0.25, max(0.01, float(value)))
        elif name == "erase":
            self.erase = bool(value)
        elif name == "show_region":
            self.region_shown = bool(value)
            self.drawing.body()
        elif name == "in_view":
            self.in_view = bool(value)
        elif name == "box" and value is not None:
            self.send(SetBox(tuple(value[0]), tuple(value[1])))

    # ---- what windows ask for by more than a name -----------------------------------------------------------------

    def generate(self, **changes: Any) -> None:
        """Begin with other seeds, or another model; faster than they are made, only the last one counts."""
        now = values.values_of(self)
        start = {name: now[name] for name in values.STARTS} | changes
        if start["seed"] is None or start["seed"] < 0:
            return
        if "model" in changes:
            start |= {"texture_seed": None, "label": None}
        if self.mirror.document.kind == "image" and "model" not in changes:
            start["texture_seed"] = None
        self.wanted, self._changed = Generate(**start), True

    def select_point(self, index: int | None) -> None:
        """Choose the point that commands are about."""
        self.selected = -1 if index is None or not 0 <= index < len(self.mirror.points()) else index
        self.drawing.points()

    def restart(self) -> None:
        """A new worker in place of one that is gone; it goes on where that one had saved last."""
        if self._restart is not None and self.can_restart:
            self.link.close()
            self.link, self.dead, self._recovering, self._starting = self._restart(), False, True, 0
            self.wanted = self.asked_for = None
            self.mirror = Mirror(messages=self.mirror.messages, shown=self.mirror.shown, original=self.mirror.original)
            self.drawing.points()
