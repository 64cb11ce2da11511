"""Handing shapes and cameras to other libraries and taking theirs."""
