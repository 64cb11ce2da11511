"""Measurements of the editor against the slow ways that it replaces, as ratios within one run."""
