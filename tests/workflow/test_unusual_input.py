"""Unusual but valid studies run through to verdicts, figures and tables."""

import csv

import pytest
from conftest import snakemake

IMPORTS = "import jax.numpy as jnp\nimport numpy as np\nimport numpyro\nimport numpyro.distributions as dist\n\n\n"
FITS = """
fits:
  nuts: {method: nuts, chains: 1, warmup: 100, draws: 50}
  svi: {method: svi, steps: 200, draws: 50, restarts: 3}
  map: {method: map, restarts: 2}
predict: {draws: 50}
prior: {draws: 50}
"""
# Figures of draws, predictions and data; tests of single figures draw the others.
FEW_FIGURES = "figures: {kinds: [corner, trace, ppc, loo_pit]}\n"
LINE = """
def model(x, e, y=None):
    m = numpyro.sample("m", dist.Normal(0, 5))
    numpyro.sample("y", dist.Normal(m * x, e), obs=y)
"""
NAMES = (
    "row",
    "star",
    "parameter",
    "check",
    "bound",
    "model",
    "fit",
    "statistic",
    "step",
    "interval",
    "pair",
    "study",
    "x",
    "y",
)


def put(project, study, model, text, table=""):
    """Write a study with its own model and table, without figures.py."""
    (project / f"{study}.py").write_text(IMPORTS + model)
    (project / f"{study}.csv").write_text(table)
    (project / f"config/studies/{study}.yaml").write_text(
        text.replace("m.py", f"{study}.py").replace("t.csv", f"{study}.csv")
    )


def run_through(project, *studies):
    """Run studies to the end. Return their verdicts by study, model and fit."""
    listed = str(list(studies)).replace("'", '"')
    run = snakemake(
        project, "--config", f"studies={listed}", "--", "verdicts", "all_figures", "all_tables"
    )
    assert run.returncode == 0, (
        "\n".join(line for line in run.stdout.splitlines() if line.startswith("posterity: "))
        or run.stdout[-3000:]
    )
    with (project / "results/verdicts.csv").open(newline="") as file:
        return {
            (row["study"], row["model"], row["fit"]): row["verdict"] for row in csv.DictReader(file)
        }


@pytest.mark.long
def test_odd_names_odd_bytes_and_an_odd_place(project, tmp_path):
    """
    Odd names of sites, columns and units, Windows line ends, an index, a file outside the project.
    """
    folder = tmp_path / "Modèles et données"
    folder.mkdir()
    (folder / "mödel 1.py").write_text(
        f"{IMPORTS}NAMES = {NAMES}\n\n\n"
        "def model(X, group, Y, err):\n"
        "    with numpyro.plate('groups', np.unique(group).size):\n"
        "        point = numpyro.sample('point', dist.Normal(0, 10))\n"
        "    for name in NAMES:\n"
        "        numpyro.sample(name, dist.Normal(0, 1))\n"
        "    numpyro.deterministic('variable', 2 * point)\n"
        "    numpyro.sample('F', dist.Normal(point[group] * X, err), obs=Y)\n"
    )
    rows = "1,0,1.1,0.2,a\n2,1,4.2,0.2,b\n3,0,2.9,0.2,c\n4,1,8.1,0.2,d\n5,0,5.2,0.2,e\n6,1,11.8,0.2,f\n7,1,14,0.2,g\n"
    table = f"lambda,Grüße,Flüß,dF,λ₀\n{rows}"
    (folder / "täble.csv").write_bytes(b"\xef\xbb\xbf" + table.replace("\n", "\r\n").encode())
    (project / "config/studies/names.yaml").write_text(
        f"""
title: Names
data:
  file: {folder}/täble.csv
  columns: {{lambda: X, Grüße: g, Flüß: F, dF: σ}}
  derive: {{log_x: log(lambda), red: Flüß > 5}}
  select: lambda < 7
  units: {{X: Å, F: 10⁻¹⁷ erg s⁻¹ cm⁻² Å⁻¹, σ: µJy}}
  dim: star
models:
  m: {{file: {folder}/mödel 1.py, arguments: {{group: g, Y: F, err: σ}}}}
{FITS}"""
    )
    assert len(run_through(project, "names")) == 3
    with (project / "results/names/tables/parameters.csv").open(newline="") as file:
        found = {row["parameter"] for row in csv.DictReader(file)}
    assert {"point[0]", "point[1]", "variable[1]", *NAMES} <= found


@pytest.mark.long
def test_densities_without_data(project):
    """Constrained vectors and matrices, soft constraints, disabled thresholds, a title to escape."""
    put(
        project,
        "density",
        """
def model():
    p = numpyro.sample("p", dist.Dirichlet(jnp.ones(3)))
    L = numpyro.sample("L", dist.LKJCholesky(2, 2.0))
    v = numpyro.sample("v", dist.MultivariateNormal(jnp.zeros(2), scale_tril=L))
    numpyro.factor("bump", -0.5 * (v[0] - p[0]) ** 2)
""",
        "title: '\"A density\": alone, it''s <b>long</b> & 100 % $odd$ #1 {x} ~ ^ \\ "
        + "and goes on " * 20
        + "'\n"
        f"data: none\nmodels: {{d: {{file: m.py}}}}\n{FITS}{FEW_FIGURES}"
        "checks: {rhat: .inf, ess_bulk: 0, ess_tail: -.inf, mcse: {warn: .inf}, khat: .inf, elbo_convergence: .inf, e_bfmi: 0}\n",
    )
    put(
        project,
        "soft",
        """
def model():
    a = numpyro.sample("a", dist.Normal(jnp.zeros(2), 5).to_event(1))
    numpyro.sample("one", dist.Normal(a, 1).to_event(1), obs=0.0)
    numpyro.sample("each", dist.Normal(a, 1), obs=0.0)
    numpyro.sample("sum", dist.Normal(a.sum(), 1.0), obs=0.0)
    numpyro.sample("both", dist.MultivariateNormal(a, jnp.eye(2)), obs=jnp.zeros(2))
""",
        "title: Soft\ndata: none\nmodels: {m: {file: m.py}}\nfits: {nuts: {method: nuts, chains: 2, warmup: 50, draws: 20}}\n",
    )
    verdicts = run_through(project, "density", "soft")
    assert len(verdicts) == 4
    with (project / "results/verdicts.csv").open(newline="") as file:
        reasons = {
            row["fit"]: row["reason"] for row in csv.DictReader(file) if row["study"] == "density"
        }
    for check in (
        "rhat: largest R-hat of 9 scalars: inf",
        "ess_bulk",
        "ess_tail",
        "mcse",
        "khat",
        "L[0,0]",
    ):
        assert check not in reasons["nuts"] + reasons["svi"], (
            "constants of L are checked, or thresholds are not disabled"
        )


@pytest.mark.long
def test_one_data_point_and_two_draws(project):
    """Each kind of fit alone."""
    one, of = "x,e,y\n1,1,1\n", "title: One\ndata: {file: t.csv}\nmodels: {m: {file: m.py}}\n"
    put(project, "map", LINE, f"{of}fits: {{map: {{method: map, restarts: 2}}}}\n", one)
    put(
        project,
        "svi",
        LINE,
        f"{of}fits: {{svi: {{method: svi, steps: 100, draws: 2, restarts: 1}}}}\n",
        one,
    )
    few = "fits: {few: {method: nuts, chains: 2, warmup: 0, draws: 2}, map: {method: map, restarts: 1}}\n"
    few += "prior: {draws: 2}\npredict: {draws: 2}\nfigures: {lines: 0}\n"
    put(project, "nuts", LINE, of.replace("m.py}", "m.py}, n: {file: m.py}") + few, one)
    verdicts = run_through(project, "map", "svi", "nuts")
    assert len(verdicts) == 1 + 1 + 4
    assert {verdicts["nuts", model, "few"] for model in "mn"} == {"fail"}, (
        "two draws are not enough"
    )
    assert verdicts["svi", "m", "svi"] in ("warn", "fail")
    assert verdicts["map", "m", "map"] in ("pass", "warn")


@pytest.mark.long
def test_equal_data_two_observed_sites_and_a_likelihood_by_factor(project):
    put(
        project,
        "equal",
        """
def model(x, y, z, k=None):
    a = numpyro.sample("a", dist.Normal(0, 5))
    b = numpyro.sample("b", dist.Normal(0, 5))
    with numpyro.plate("rows", len(x)):
        numpyro.sample("y", dist.Normal(a, 1), obs=y)
    with numpyro.plate("two", 2):
        numpyro.sample("z", dist.Normal(b, 1), obs=z[:2])
    numpyro.factor("soft", -(a**2))
""",
        f"title: Equal\ndata: {{file: t.csv}}\nmodels: {{m: {{file: m.py}}}}\n{FITS}{FEW_FIGURES}",
        "x,y,z\n1,5,2\n1,5,2\n1,5,2\n",
    )
    put(
        project,
        "factor",
        """
def model(x, y):
    a = numpyro.sample("a", dist.Normal(0, 5))
    numpyro.factor("likelihood", dist.Normal(a * x, 1).log_prob(y).sum())
""",
        f"title: Factor\ndata: {{file: t.csv}}\nmodels: {{m: {{file: m.py}}}}\n{FITS}{FEW_FIGURES}",
        "x,y\n1,2\n2,4\n3,5\n",
    )
    assert len(run_through(project, "equal", "factor")) == 6


def test_studies_by_config_as_list_or_text(project):
    """Both notations give the same plan."""
    put(
        project,
        "one",
        LINE,
        "title: One\ndata: {file: t.csv}\nmodels: {m: {file: m.py}}\nfits: {f: {method: map}}\n",
        "x,e,y\n1,1,1\n",
    )
    (project / "config/studies/two.yaml").write_text("extends: one\ntitle: 'Two: \"2\"'\n")
    for studies in ("one,two", '["one", "two"]'):
        planned = snakemake(project, "-n", "--config", f"studies={studies}", "--", "fits").stdout
        assert "fit of one, m, f" in planned
        assert "fit of two, m, f" in planned
