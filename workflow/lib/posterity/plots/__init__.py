"""The kinds of figures.

Each kind is a module with a function `draw_figure(artefacts, settings) -> Figure`, except `graph`,
which writes its files itself. `posterity.config.registry.FIGURE_KINDS` lists them. Import has no
effect on Matplotlib: call the functions inside `posterity.plots.style.apply_style()`.
"""
