"""Comparison of models and of fits."""
