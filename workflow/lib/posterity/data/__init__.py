"""Data of a study: read a table or simulate."""
