"""The ``.drag3d`` file: one safetensors file, latents as tensors, the rest as JSON in its metadata. No code, no pickle.

The metadata have one entry, so that the same session always gives the same bytes. Its key names the version, its value
is the JSON: model (name, fingerprint, configuration), seeds, settings, tables of points and regions, and the history,
whose entries refer to rows of these tables and to the tensors ``latents.N.geometry`` and ``latents.N.texture``; so what
many entries share is written once. Floats survive bit by bit: JSON writes the shortest decimal that reads back as the
same double.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from drag3d.core import DragSettings
from drag3d.session import checks
from drag3d.session.history import Entry
from drag3d.session.regions import MAX_PARTS, Box, Part, Region, Sphere, Vertices
from drag3d.session.state import Point, State
from drag3d.session.strict import Damaged, Fields, integer, items, parse, position
from get3d_models.config import FREE_ENTRIES, GeneratorConfig
from get3d_models.errors import InputError
from get3d_models.generator import Generator, Latents
from get3d_models.loading import embedded_models, load

SESSION_FORMAT = "drag3d-session-1"
SUFFIX = ".drag3d"
MAX_HISTORY = 20_000
MAX_JSON = 32 << 20
MAX_FILE = 2 << 30
MAX_GRID = 128
"""The finest grid that is built on a session file's word; finer ones need a generator that the caller has loaded."""
_LABEL = 80


@dataclass(frozen=True)
class SessionRecord:
    """What a session file holds, as plain values."""

    model: str
    fingerprint: str
    config: GeneratorConfig
    seed: int
    texture_seed: int
    truncation: float
    settings: DragSettings
    latents_moved: str
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
            if SESSION_FORMAT not in metadata:
                raise InputError(f"{path} is not a drag3d session ({SESSION_FORMAT}); give a file that drag3d saved")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        return _unpacked(parse(metadata[SESSION_FORMAT]), tensors)
    except (Damaged, SafetensorError, UnicodeDecodeError) as error:
        said = " ".join(str(error).split())[:160]
        raise InputError(f"{path} is not a usable session file: {said}; use an earlier copy of it") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    except InputError as error:
        if str(error).startswith(str(path)):
            raise
        raise InputError(f"{path} is not a usable session file: {error}") from None


def generator_for(
    record: SessionRecord, path: str | Path, given: Generator | str | Path | None, device: str
) -> Generator:
    """The generator that a session belongs to, checked by its fingerprint.

    Without ``given`` only an embedded model is looked for: a file must not make us read other files that it names.
    """
    free = {name: getattr(record.config, name) for name in FREE_ENTRIES}
    if given is None and record.model not in embedded_models():
        raise InputError(
            f"{path} belongs to the model {record.model!r}, which is not embedded; open it with the file of that model"
        )
    if not isinstance(given, Generator):
        resolution = record.config.grid_resolution
        if resolution > MAX_GRID:
            raise InputError(f"{path} wants a grid of resolution {resolution}; load its model yourself and pass it")
        given = load(record.model if given is None else given, device=device, **free)
    if given.fingerprint != record.fingerprint:
        raise InputError(
            f"{path}: this session belongs to model {record.model} (hash {record.fingerprint[:12]}), "
            f"not {given.name} (hash {given.fingerprint[:12]}); open it with its own model"
        )
    _check_latents(record, given.config, path)
    return given


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
    tensors: dict[str, Tensor] = {}
    latents: dict[int, int] = {}
    points: dict[Point, int] = {}
    regions: dict[Region, int] = {}
    history = []
    for entry in record.entries:
        state = entry.state
        number = latents.setdefault(id(state.latents), len(latents))
        tensors[f"latents.{number}.geometry"] = state.latents.geometry.contiguous()
        tensors[f"latents.{number}.texture"] = state.latents.texture.contiguous()
        history.append({
            "label": entry.label,
            "latents": number,
            "points": [points.setdefault(p, len(points)) for p in state.points],
            "region": None if state.region is None else regions.setdefault(state.region, len(regions)),
        })  # fmt: skip
    content = {
        "model": {"name": record.model, "fingerprint": record.fingerprint, "config": record.config.to_dict()},
        "seed": record.seed,
        "texture_seed": record.texture_seed,
        "truncation": record.truncation,
        "settings": dataclasses.asdict(record.settings),
        "latents_moved": record.latents_moved,
        "points": [dataclasses.asdict(p) for p in points],
        "regions": [_packed_region(r, tensors) for r in regions],
        "history": history,
        "position": record.position,
    }
    return content, tensors


def _packed_region(region: Region, tensors: dict[str, Tensor]) -> dict[str, Any]:
    return {name: [_packed_part(part, tensors) for part in getattr(region, name)] for name in ("move", "stay")}


def _packed_part(part: Part, tensors: dict[str, Tensor]) -> dict[str, Any]:
    if isinstance(part, Box):
        return {"kind": "box", "low": part.low, "high": part.high}
    if isinstance(part, Sphere):
        return {"kind": "sphere", "center": part.center, "radius": part.radius}
    number = sum(name.startswith("vertices.") for name in tensors)
    tensors[f"vertices.{number}"] = torch.from_numpy(np.array(part.positions))
    return {"kind": "vertices", "positions": number, "radius": part.radius}


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


def _unpacked(content: dict[str, Any], tensors: dict[str, Tensor]) -> SessionRecord:
    fields = Fields(content, "the session")
    model = Fields(fields.take("model"), "the model")
    name, fingerprint = model.text("name", 200), model.text("fingerprint", 64)
    config = model.take("config")
    if not isinstance(config, dict):
        raise Damaged("the model's configuration is not an object")
    model.close()
    seeds = fields.integer("seed", 0, checks.MAX_SEED), fields.integer("texture_seed", 0, checks.MAX_SEED)
    truncation = checks.truncation_of(fields.number("truncation"))
    settings = fields.take("settings")
    if not isinstance(settings, dict):
        raise Damaged("the settings are not an object")
    latents_moved = checks.latents_moved_of(fields.text("latents_moved", 20))
    unused = dict(tensors)
    points = [_point(value) for value in fields.items("points", MAX_HISTORY * 2)]
    regions = [_region(value, unused) for value in fields.items("regions", MAX_HISTORY)]
    rows = fields.items("history", MAX_HISTORY)
    latents: dict[int, Latents] = {}
    entries = tuple(_entry(row, points, regions, latents, unused) for row in rows)
    if not entries:
        raise Damaged("its history is empty")
    current = fields.integer("position", 0, len(entries) - 1)
    fields.close()
    if unused:
        raise Damaged(f"it holds a tensor {next(iter(unused))[:40]!r} that nothing refers to")
    return SessionRecord(
        name, fingerprint, GeneratorConfig.from_dict(config), *seeds, truncation,
        checks.changed_settings(DragSettings(), settings), latents_moved, entries, current,
    )  # fmt: skip


def _point(value: Any) -> Point:
    fields = Fields(value, "a point")
    handle, target = (position(fields.take(name), f"{name!r} of a point") for name in ("handle", "target"))
    enabled = fields.take("enabled")
    if not isinstance(enabled, bool):
        raise Damaged("'enabled' of a point is neither true nor false")
    point = Point(handle, target, enabled, fields.text("name", _LABEL))
    fields.close()
    return point


def _region(value: Any, unused: dict[str, Tensor]) -> Region:
    fields = Fields(value, "a region")
    move, stay = (tuple(_part(v, unused) for v in fields.items(name, MAX_PARTS)) for name in ("move", "stay"))
    fields.close()
    return Region(move, stay)


def _part(value: Any, unused: dict[str, Tensor]) -> Part:
    fields = Fields(value, "a part of a region")
    kind = fields.text("kind", 20)
    part: Part
    if kind == "box":
        part = Box(*(position(fields.take(name), "a corner of a box") for name in ("low", "high")))
    elif kind == "sphere":
        part = Sphere(position(fields.take("center"), "the centre of a sphere"), fields.number("radius"))
    elif kind == "vertices":
        tensor = _tensor(unused, f"vertices.{fields.integer('positions', 0, MAX_HISTORY)}", 3)
        part = Vertices(tensor.numpy(), fields.number("radius"))
    else:
        raise Damaged(f"{kind!r} is no kind of region")
    fields.close()
    return part


def _entry(
    value: Any, points: list[Point], regions: list[Region], latents: dict[int, Latents], unused: dict[str, Tensor]
) -> Entry[State]:
    fields = Fields(value, "an entry of the history")
    label = fields.text("label", _LABEL)
    number = fields.integer("latents", 0, MAX_HISTORY)
    if number not in latents:
        latents[number] = Latents(*(_tensor(unused, f"latents.{number}.{part}") for part in ("geometry", "texture")))
    chosen = items(fields.take("points"), "'points' of a history entry", checks.MAX_POINTS)
    mine = tuple(points[integer(i, "a point's number", 0, len(points) - 1)] for i in chosen)
    region = fields.take("region")
    found = None if region is None else regions[integer(region, "a region's number", 0, len(regions) - 1)]
    fields.close()
    return Entry(label, State(latents[number], mine, found))


def _tensor(unused: dict[str, Tensor], name: str, width: int | None = None) -> Tensor:
    tensor = unused.pop(name, None)
    if tensor is None:
        raise Damaged(f"it has no tensor {name!r}")
    fits = tensor.dtype == torch.float32 and tensor.ndim == 2 and width in (None, tensor.shape[1])
    if not fits or not bool(torch.isfinite(tensor).all()):
        raise Damaged(f"tensor {name!r} does not hold finite rows of float32")
    return tensor


def _check_latents(record: SessionRecord, config: GeneratorConfig, path: str | Path) -> None:
    shapes = {"geometry": (config.geometry_rows, config.w_dim), "texture": (config.texture_rows, config.w_dim)}
    for entry in record.entries:
        for part, shape in shapes.items():
            if tuple(getattr(entry.state.latents, part).shape) != shape:
                raise InputError(f"{path} is not a usable session file: {part} latents are not of shape {shape}")
