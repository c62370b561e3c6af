"""Composition roots of the worker processes."""
