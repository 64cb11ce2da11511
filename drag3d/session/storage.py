"""The ``.drag3d`` file: one safetensors file, latents as tensors, the rest as JSON in its metadata. No code, no pickle.

The metadata have one entry, so that the same session always gives the same bytes. Its key names the version, its value
is the JSON: kind, model (name, fingerprint, configuration), seeds, settings, tables of points and regions, and the
history, whose entries refer to rows of these tables and to the tensors ``latents.N.geometry`` and ``latents.N.texture``
of a shape, ``latents.N.rows`` of an image; so what many entries share is written once. Floats survive bit by bit: JSON
writes the shortest decimal that reads back as the same double. Version 1, which knew shapes only, is still read.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from drag3d.core import DragSettings
from drag3d.session import checks
from drag3d.session.history import Entry
from drag3d.session.kinds import KINDS, Kind, kind_of
from drag3d.session.state import Origin, Point, State
from drag3d.session.strict import Damaged, Fields, integer, items, parse, position
from get3d_models.errors import InputError
from get3d_models.loading import embedded_models, load

SESSION_FORMAT = "drag3d-session-2"
OLDER_FORMATS = ("drag3d-session-1",)
SUFFIX = ".drag3d"
MAX_HISTORY = 20_000
MAX_JSON = 32 << 20
MAX_FILE = 2 << 30
_LABEL = 80


@dataclass(frozen=True)
class SessionRecord:
    """What a session file holds, as plain values."""

    kind: str
    model: str
    fingerprint: str
    config: Any
    """Of the generator; its class follows from the kind"""
    origin: Origin
    settings: DragSettings
    latents_moved: str | None
    entries: tuple[Entry[State], ...]
    position: int


def write_session(path: str | Path, record: SessionRecord) -> Path:
    """Write a session file, atomically. Only the last 20,000 entries of the history are kept, and the start."""
    from drag3d.export.atomic import write_bytes_atomically

    path = Path(path)
    if path.suffix != SUFFIX:
        raise InputError(f"cannot write the session {path}: its name must end in {SUFFIX}")
    content, tensors = _packed(_shortened(record))
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    return write_bytes_atomically(path, save(tensors, metadata={SESSION_FORMAT: text}))


def read_session(path: str | Path) -> SessionRecord:
    """Read and check a session file; InputError says in one line what is wrong with it.

    Sizes are bounded before anything is built: the file, its JSON, the numbers of points, regions and history entries.
    """
    path = Path(path)
    _check_size(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            version = _version(metadata, path)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        return _unpacked(parse(metadata[version]), tensors, version)
    except (Damaged, SafetensorError, UnicodeDecodeError) as error:
        said = " ".join(str(error).split())[:160]
        raise InputError(f"{path} is not a usable session file: {said}; use an earlier copy of it") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    except InputError as error:
        if str(error).startswith(str(path)):
            raise
        raise InputError(f"{path} is not a usable session file: {error}") from None


def kind_for(record: SessionRecord, path: str | Path, given: Any, device: str) -> Kind[Any, Any, Any, Any]:
    """The generator that a session belongs to, as its kind; checked by its fingerprint.

    ``given`` is a generator, a name or a path. Without it only an embedded model is looked for: a file must not make us
    read other files that it names.
    """
    if given is None and record.model not in embedded_models():
        raise InputError(
            f"{path} belongs to the model {record.model!r}, which is not embedded; open it with the file of that model"
        )
    if given is None or isinstance(given, str | Path):
        given = _loaded(record, path, record.model if given is None else given, device)
    if given.fingerprint != record.fingerprint:
        raise InputError(
            f"{path}: this session belongs to model {record.model} (hash {record.fingerprint[:12]}), "
            f"not {given.name} (hash {given.fingerprint[:12]}); open it with its own model"
        )
    kind = kind_of(given)
    try:
        if kind.name != record.kind:
            raise InputError(f"it holds an edit of the kind {record.kind!r}, but its model makes {kind.makes}")
        for entry in record.entries:
            kind.check_stored(entry.state.latents, entry.state.region)
        kind.check_settings(record.settings)
    except InputError as error:
        raise InputError(f"{path} is not a usable session file: {error}") from None
    return kind


def _loaded(record: SessionRecord, path: str | Path, name: str | Path, device: str) -> Any:
    try:
        options = KINDS[record.kind].loading_options(record.config)
    except InputError as error:
        raise InputError(f"{path} cannot be opened by itself: {error}") from None
    return load(name, device=device, **options)


# ---- writing ------------------------------------------------------------------------------------------------------


def _shortened(record: SessionRecord) -> SessionRecord:
    surplus = len(record.entries) - MAX_HISTORY
    if surplus <= 0:
        return record
    # Entries that can still be redone are at the end: the oldest go, but never the start nor the current one.
    surplus = min(surplus, max(0, record.position - 1))
    entries = (record.entries[0], *record.entries[1 + surplus :])[:MAX_HISTORY]
    return dataclasses.replace(record, entries=entries, position=record.position - surplus)


def _packed(record: SessionRecord) -> tuple[dict[str, Any], dict[str, Tensor]]:
    kind = KINDS[record.kind]
    tensors: dict[str, Tensor] = {}
    latents: dict[int, int] = {}
    points: dict[Point, int] = {}
    regions: dict[Any, int] = {}
    history = []
    for entry in record.entries:
        state = entry.state
        number = latents.setdefault(id(state.latents), len(latents))
        for part, tensor in kind.packed_latents(state.latents).items():
            tensors[f"latents.{number}.{part}"] = tensor.contiguous()
        history.append({
            "label": entry.label,
            "latents": number,
            "points": [points.setdefault(p, len(points)) for p in state.points],
            "region": None if state.region is None else regions.setdefault(state.region, len(regions)),
        })  # fmt: skip
    content = {
        "kind": record.kind,
        "model": {"name": record.model, "fingerprint": record.fingerprint, "config": record.config.to_dict()},
        **kind.packed_origin(record.origin, record.latents_moved),
        "settings": dataclasses.asdict(record.settings),
        "points": [dataclasses.asdict(p) for p in points],
        "regions": [kind.packed_region(r, tensors) for r in regions],
        "history": history,
        "position": record.position,
    }
    return content, tensors


# ---- reading ------------------------------------------------------------------------------------------------------


def _check_size(path: Path) -> None:
    try:
        if not path.is_file():
            wrong = "is a directory" if path.is_dir() else "is no ordinary file"
            raise InputError(f"cannot open the session {path}: it {wrong if path.exists() else 'does not exist'}")
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(9)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    if head[8:9] != b"{":
        raise InputError(f"{path} is not a drag3d session; give a file that drag3d saved ({SUFFIX})")
    if size > MAX_FILE or int.from_bytes(head[:8], "little") > MAX_JSON:
        raise InputError(f"{path} is too large for a session; give a file that drag3d saved ({SUFFIX})")


def _version(metadata: dict[str, str], path: Path) -> str:
    for version in (SESSION_FORMAT, *OLDER_FORMATS):
        if version in metadata:
            return version
    if any(name.startswith("drag3d-session-") for name in metadata):
        raise InputError(f"{path} was saved by a newer drag3d than this one, which reads {SESSION_FORMAT}; update it")
    raise InputError(f"{path} is not a drag3d session ({SESSION_FORMAT}); give a file that drag3d saved")


def _unpacked(content: dict[str, Any], tensors: dict[str, Tensor], version: str) -> SessionRecord:
    fields = Fields(content, "the session")
    name = "shape" if version == "drag3d-session-1" else fields.text("kind", 20)
    if name not in KINDS:
        raise Damaged(f"{name!r} is no kind of session")
    kind = KINDS[name]
    model, fingerprint, config = _model(kind, fields.take("model"))
    origin, latents_moved = kind.unpacked_origin(fields)
    settings = fields.take("settings")
    if not isinstance(settings, dict):
        raise Damaged("the settings are not an object")
    unused = dict(tensors)
    points = [_point(value, kind.dimensions) for value in fields.items("points", MAX_HISTORY * 2)]
    regions = [kind.unpacked_region(value, unused) for value in fields.items("regions", MAX_HISTORY)]
    rows = fields.items("history", MAX_HISTORY)
    latents: dict[int, Any] = {}
    entries = tuple(_entry(row, kind, points, regions, latents, unused) for row in rows)
    if not entries:
        raise Damaged("its history is empty")
    current = fields.integer("position", 0, len(entries) - 1)
    fields.close()
    if unused:
        raise Damaged(f"it holds a tensor {next(iter(unused))[:40]!r} that nothing refers to")
    return SessionRecord(
        name, model, fingerprint, config, origin,
        checks.changed_settings(DragSettings(), settings), latents_moved, entries, current,
    )  # fmt: skip


def _model(kind: type[Kind[Any, Any, Any, Any]], value: Any) -> tuple[str, str, Any]:
    fields = Fields(value, "the model")
    name, fingerprint = fields.text("name", 200), fields.text("fingerprint", 64)
    config = fields.take("config")
    if not isinstance(config, dict):
        raise Damaged("the model's configuration is not an object")
    fields.close()
    return name, fingerprint, kind.config(config)


def _point(value: Any, dimensions: int) -> Point:
    fields = Fields(value, "a point")
    handle, target = (position(fields.take(name), f"{name!r} of a point", dimensions) for name in ("handle", "target"))
    enabled = fields.take("enabled")
    if not isinstance(enabled, bool):
        raise Damaged("'enabled' of a point is neither true nor false")
    point = Point(handle, target, enabled, fields.text("name", _LABEL))
    fields.close()
    return point


def _entry(
    value: Any,
    kind: type[Kind[Any, Any, Any, Any]],
    points: list[Point],
    regions: list[Any],
    latents: dict[int, Any],
    unused: dict[str, Tensor],
) -> Entry[State]:
    fields = Fields(value, "an entry of the history")
    label = fields.text("label", _LABEL)
    number = fields.integer("latents", 0, MAX_HISTORY)
    if number not in latents:
        latents[number] = kind.unpacked_latents(f"latents.{number}.", unused)
    chosen = items(fields.take("points"), "'points' of a history entry", checks.MAX_POINTS)
    mine = tuple(points[integer(i, "a point's number", 0, len(points) - 1)] for i in chosen)
    region = fields.take("region")
    found = None if region is None else regions[integer(region, "a region's number", 0, len(regions) - 1)]
    fields.close()
    return Entry(label, State(latents[number], mine, found))
