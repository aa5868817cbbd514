"""The commands of `python -m posterity`."""
