"""The command line: ``drag3d demo | models | sample | drag | bench``."""

from drag3d.cli.main import main

__all__ = ["main"]
