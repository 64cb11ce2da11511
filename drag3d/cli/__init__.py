"""The command line: ``drag3d demo | models | convert | sample | drag | eval | bench``."""

from drag3d.cli.main import main

__all__ = ["main"]
