"""An edit of one shape or image: latents, points, region, history, file. Command line and viewer are its clients."""

from drag3d.session.film import Film
from drag3d.session.history import History
from drag3d.session.masks import Mask
from drag3d.session.regions import Box, Region, Sphere, Vertices
from drag3d.session.report import report, write_report
from drag3d.session.result import DragResult
from drag3d.session.session import Session
from drag3d.session.state import Point, State
from drag3d.session.viewpoint import Viewpoint

__all__ = [
    "Box",
    "DragResult",
    "Film",
    "History",
    "Mask",
    "Point",
    "Region",
    "Session",
    "Sphere",
    "State",
    "Vertices",
    "Viewpoint",
    "report",
    "write_report",
]
