"""Which optional parts are here and work; what ``drag3d doctor`` says."""

from drag3d.doctor.examination import examine
from drag3d.doctor.finding import BROKEN, MISSING, WORKS, Finding

__all__ = ["BROKEN", "MISSING", "WORKS", "Finding", "examine"]
