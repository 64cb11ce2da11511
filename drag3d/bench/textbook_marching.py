"""Marching tetrahedra as textbooks and libraries write it: edges are sorted and made unique at every call.

The oracle and the opponent of `get3d_models.marching`: same surface, other order of faces, no static tables.
"""

from __future__ import annotations

import torch
from torch import Tensor

#: Per occupancy code (sum of occupied_i 2^i): triangles as pairs of corners, each pair a cut edge, outward.
CASES: dict[int, tuple[str, ...]] = {
    1: ("01 02 03",),
    2: ("01 13 12",),
    4: ("02 12 23",),
    8: ("03 23 13",),
    3: ("02 03 13", "02 13 12"),
    5: ("03 01 12", "03 12 23"),
    6: ("02 01 13", "02 13 23"),
}


def textbook_marching_tetrahedra(tets: Tensor, sdf: Tensor, vertices: Tensor) -> tuple[Tensor, Tensor]:
    """Surface vertices (M, 3) and outward faces (F, 3) for `tets` (T, 4), `sdf` (V,) and `vertices` (V, 3)."""
    occupied = sdf > 0
    inside = occupied[tets].sum(dim=1)
    crossing = tets[(inside > 0) & (inside < 4)]
    pairs = torch.tensor([[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]], device=tets.device)
    edges = crossing[:, pairs].sort(dim=2).values.reshape(-1, 2)
    unique, number = torch.unique(edges, dim=0, return_inverse=True)
    is_cut = occupied[unique].sum(dim=1) == 1
    renumber = torch.full((len(unique),), -1, dtype=torch.long, device=tets.device)
    renumber[is_cut] = torch.arange(int(is_cut.sum()), device=tets.device)
    local = renumber[number].reshape(-1, 6)
    ends = unique[is_cut]
    s, p = sdf[ends], vertices[ends]
    weight = (s[:, 0] / (s[:, 0] - s[:, 1]))[:, None]
    mesh = p[:, 0] * (1 - weight) + p[:, 1] * weight
    code = (occupied[crossing] * torch.tensor([1, 2, 4, 8], device=tets.device)).sum(dim=1)
    faces = [local[code == c][:, columns].reshape(-1, 3) for c, columns in _columns().items()]
    return mesh, torch.cat(faces) if len(crossing) else tets.new_zeros((0, 3))


def _columns() -> dict[int, list[int]]:
    """Edge columns of the triangles of every code; the complement of a code has the same ones, turned around."""
    names = ["01", "02", "03", "12", "13", "23"]
    table = {}
    for code, triangles in CASES.items():
        columns = [[names.index(edge) for edge in triangle.split()] for triangle in triangles]
        table[code] = [column for triangle in columns for column in triangle]
        table[15 - code] = [column for triangle in columns for column in reversed(triangle)]
    return table
