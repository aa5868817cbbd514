import numpy as np
import pytest
import xarray as xr
from synthetic_fits import sample_gaussian

from posterity.artefact.netcdf import read_artefact, write_artefact
from posterity.artefact.provenance import collect_provenance
from posterity.comparison.study import compare_study_fits


def make_posterior(model, fit, draws=None, point=None):
    groups = {"/posterior": draws, "/point": point}
    tree = xr.DataTree.from_dict(
        {name: group for name, group in groups.items() if group is not None}
    )
    tree.attrs = {"model": model, "fit": fit, "gradient_evaluations": 10 * len(fit)}
    return tree


@pytest.fixture(scope="module")
def groups():
    rng = np.random.default_rng(1)
    draws = {fit: sample_gaussian(rng) for fit in ("nuts", "svi")}
    trees = [make_posterior(model, fit, draws[fit]) for model in "mn" for fit in draws]
    trees.append(make_posterior("m", "map", point=xr.Dataset({"a": 0.0, "b": 0.0})))
    return compare_study_fits(trees, 100)


def test_fits_are_compared_within_each_model(groups):
    pairs = groups["fit_pairs"]
    columns = (pairs[name].values for name in ("model", "fit_a", "fit_b"))
    assert list(zip(*columns, strict=True)) == [
        ("m", "nuts", "svi"),
        ("m", "nuts", "map"),
        ("m", "svi", "map"),
        ("n", "nuts", "svi"),
    ]


def test_rows_name_their_model(groups):
    rows = groups["fit_differences"]
    assert rows["model"].values.tolist() == ["m"] * 6 + ["n"] * 2


def test_pairs_have_the_cost_of_both_fits(groups):
    pairs = groups["fit_pairs"]
    assert pairs["gradients_a"].values.tolist() == [40, 40, 30, 40]
    assert pairs["gradients_b"].values.tolist() == [30, 30, 30, 30]
    assert set(pairs["agree"].values) == {"true"}


def test_study_without_pairs_has_no_groups():
    draws = sample_gaussian(np.random.default_rng(2))
    assert compare_study_fits([], 10) == {}
    assert compare_study_fits([make_posterior("m", "nuts", draws)], 10) == {}


def test_a_pair_whose_first_fit_never_moves_is_listed(tmp_path):
    rng = np.random.default_rng(3)
    stuck = make_posterior("m", "stuck", sample_gaussian(rng, sd=0.0))
    for others in ([sample_gaussian(rng), None], [None]):
        fits = [make_posterior("m", "svi", draws) for draws in others if draws is not None]
        point = make_posterior("m", "map", point=xr.Dataset({"a": 0.0, "b": 0.0}))
        groups = compare_study_fits([stuck, *fits, point], 100)
        pairs = groups["fit_pairs"]
        is_stuck = pairs["fit_a"].values == "stuck"
        assert is_stuck.sum() == len(others)
        assert set(pairs["agree"].values[is_stuck]) == {"none"}
        message = "cannot be compared: no scalar changes over the draws of stuck"
        assert set(pairs["message"].values[is_stuck]) == {message}
        attributes = collect_provenance("compare", "s", {}, 0, ("xarray",))
        write_artefact(tmp_path / "comparison.nc", groups, attributes)
        assert read_artefact(tmp_path / "comparison.nc")["fit_pairs"].sizes == pairs.sizes
