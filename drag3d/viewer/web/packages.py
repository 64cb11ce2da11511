"""What the viewer in a browser needs beside the rest."""

from __future__ import annotations

import importlib.util

PACKAGES = {
    "aiohttp": "aiohttp",
    "trame": "trame",
    "trame_vuetify": "trame-vuetify",
    "trame_pyvista": "trame-pyvista",
    "trame_rca": "trame-rca",
    "platformdirs": "platformdirs",
}
"""Modules, and the packages that bring them"""


def missing_packages() -> list[str]:
    """What pip would have to install before the viewer can be served to browsers."""
    return [package for module, package in PACKAGES.items() if importlib.util.find_spec(module) is None]
