import numpy as np
import pytest
import xarray as xr
from scipy.stats import norm
from synthetic_fits import Y, make_predictive, sample_conjugate

from posterity.comparison.models import MODEL_COLUMNS, compare_models


def leave_one_out_densities(predictives):
    """Return the pointwise leave-one-out densities of models."""
    return {name: np.exp(tree["loo"]["elpd"].values) for name, tree in predictives.items()}


@pytest.fixture(scope="module")
def single():
    """The exact posterior of one model, its exact elpd, and its row."""
    predictive, exact = sample_conjugate(Y)
    return predictive, exact, compare_models({"one": predictive}, None).isel(model=0)


def test_elpd_equals_exact_leave_one_out(single):
    _, exact, row = single
    assert abs(row["elpd"] - exact.sum()) < 0.02
    assert row["se"] == pytest.approx(np.sqrt(len(Y) * exact.var(ddof=1)), rel=0.01)


def test_effective_number_of_parameters_is_the_gain_of_the_full_data(single):
    predictive, exact, row = single
    m = predictive["posterior"]["m"].values.ravel()
    full = norm.logpdf(Y[:, None], m.mean(), np.hypot(1, m.std())).sum()
    assert row["p"] == pytest.approx(full - exact.sum(), abs=0.02)


def test_single_model_has_all_weight_and_no_difference(single):
    row = single[2]
    assert row["pareto_k"] < row["good_k"] == pytest.approx(0.7)
    assert (row["weight"], row["bad_k"], row["points"], row["elpd_diff"]) == (1, 0, 120, 0)
    assert row["message"] == "the only model that can be scored; stacking weight 1.00"


@pytest.fixture(scope="module")
def two_models():
    """A good and a bad model of the same data, and the exact differences of their elpd."""
    good, exact = sample_conjugate(Y)
    bad, worse = sample_conjugate(Y, sd=3.0)
    return {"bad": bad, "good": good}, exact - worse


def test_better_model_is_first_and_compared_with_the_reference(two_models):
    predictives, difference = two_models
    table = compare_models(predictives, "bad")
    assert table["model"].values.tolist() == ["good", "bad"]
    assert table.attrs["reference"] == "bad"
    np.testing.assert_allclose(table["weight"], [1, 0], atol=1e-3)
    assert table["elpd_diff"][0] == pytest.approx(difference.sum(), abs=0.03)
    error = np.sqrt(difference.size) * difference.std()
    assert table["dse"][0] == pytest.approx(error, rel=0.01)
    assert "predicts best; better than bad by" in str(table["message"][0].item())
    assert "the others are compared with it" in str(table["message"][1].item())


def test_reference_defaults_to_the_best_model(two_models):
    predictives, difference = two_models
    table = compare_models(predictives, None)
    assert table.attrs["reference"] == "good"
    assert table["elpd_diff"].values == pytest.approx([0, -difference.sum()], abs=0.03)
    assert "predicts worse than good by" in str(table["message"][1].item())


@pytest.fixture(scope="module")
def mixture():
    """Three models of two halves that no single one of them describes."""
    rng = np.random.default_rng(1)
    halves = np.concatenate([rng.normal(m, 1, 20) for m in (-1, 1)])
    predictives = {str(m): sample_conjugate(halves, m, prior_sd=0.1)[0] for m in (-1, 1)}
    return predictives | {"flat": sample_conjugate(halves, 0, sd=4)[0]}


def test_stacking_weights_are_at_the_optimum(mixture):
    # At the optimum the mean of p_k / sum(w p) is 1 for models with a weight, at most 1 for others
    # (Karush, Kuhn & Tucker).
    weights = compare_models(mixture, None)["weight"]
    density = leave_one_out_densities(mixture)
    assert weights.sum() == pytest.approx(1)
    total = sum(float(weights.sel(model=name)) * density[name] for name in density)
    slope = {name: (density[name] / total).mean() for name in density}
    assert max(slope.values()) < 1.001
    for name in density:
        if weights.sel(model=name) > 0.01:
            assert slope[name] == pytest.approx(1, abs=1e-3)


def test_stacking_weights_do_not_underflow(mixture):
    weights = compare_models(mixture, None)["weight"]
    shifted = {name: tree.copy() for name, tree in mixture.items()}
    for tree in shifted.values():
        tree["loo"] = tree["loo"].to_dataset().assign(elpd=tree["loo"]["elpd"] - 2000)
    far = compare_models(shifted, None)["weight"]
    np.testing.assert_allclose(far.sel(model=weights["model"]), weights, atol=1e-3)


def test_stacking_weights_are_at_the_optimum_if_one_point_decides():
    # ArviZ 1.3 alone stops at 0.0003 for the broad model.
    y = np.append(Y, 60.0)
    predictives = {"narrow": sample_conjugate(y)[0], "broad": sample_conjugate(y, sd=4.0)[0]}
    weights = compare_models(predictives, None)["weight"]
    density = leave_one_out_densities(predictives)
    score = [
        np.log((1 - w) * density["narrow"] + w * density["broad"]).sum()
        for w in np.arange(1, 5000) * 1e-5
    ]
    best = (np.argmax(score) + 1) * 1e-5
    assert float(weights.sel(model="broad")) == pytest.approx(best, rel=0.01)


def test_scalar_sites_and_a_vector_site_are_the_same_model():
    plate, _ = sample_conjugate(Y[:32])
    loop, _ = sample_conjugate(Y[:32], sites=[f"y_{i}" for i in range(32)])
    table = compare_models({"plate": plate, "loop": loop}, None)
    for name in ("elpd", "se", "p", "pareto_k"):
        assert table[name][0] == table[name][1]
    np.testing.assert_allclose(table["weight"], 0.5)
    assert (table["elpd_diff"] == 0).all()
    assert (table["dse"] == 0).all()
    message = str(table["message"][1].item())
    within = "(elpd +0.0 ± 0.0, within 2 standard errors)"
    assert f"cannot be distinguished from plate {within}" in message
    assert "fewer than 100 points (32)" in message


@pytest.fixture(scope="module")
def incomparable():
    """Models that cannot be compared with the model `good`, with a part of their messages."""
    y = Y[:30]
    good = sample_conjugate(y)[0]
    density = good["log_likelihood"]["y"].values
    infinite = density.copy()
    infinite[0, 3, 7] = -np.inf
    posterior = good["posterior"].to_dataset()
    models = {
        "joint": (make_predictive(y, density.sum(2)), "that of their joint distribution"),
        "other": (make_predictive(y + 1, density), "other values than good (30"),
        "fewer": (make_predictive(y[:29], density[:, :, :29]), "(29 values, good has 30)"),
        "single": (make_predictive(y[:1], density[:, :, :1]), "at least 2"),
        "infinite": (make_predictive(y, infinite), "not finite"),
        "short": (make_predictive(y, density[:, :5]), "too few"),
        "nothing": (xr.DataTree.from_dict({"/posterior": posterior}), "observes nothing"),
    }
    predictives = {name: tree for name, (tree, _) in models.items()}
    texts = [text for _, text in models.values()]
    comparable = {"good": good, "again": sample_conjugate(y, sd=2.0)[0]}
    return predictives, texts, compare_models(predictives | comparable, "joint")


def test_models_that_are_not_comparable_are_last_and_without_numbers(incomparable):
    predictives, _, table = incomparable
    assert table["model"].values.tolist() == ["good", "again", *predictives]
    assert np.isfinite(table["elpd"][:2]).all()
    for name in MODEL_COLUMNS:
        assert np.isnan(table[name][2:]).all()


def test_messages_state_why_models_are_not_comparable(incomparable):
    _, texts, table = incomparable
    for message, text in zip(table["message"][2:].values, texts, strict=True):
        assert text in message


def test_reference_that_is_not_comparable_is_replaced_by_the_best(incomparable):
    assert incomparable[2].attrs["reference"] == "good"


def test_without_a_comparable_model_there_are_no_numbers(incomparable):
    assert compare_models({}, None).sizes["model"] == 0
    joint = incomparable[0]["joint"]
    assert compare_models({"joint": joint}, "joint")["elpd"].isnull().all()


def test_one_chain_is_enough():
    predictive, exact = sample_conjugate(Y, chains=1, draws=4000)
    elpd = compare_models({"one": predictive}, None)["elpd"][0]
    assert elpd == pytest.approx(exact.sum(), abs=0.02)


def test_constant_log_likelihoods_need_no_importance_sampling():
    constant = make_predictive(Y, np.broadcast_to(norm.logpdf(Y), (4, 500, len(Y))))
    row = compare_models({"constant": constant}, None).isel(model=0)
    assert row["elpd"] == pytest.approx(norm.logpdf(Y).sum())
    assert (row["p"], row["pareto_k"], row["bad_k"]) == (0, 0, 0)


def test_message_warns_of_a_large_k_hat():
    outlier = sample_conjugate(np.append(Y, 80.0), sd=1.0)[0]
    row = compare_models({"outlier": outlier}, None).isel(model=0)
    assert row["bad_k"] >= 1
    assert "caution: k-hat is above 0.70" in str(row["message"].item())


def test_message_repeats_what_arviz_warns_of_for_many_models():
    rng = np.random.default_rng(3)
    density = sample_conjugate(Y[:40], chains=1)[0]["log_likelihood"]["y"].values
    many = {f"m{i}": make_predictive(Y[:40], density + rng.normal(0, 0.3, 40)) for i in range(12)}
    message = str(compare_models(many, None)["message"][0].item())
    assert "Difference in performance potentially due to chance" in message
