"""Statistics of draws."""
