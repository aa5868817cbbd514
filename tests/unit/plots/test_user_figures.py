from figure_artefacts import write_curve

from posterity.plots.user_figures import list_curve_sites, load_curve


def test_curve_of_a_file_is_returned_with_its_sites(tmp_path):
    curve = load_curve(write_curve(tmp_path))
    assert curve(2.0, 3.0, 1.0) == 7.0
    assert list_curve_sites(curve) == ["m", "c"]


def test_file_without_a_curve_gives_none(tmp_path):
    (tmp_path / "figures.py").write_text("")
    assert load_curve(str(tmp_path / "figures.py")) is None
    assert load_curve(None) is None
