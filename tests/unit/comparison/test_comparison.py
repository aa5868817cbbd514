import numpy as np
import pytest
import xarray as xr
from scipy.stats import norm, wasserstein_distance

from posterity.comparison.fits import compare_fits, compute_wasserstein, describe_pairs
from posterity.comparison.models import (
    MODEL_COLUMNS,
    compare_models,
    compute_loo,
    flatten_log_likelihood,
)
from posterity.plots import fits as plots_fits
from posterity.plots import models as plots_models
from posterity.plots.style import save_figure

LEAD = ("chain", "draw")


def tree(y, density, sites=None, draws=None):
    """A predictive.nc in memory: one site `y`, or the names of scalar sites."""
    shape = density.shape[:2]
    posterior = {
        "m": (LEAD, draws if draws is not None else np.random.default_rng(0).normal(size=shape))
    }
    if sites:
        observed = {site: ((), value) for site, value in zip(sites, y, strict=True)}
        density = {site: (LEAD, density[:, :, i]) for i, site in enumerate(sites)}
    else:
        observed, density = {"y": ("point", y)}, {"y": ((*LEAD, "point")[: density.ndim], density)}
    groups = {"posterior": posterior, "log_likelihood": density, "observed_data": observed}
    return xr.DataTree.from_dict(
        {f"/{name}": xr.Dataset(variables) for name, variables in groups.items()}
    )


def conjugate(y, prior_mean=0.0, sd=1.0, prior_sd=3.0, seed=1, chains=4, draws=1000, **how):
    """The exact posterior of a mean m ~ N(prior_mean, prior_sd) of y ~ N(m, sd), and its exact elpd of leaving one out."""

    def update(y):
        precision = 1 / prior_sd**2 + len(y) / sd**2
        return (prior_mean / prior_sd**2 + y.sum() / sd**2) / precision, precision**-0.5

    mean, spread = update(y)
    m = np.random.default_rng(seed).normal(mean, spread, size=(chains, draws))
    left = [update(np.delete(y, i)) for i in range(len(y))]
    exact = [norm.logpdf(y[i], mu, np.hypot(s, sd)) for i, (mu, s) in enumerate(left)]
    return tree(y, norm.logpdf(y, m[:, :, None], sd), draws=m, **how), np.array(exact)


def gaussian(rng, mean=0.0, sd=1.0, chains=4, draws=1000, names=("a", "b")):
    return xr.Dataset({name: (LEAD, rng.normal(mean, sd, size=(chains, draws))) for name in names})


Y = np.random.default_rng(5).normal(1, 1, size=120)


def test_loo_against_exact_leave_one_out():
    predictive, exact = conjugate(Y)
    row = compare_models({"one": predictive}, None).isel(model=0)
    assert abs(row["elpd"] - exact.sum()) < 0.02
    assert row["se"] == pytest.approx(np.sqrt(len(Y) * exact.var(ddof=1)), rel=0.01)
    y, m = Y[:, None], predictive["posterior"]["m"].values.ravel()
    assert row["p"] == pytest.approx(
        norm.logpdf(y, m.mean(), np.hypot(1, m.std())).sum() - exact.sum(), abs=0.02
    )
    assert row["pareto_k"] < row["good_k"] == pytest.approx(0.7)
    assert (row["weight"], row["bad_k"], row["points"], row["elpd_diff"]) == (1, 0, 120, 0)
    assert row["message"] == "the only model that can be scored; stacking weight 1.00"


def test_the_better_model_and_the_size_of_the_difference():
    (good, exact), (bad, worse) = conjugate(Y), conjugate(Y, sd=3.0)
    table = compare_models({"bad": bad, "good": good}, "bad")
    assert table["model"].values.tolist() == ["good", "bad"]
    assert table.attrs["reference"] == "bad"
    np.testing.assert_allclose(table["weight"], [1, 0], atol=1e-3)
    difference = exact - worse
    assert table["elpd_diff"][0] == pytest.approx(difference.sum(), abs=0.03)
    assert table["dse"][0] == pytest.approx(np.sqrt(difference.size) * difference.std(), rel=0.01)
    assert "predicts best; better than bad by" in str(table["message"][0].item())
    assert "the others are compared with it" in str(table["message"][1].item())
    to_best = compare_models({"bad": bad, "good": good}, None)
    assert to_best["elpd_diff"].values == pytest.approx([0, -difference.sum()], abs=0.03)
    assert "predicts worse than good by" in str(to_best["message"][1].item())


def densities(predictives):
    """The pointwise leave-one-out densities of models."""
    parts = {
        name: (one["posterior"].to_dataset(), flatten_log_likelihood(one)[1])
        for name, one in predictives.items()
    }
    return {name: np.exp(compute_loo(*part).elpd_i.values) for name, part in parts.items()}


def test_stacking_weights_are_at_the_optimum_even_where_densities_underflow():
    # At the optimum the mean of p_k / sum(w p) is 1 for models that count and at most 1 for others (Karush, Kuhn & Tucker).
    halves = np.concatenate([np.random.default_rng(1).normal(m, 1, 20) for m in (-1, 1)])
    predictives = {str(m): conjugate(halves, m, prior_sd=0.1)[0] for m in (-1, 1)} | {
        "flat": conjugate(halves, 0, sd=4)[0]
    }
    weights, density = compare_models(predictives, None)["weight"], densities(predictives)
    assert weights.sum() == pytest.approx(1)
    mixture = sum(float(weights.sel(model=name)) * density[name] for name in density)
    slope = {name: (density[name] / mixture).mean() for name in density}
    assert max(slope.values()) < 1.001
    assert all(
        slope[name] == pytest.approx(1, abs=1e-3)
        for name in density
        if weights.sel(model=name) > 0.01
    )
    for one in predictives.values():
        one["log_likelihood"] = one["log_likelihood"].to_dataset() - 2000
    far = compare_models(predictives, None)["weight"]
    np.testing.assert_allclose(far.sel(model=weights["model"]), weights, atol=1e-3)


def test_stacking_weights_where_one_point_decides():
    # ArviZ 1.3 alone stops at 0.0003 for the broad model
    predictives = {
        "narrow": conjugate(np.append(Y, 60.0))[0],
        "broad": conjugate(np.append(Y, 60.0), sd=4.0)[0],
    }
    weights, density = compare_models(predictives, None)["weight"], densities(predictives)
    score = [
        np.log((1 - w) * density["narrow"] + w * density["broad"]).sum()
        for w in np.arange(1, 5000) * 1e-5
    ]
    assert float(weights.sel(model="broad")) == pytest.approx(
        (np.argmax(score) + 1) * 1e-5, rel=0.01
    )


def test_a_loop_and_a_plate_are_one_model():
    (plate, _), (loop, _) = (
        conjugate(Y[:32]),
        conjugate(Y[:32], sites=[f"y_{i}" for i in range(32)]),
    )
    table = compare_models({"plate": plate, "loop": loop}, None)
    for name in ("elpd", "se", "p", "pareto_k"):
        assert table[name][0] == table[name][1]
    np.testing.assert_allclose(table["weight"], 0.5)
    assert (table["elpd_diff"] == 0).all()
    assert (table["dse"] == 0).all()
    assert "cannot be distinguished from plate (elpd +0.0 ± 0.0, within 2 standard errors)" in str(
        table["message"][1].item()
    )
    assert "fewer than 100 points (32)" in str(table["message"][1].item())


def test_models_that_are_not_comparable():
    y = Y[:30]
    good = conjugate(y)[0]
    density = good["log_likelihood"]["y"].values
    endless = density.copy()
    endless[0, 3, 7] = -np.inf
    bad = {
        "joint": tree(y, density.sum(2)),
        "other": tree(y + 1, density),
        "fewer": tree(y[:29], density[:, :, :29]),
        "single": tree(y[:1], density[:, :, :1]),
        "endless": tree(y, endless),
        "short": tree(y, density[:, :5]),
        "nothing": xr.DataTree.from_dict({"/posterior": good["posterior"].to_dataset()}),
    }
    table = compare_models(bad | {"good": good, "again": conjugate(y, sd=2.0)[0]}, "joint")
    assert table["model"].values.tolist() == ["good", "again", *bad]
    assert table.attrs["reference"] == "good"
    assert np.isfinite(table["elpd"][:2]).all()
    for name in MODEL_COLUMNS:
        assert np.isnan(table[name][2:]).all()
    texts = (
        "joint",
        "other values than good (30",
        "(29 values, good has 30)",
        "at least 2",
        "not finite",
        "too few",
        "observes nothing",
    )
    texts = ("that of their joint distribution", *texts[1:])
    for message, text in zip(table["message"][2:].values, texts, strict=True):
        assert text in message
    assert compare_models({}, None).sizes["model"] == 0
    assert compare_models({"joint": bad["joint"]}, "joint")["elpd"].isnull().all()


def test_one_chain_constant_densities_and_bad_k():
    one = conjugate(Y, chains=1, draws=4000)
    assert compare_models({"one": one[0]}, None)["elpd"][0] == pytest.approx(one[1].sum(), abs=0.02)
    constant = tree(Y, np.broadcast_to(norm.logpdf(Y), (4, 500, len(Y))))
    row = compare_models({"constant": constant}, None).isel(model=0)
    assert row["elpd"] == pytest.approx(norm.logpdf(Y).sum())
    assert (row["p"], row["pareto_k"], row["bad_k"]) == (0, 0, 0)
    outlier = conjugate(np.append(Y, 80.0), sd=1.0)[0]
    row = compare_models({"outlier": outlier}, None).isel(model=0)
    assert row["bad_k"] >= 1
    assert "caution: k-hat is above 0.70" in str(row["message"].item())


def test_many_models_that_differ_by_chance():
    rng = np.random.default_rng(3)
    density = conjugate(Y[:40], chains=1)[0]["log_likelihood"]["y"].values
    many = {f"m{i}": tree(Y[:40], density + rng.normal(0, 0.3, 40)) for i in range(12)}
    assert "Difference in performance potentially due to chance" in str(
        compare_models(many, None)["message"][0].item()
    )


def test_shifted_and_scaled_samples_are_recovered():
    rng = np.random.default_rng(2)
    a = gaussian(rng, 5, 2, draws=4000)
    b = a.assign(b=5 + 1.5 * (a["b"] - 5), a=a["a"] + 0.6)
    rows = compare_fits({"a": a, "b": b, "c": gaussian(rng, 5, 2, draws=2500)}, {}, 10)
    assert [
        *zip(rows["fit_a"].values, rows["fit_b"].values, rows["parameter"].values, strict=True)
    ] == [(*pair, name) for pair in (("a", "b"), ("a", "c"), ("b", "c")) for name in ("a", "b")]
    sd = a["a"].values.std(ddof=1)
    np.testing.assert_allclose(rows["difference"][0], 0.6 / sd)
    np.testing.assert_allclose(rows["wasserstein"][0], 0.6 / sd)
    np.testing.assert_allclose(rows["ratio"][:2], [1, 1.5])
    np.testing.assert_allclose(rows["difference_error"][0], np.sqrt(2 / 16000), rtol=0.1)
    np.testing.assert_allclose(rows["ratio_error"][1], 1.5 * np.sqrt(2 / 32000), rtol=0.1)
    said = describe_pairs(rows)
    assert [one["agree"] for one in said] == [False, True, False]
    assert said[0]["size"] == "visible"
    assert said[0]["message"].startswith(
        "means differ by up to 0.3 sd (a), visible; sds differ by a factor 1.5 (b), visible"
    )
    assert said[1]["message"].startswith(
        "agree within Monte Carlo error (largest difference of means 0.0"
    )


@pytest.mark.parametrize("sizes", [(200, 200), (200, 70), (3, 1000)])
def test_wasserstein_distance_is_scipys(sizes):
    rng = np.random.default_rng(4)
    a, b = (np.sort(rng.normal(i, 1 + i, size=(2, n))) for i, n in enumerate(sizes))
    distance, _ = compute_wasserstein(a, b, np.ones((2, 3)))
    np.testing.assert_allclose(
        distance, [wasserstein_distance(*rows) for rows in zip(a, b, strict=True)]
    )


def test_errors_and_levels_for_equal_gaussians():
    rng = np.random.default_rng(6)
    pairs = 600
    names = [f"p{i}" for i in range(pairs)]
    rows = compare_fits(
        {"a": gaussian(rng, draws=250, names=names), "b": gaussian(rng, draws=500, names=names)},
        {},
        1,
    )
    z = (rows["difference"] / rows["difference_error"]).values
    assert abs(z.mean()) < 4 / np.sqrt(pairs)
    assert abs(z.std() - 1) < 4 / np.sqrt(2 * pairs)
    z = (np.log(rows["ratio"]) * rows["ratio"] / rows["ratio_error"]).values
    assert abs(z.mean()) < 4 / np.sqrt(pairs)
    assert abs(z.std() - 1) < 4 / np.sqrt(2 * pairs)
    # the average over 600 pairs is known to about 2 %
    assert float(rows["wasserstein"].mean() / rows["wasserstein_error"].mean()) == pytest.approx(
        1, abs=0.06
    )
    # five scalars a pair: 120 pairs, of which at most 1 % (+ 4 binomial standard errors) may be said to differ
    rows["fit_b"] = ("row", np.array([f"b{i // 5}" for i in range(pairs)], dtype=object))
    said = [one["agree"] for one in describe_pairs(rows)]
    assert len(said) == pairs // 5
    assert said.count(False) <= 0.01 * len(said) + 4 * np.sqrt(0.01 * len(said))


@pytest.mark.parametrize("correlation", [0.8, -0.4])
def test_errors_of_autocorrelated_chains(correlation):
    rng = np.random.default_rng(8)
    names = [f"p{i}" for i in range(150)]

    def chains():
        noise = rng.normal(size=(len(names), 4, 500)) * np.sqrt(1 - correlation**2)
        noise[..., 0] = rng.normal(size=noise.shape[:2])
        for t in range(1, noise.shape[2]):
            noise[..., t] += correlation * noise[..., t - 1]
        return xr.Dataset({name: (LEAD, values) for name, values in zip(names, noise, strict=True)})

    rows = compare_fits({"a": chains(), "b": chains()}, {}, 1)
    expected = np.sqrt(2 * (1 + correlation) / (1 - correlation) / 2000)
    assert float(rows["difference_error"].mean()) == pytest.approx(expected, rel=0.1)
    assert float((rows["difference"] / rows["difference_error"]).std()) == pytest.approx(
        1, abs=4 / np.sqrt(300)
    )
    assert float(rows["wasserstein"].mean() / rows["wasserstein_error"].mean()) == pytest.approx(
        1, abs=0.15
    )
    assert describe_pairs(rows)[0]["agree"]


def test_equal_moments_but_another_shape():
    rng = np.random.default_rng(9)
    sign = np.where(rng.random((4, 2000)) < 0.5, -1, 1)
    two = xr.Dataset(
        {"x": (LEAD, 0.99 * sign + rng.normal(0, np.sqrt(1 - 0.99**2), size=sign.shape))}
    )
    said = describe_pairs(
        compare_fits({"one": gaussian(rng, draws=2000, names=["x"]), "two": two}, {}, 1)
    )
    assert said[0]["agree"] is False
    assert said[0]["message"].startswith("shapes differ")


def test_point_estimates():
    rng = np.random.default_rng(10)
    draws = gaussian(rng, 3, 2, draws=1000).assign(
        v=((*LEAD, "band"), rng.normal(3, 2, size=(4, 1000, 2)))
    )
    point = xr.Dataset({"a": 3.0, "b": 5.0, "v": ("band", [3.0, 3.0])})
    rows = compare_fits({"nuts": draws}, {"map": point, "ml": point}, 5)
    assert rows["fit_b"].values.tolist() == ["map"] * 4 + ["ml"] * 4  # and no pair of map and ml
    assert rows["parameter"].values.tolist()[:4] == ["a", "b", "v[0]", "v[1]"]
    np.testing.assert_allclose(rows["difference"][:4], [0, 1, 0, 0], atol=0.08)
    np.testing.assert_allclose(rows["difference_error"], 1 / np.sqrt(4000), rtol=0.15)
    assert rows["ratio"].isnull().all()
    assert rows["wasserstein_error"].isnull().all()
    said = describe_pairs(rows)[0]
    assert said["size"] == "large"
    assert said["message"].startswith("map is up to 1 sd from the mean of nuts (b), large")


def test_odd_fits():
    rng = np.random.default_rng(11)
    a = gaussian(rng)
    stuck = a.assign(a=xr.zeros_like(a["a"]), c=a["a"])
    rows = compare_fits({"a": a, "stuck": stuck}, {}, 5)
    assert rows["parameter"].values.tolist() == ["a", "b"]
    assert "sds differ by a factor 0 (a), large" in describe_pairs(rows)[0]["message"]
    assert compare_fits({"stuck": stuck, "a": a}, {}, 5)["parameter"].values.tolist() == ["b"]
    few = a.isel(chain=[0], draw=slice(2))
    assert describe_pairs(compare_fits({"few": few, "a": a}, {}, 5))[0]["agree"] is None
    broken = a.assign(
        a=a["a"].where(a["draw"] != 3) if "draw" in a.coords else a["a"].where(a["a"] < 2)
    )
    assert (
        "1 of 2 scalars cannot be compared"
        in describe_pairs(compare_fits({"a": a, "broken": broken}, {}, 5))[0]["message"]
    )
    for alone in (
        compare_fits({"a": a}, {}, 5),
        compare_fits({}, {}, 5),
        compare_fits({"a": a, "b": xr.Dataset()}, {}, 5),
    ):
        assert alone.sizes["row"] == 0
        assert describe_pairs(alone) == []


def test_figures_say_what_they_show(tmp_path):
    rng = np.random.default_rng(12)
    names = [f"p{i}" for i in range(30)]
    predictives = {
        "line": conjugate(Y)[0],
        "outliers": conjugate(Y, sd=4.0)[0],
        "other": conjugate(Y[:50])[0],
    }
    draws = {"nuts": gaussian(rng, draws=100, names=names), "svi": gaussian(rng, 0.5, names=names)}
    rows = compare_fits(draws, {"map": draws["nuts"].mean(LEAD)}, 5)
    rows["model"] = ("row", np.array(["line"] * rows.sizes["row"], dtype=object))
    groups = {"/models": compare_models(predictives, "line"), "/fit_differences": rows}
    settings = {"figure": {"model": "line"}, "options": {"labels": {"p0": "slope"}}}

    def texts(draw, groups, **more):
        figure = draw({"comparison": xr.DataTree.from_dict(groups)}, settings | more)
        found = " ".join(
            text.get_text().replace("\n", " ")
            for text in figure.findobj(lambda one: hasattr(one, "get_text"))
        )
        save_figure(figure, tmp_path / "a.svg", tmp_path / "a.png")
        assert (tmp_path / "a.svg").stat().st_size < 300_000
        return found

    found = texts(plots_models.draw_figure, groups)
    assert "outliers: predicts worse than line by" in found
    assert "not comparable" in found
    found = texts(plots_fits.draw_figure, groups)
    assert "the 24 scalars of 30 whose means differ most" in found
    assert "svi against nuts: means differ by up to 0." in found
    assert "not for point estimates" in texts(
        plots_fits.draw_figure, {"/fit_differences": rows.isel(row=rows["fit_b"] == "map")}
    )
    assert "no two fits" in texts(plots_fits.draw_figure, groups, figure={"model": "other"})
    assert "no two fits" in texts(
        plots_fits.draw_figure, {"/fit_differences": compare_fits({}, {}, 5)}
    )
    assert "no models" in texts(plots_models.draw_figure, {"/models": compare_models({}, None)})
