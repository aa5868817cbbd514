"""Methods that fit a model, one module each."""
