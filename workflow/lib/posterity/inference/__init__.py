"""Fit a model: driving compiled programs, and the methods."""
