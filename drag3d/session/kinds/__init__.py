"""The kinds of things that can be edited, each in one object that answers for all in which it differs."""

from __future__ import annotations

from typing import Any

from drag3d.session.kinds.image import ImageKind
from drag3d.session.kinds.kind import Kind
from drag3d.session.kinds.shape import ShapeKind

KINDS: dict[str, type[Kind[Any, Any, Any, Any]]] = {kind.name: kind for kind in (ShapeKind, ImageKind)}


def kind_of(generator: Any) -> Kind[Any, Any, Any, Any]:
    """The kind of what a generator makes."""
    return KINDS[getattr(generator, "kind", "shape")](generator)


__all__ = ["KINDS", "ImageKind", "Kind", "ShapeKind", "kind_of"]
