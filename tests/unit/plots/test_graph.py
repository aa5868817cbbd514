from posterity.plots.graph import write_graph


def test_graph_is_written_as_svg_and_png(tmp_path):
    svg, png = tmp_path / "g.svg", tmp_path / "g.png"
    write_graph("digraph { m -> y; c -> y }", str(svg), str(png))
    text = svg.read_text()
    for site in ("m", "c", "y"):
        assert f">{site}</text>" in text
    assert png.read_bytes().startswith(b"\x89PNG")
