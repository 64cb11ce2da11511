"""``drag3d models``: what is embedded, and what a model file holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from get3d_models import Generator
    from get3d_models.stylegan2 import ImageGenerator


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
@click.option("--inspect", type=click.Path(path_type=Path), help="Instead: what a model file holds.")
def models(as_json: bool, inspect: Path | None) -> None:
    """List the embedded models, or look into a model file."""
    from get3d_models import embedded_models

    if inspect is not None:
        found = inspected(inspect)
        click.echo(json.dumps(found, indent=2) if as_json else _as_lines(found))
        return
    rows = [described(name, path) for name, path in embedded_models().items()]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    if not rows:
        click.echo("no embedded models: this installation lacks its assets; install drag3d again")
    for row in rows:
        click.echo(f"{row['name']}  {row['kind']}  {row['bytes'] / 1e6:.1f} MB  sha256 {row['sha256'][:12]}")
        click.echo(f"  {row['description']}")
        if row["keypoints"]:
            click.echo(f"  keypoints: {', '.join(row['keypoints'])}")


def described(name: str, path: Path) -> dict[str, Any]:
    """An embedded model: name, kind, file, size, hash, parameters, keypoints and the first line of its card."""
    from get3d_models import load
    from get3d_models.keypoints import keypoint_names

    generator = load(name)
    return {
        "name": name,
        "kind": generator.kind,
        "description": first_line(path.with_suffix(".md")),
        "file": str(path),
        "bytes": path.stat().st_size,
        "sha256": generator.fingerprint,
        "parameters": _parameters(generator),
        "keypoints": list(keypoint_names(generator)),
    }


def inspected(path: Path) -> dict[str, Any]:
    """A model file: kind, layout, hash, number of tensors and parameters, configuration, and what it lacks."""
    from get3d_models.checkpoint import open_model
    from get3d_models.loading import resolve
    from get3d_models.stylegan2 import ImageGenerator

    path = resolve(path)
    found = open_model(path)
    generator = found.generator
    values: dict[str, Any] = {
        "file": str(path),
        "bytes": path.stat().st_size,
        "name": found.name,
        "kind": generator.kind,
        "layout": found.layout,
        "sha256": generator.fingerprint,
        "tensors": len(generator.state_dict()),
        "parameters": _parameters(generator),
    }
    if isinstance(generator, ImageGenerator):
        width, height = generator.size
        values |= {"pixels": f"{width}x{height}", "labels": generator.config.label_dim}
    if found.note:
        values["note"] = found.note
    if found.source_sha256:
        values["ignored source code"] = f"sha256 {found.source_sha256}"
    if found.notes:
        values["notes"] = list(found.notes)
    return {**values, "config": generator.config.to_dict()}


def first_line(card: Path) -> str:
    """The first line of prose of a card in Markdown; a word of regret where there is no card."""
    try:
        lines = card.read_text(encoding="utf-8").splitlines()
    except OSError:
        return "(no card)"
    return next(
        (line.strip() for line in lines if line.strip() and line.strip()[0] not in "#-|<>`![*"), "(no description)"
    )


def _parameters(generator: Generator | ImageGenerator) -> int:
    return sum(tensor.numel() for tensor in generator.state_dict().values())


def _as_lines(values: dict[str, Any]) -> str:
    lines = []
    for key, value in values.items():
        if isinstance(value, dict):
            lines += [f"{key}:", *(f"  {k}: {v}" for k, v in value.items())]
        elif isinstance(value, list):
            lines += [f"{key}:", *(f"  {v}" for v in value)]
        else:
            lines.append(f"{key}: {value}")
    return "\n".join(lines)
