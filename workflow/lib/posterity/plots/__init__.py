"""The figures, a module per kind, each with a function `draw(artefacts, settings) -> Figure`. They are listed in `catalogue`."""
