"""NumPyro models bound to data."""
