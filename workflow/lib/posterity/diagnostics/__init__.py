"""Checks of a fit, and their verdict."""
