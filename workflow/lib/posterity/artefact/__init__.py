"""Artefacts: the NetCDF files that stages write for each other."""
