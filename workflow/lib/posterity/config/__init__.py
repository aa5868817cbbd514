"""Studies and the configuration: read, validate, complete."""
