"""``python -m drag3d``: the same as the command ``drag3d``."""

from drag3d.cli import main

if __name__ == "__main__":
    main(prog_name="drag3d")
