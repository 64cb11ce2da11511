"""``drag3d models``: what is embedded, and what a model file holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from get3d_models import Generator


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
        click.echo(f"{row['name']}  {row['bytes'] / 1e6:.1f} MB  sha256 {row['sha256'][:12]}")
        click.echo(f"  {row['description']}")
        if row["keypoints"]:
            click.echo(f"  keypoints: {', '.join(row['keypoints'])}")


def described(name: str, path: Path) -> dict[str, Any]:
    """An embedded model: name, file, size, hash, parameters, keypoints and the first line of its card."""
    from get3d_models import load
    from get3d_models.keypoints import keypoint_names

    generator = load(name)
    return {
        "name": name,
        "description": first_line(path.with_suffix(".md")),
        "file": str(path),
        "bytes": path.stat().st_size,
        "sha256": generator.fingerprint,
        "parameters": _parameters(generator),
        "keypoints": list(keypoint_names(generator)),
    }


def inspected(path: Path) -> dict[str, Any]:
    """A model file: hash, number of tensors and parameters, configuration."""
    from get3d_models import load

    generator = load(path)
    return {
        "file": str(path),
        "bytes": path.stat().st_size if path.is_file() else None,
        "name": generator.name,
        "sha256": generator.fingerprint,
        "tensors": len(generator.state_dict()),
        "parameters": _parameters(generator),
        "config": generator.config.to_dict(),
    }


def first_line(card: Path) -> str:
    """The first line of prose of a card in Markdown; a word of regret where there is no card."""
    try:
        lines = card.read_text(encoding="utf-8").splitlines()
    except OSError:
        return "(no card)"
    return next(
        (line.strip() for line in lines if line.strip() and line.strip()[0] not in "#-|<>`![*"), "(no description)"
    )


def _parameters(generator: Generator) -> int:
    return sum(tensor.numel() for tensor in generator.state_dict().values())


def _as_lines(values: dict[str, Any]) -> str:
    lines = []
    for key, value in values.items():
        if isinstance(value, dict):
            lines += [f"{key}:", *(f"  {k}: {v}" for k, v in value.items())]
        else:
            lines.append(f"{key}: {value}")
    return "\n".join(lines)
