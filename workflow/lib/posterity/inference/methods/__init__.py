"""The methods of fitting, one module each."""
