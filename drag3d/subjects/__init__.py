"""Generators adapted to the core: what a feature, a neighbourhood and a place for a handle are in each."""
