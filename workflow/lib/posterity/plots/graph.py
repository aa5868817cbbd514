"""The graph of the model: sites, plates and dependencies."""

from pathlib import Path

import pygraphviz


def write_graph(dot: str, svg: str | Path, png: str | Path) -> None:
    """Lay out a graph in the DOT language by the Graphviz of pygraphviz. Write SVG and PNG."""
    drawing = pygraphviz.AGraph(dot)
    drawing.graph_attr.update(fontname="DejaVu Sans", bgcolor="white", pad="0.2", dpi="110")
    drawing.node_attr.update(fontname="DejaVu Sans")
    drawing.layout(prog="dot")
    drawing.draw(svg, format="svg")
    drawing.draw(png, format="png")
