import shutil

import pytest
import yaml
from conftest import ROOT

from posterity.cli.reference import make_reference, resolve_reference
from posterity.config.merge import normalise_values
from posterity.config.registry import FIGURE_KINDS
from posterity.config.study import check_configuration, load_study, parse_study_names
from posterity.config.targets import choose_compared_models, list_figures
from posterity.config.yaml import read_yaml
from posterity.errors import UserError

BASE = {
    "title": "A study",
    "data": {"file": "table.csv", "columns": {"x": "x", "e": "e", "y": "y"}},
    "models": {"line": {}},
    "fits": {"nuts": {"method": "nuts"}},
}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A project's folder with one model and one table, as working directory."""
    (tmp_path / "config/studies").mkdir(parents=True)
    shutil.copytree(ROOT / "workflow/models/line", tmp_path / "workflow/models/line")
    (tmp_path / "table.csv").write_text("x,e,y\n1,2,3\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


DEFAULTS = yaml.safe_load((ROOT / "config/config.yaml").read_text())["defaults"]


def loaded(place, **changes):
    content = {**BASE, **changes}
    (place / "config/studies/mine.yaml").write_text(
        yaml.safe_dump({k: v for k, v in content.items() if v is not None})
    )
    return load_study("mine", DEFAULTS)


def test_defaults_are_completed(place):
    study = loaded(
        place,
        checks={"rhat": {"warn": 1.01, "fail": 1.05}},
        figures={"interval": {"probability": 0.5}},
    )
    assert study["fits"]["nuts"] == {
        "method": "nuts", "chains": 4, "warmup": 1000, "draws": 1000, "target_accept": 0.8, "max_tree_depth": 10,
        "dense_mass": False, "init": "uniform", "reparam": {}, "stop_when": {}, "store": {}, "models": ["line"],
    }  # fmt: skip
    assert study["checks"]["rhat"] == {"fail": 1.05, "warn": 1.01}
    assert study["checks"]["ess_bulk"] == 400
    assert study["figures"]["interval"] == {"kind": "hdi", "probability": 0.5}
    assert study["models"]["line"]["file"] == "workflow/models/line/model.py"
    assert study["data"]["dim"] == "row"


def test_one_normal_form(place):
    first = loaded(
        place, fits={"nuts": {"method": "nuts", "draws": 1000.0}, "b": {"method": "nuts"}}
    )
    second = loaded(
        place, fits={"b": {"method": "nuts"}, "nuts": {"draws": 1000, "method": "nuts"}}
    )
    assert first == second
    assert list(first["fits"]) == list(second["fits"])
    assert repr(normalise_values({"b": 1000.0, "a": [2.5, 3.0]})) == "{'a': [2.5, 3], 'b': 1000}"


def test_a_threshold_in_two_forms_replaces_a_default(place):
    assert loaded(place, checks={"tree_depth": 0.1})["checks"]["tree_depth"] == 0.1
    assert loaded(place, checks={"rhat": {"warn": 1.02}})["checks"]["rhat"] == {"warn": 1.02}


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"titel": "x"}, ["unknown key 'titel'", "did you mean 'title'"]),
        (
            {"fits": {"nuts": {"method": "nuts", "warmups": 3}}},
            ["fits: nuts", "unknown key 'warmups'", "'warmup'"],
        ),
        (
            {"fits": {"nuts": {"method": "nutz"}}},
            ["fits: nuts: method", "'nutz' is not known", "'nuts'"],
        ),
        (
            {"fits": {"nuts": {"method": "nuts", "draws": "many"}}},
            ["draws", "'many' should be a whole number"],
        ),
        ({"fits": {"nuts": {"method": "nuts", "draws": -5}}}, ["draws", "-5 should be at least 2"]),
        ({"fits": {"nuts": {"method": "nuts", "models": ["lime"]}}}, ["no model 'lime'", "'line'"]),
        ({"fits": {"nuts": {"chains": 2}}}, ["fits: nuts", "'method' is missing"]),
        ({"fits": {}}, ["fits"]),
        ({"fits": None}, ["'fits' is missing"]),
        ({"fits": {"my fit": {"method": "nuts"}}}, ["letters, digits and _"]),
        ({"title": 5}, ["title", "5 should be a text"]),
        ({"data": {"file": "tabel.csv"}}, ["no file tabel.csv"]),
        (
            {"data": {"file": "table.csv", "colums": {}}},
            ["data", "unknown key 'colums'", "'columns'"],
        ),
        ({"data": {"file": "table.csv", "columns": {"xx": "x"}}}, ["no column 'xx'", "'x'"]),
        ({"data": {"file": "table.csv", "columns": {"x": "x", "e": "x"}}}, ["two columns", "'x'"]),
        ({"data": {"file": "table.csv", "units": {"z": "m"}}}, ["units", "no variable 'z'"]),
        ({"data": {"simulate": {"modell": "line"}}}, ["simulate", "unknown key 'modell'"]),
        (
            {"data": {"simulate": {"model": "lime"}}},
            ["no file workflow/models/lime/model.py", "'line'"],
        ),
        ({"models": {"line": {"function": "modle"}}}, ["no function 'modle'", "'model'"]),
        ({"models": {"lime": {}}}, ["no file workflow/models/lime/model.py", "'line'"]),
        ({"models": {"line": {"file": "nowhere.py"}}}, ["no file nowhere.py"]),
        ({"models": {"tables": {}}}, ["may not be called 'tables'"]),
        ({"models": {"line": {"figures": ["nothing"]}}}, ["no function 'nothing'"]),
        (
            {"models": {"line": {"figures": [{"curve": "nut"}]}}},
            ["figures: curve", "no fit 'nut'", "'nuts'"],
        ),
        (
            {"models": {"line": {"figures": [{"curve": ["nuts", "svi"]}]}}},
            ["figures: curve", "no fit 'svi'"],
        ),
        ({"checks": {"rhatt": 1}}, ["checks", "unknown key 'rhatt'", "'rhat'"]),
        (
            {"checks": {"rhat": "low"}},
            ["checks: rhat", "'low' fits none of numbers or {warn: a, fail: b}"],
        ),
        ({"data": 5}, ["data", "5 fits none of the forms in config/README.md"]),
        ({"checks": {"rhat": {"fails": 1}}}, ["checks: rhat", "unknown key 'fails'"]),
        ({"checks": {"expect": {"lime": {}}}}, ["no model 'lime'"]),
        ({"checks": {"expect": {"line": {"nut": {}}}}}, ["no fit 'nut'"]),
        ({"checks": {"expect": {"line": {"nuts": {"pcc": "fail"}}}}}, ["no check 'pcc'", "'ppc'"]),
        (
            {"checks": {"expect": {"line": {"nuts": {"ppc": "any", "rhat": "warn"}}}}},
            ["line: nuts: ppc: any", "cannot be switched off"],
        ),
        ({"figures": {"interval": {"probability": 90}}}, ["probability", "90 should be below 1"]),
        ({"float_type": "float16"}, ["float_type", "'float16'", "'float64'"]),
    ],
)
def test_faults_are_named_in_one_sentence(place, changes, parts):
    with pytest.raises(UserError) as fault:
        loaded(place, **changes)
    text = str(fault.value)
    assert "\n" not in text
    for part in parts:
        assert part in text


def test_a_broken_model_file_is_named_with_its_line(place):
    (place / "workflow/models/line/model.py").write_text("x = 1\ndef model(:\n")
    with pytest.raises(UserError, match=r"model.py, line 2"):
        loaded(place)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a: 1\na: 2\n", "'a' is given twice"),
        ("a: [1\n", "no YAML"),
        ("a:\n\t- 1\n", "line 2: this is no YAML (a tab where blanks are needed)"),
        ("a: @b\n", "line 1: this is no YAML (found character"),
        ("- 1\n", "keys with values"),
    ],
)
def test_broken_yaml(tmp_path, text, part):
    file = tmp_path / "s.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match=r"s\.yaml") as fault:
        read_yaml(file)
    assert part in str(fault.value)


def test_yaml_without_traps(tmp_path):
    file = tmp_path / "s.yaml"
    file.write_text(
        "{n: 32, no: on, y: yes, a: 1e-3, b: 1E5, c: 1.5, d: true, e: 12, f: .5, g: 1_000, h: 2020-01-01}"
    )
    assert read_yaml(file) == {
        "n": 32, "no": "on", "y": "yes", "a": 1e-3, "b": 1e5, "c": 1.5, "d": True, "e": 12, "f": 0.5, "g": 1000, "h": "2020-01-01",
    }  # fmt: skip


def test_studies_as_list_or_text():
    assert parse_study_names("mine") == parse_study_names(["mine"]) == ["mine"]
    assert (
        parse_study_names("line, hogg")
        == parse_study_names("line hogg")
        == parse_study_names(["line", "hogg", "line"])
        == ["line", "hogg"]
    )


def test_configuration():
    assert check_configuration({"studies": "mine", "strict": True})["strict"] is True
    with pytest.raises(UserError, match="did you mean 'studies'"):
        check_configuration({"studie": "mine", "studies": "a"})
    with pytest.raises(UserError, match="unknown key 'prio'"):
        check_configuration({"studies": "a", "defaults": {"prio": {}}})


def test_a_study_that_is_not_there(place):
    loaded(place)
    with pytest.raises(UserError, match="did you mean 'mine'"):
        load_study("mime", {})


def test_the_reference_is_made_from_the_schema():
    assert (ROOT / "config/README.md").read_text() == make_reference(DEFAULTS)


def test_every_key_has_a_description():
    schema = yaml.safe_load((ROOT / "workflow/schemas/study.schema.yaml").read_text())
    described = [
        schema["properties"],
        *(d["properties"] for d in schema["$defs"].values() if "properties" in d and "title" in d),
    ]
    described += [p["properties"] for p in schema["properties"].values() if "properties" in p]
    for properties in described:
        for key, rule in properties.items():
            assert resolve_reference(rule).get("description") or key in (
                "method",
                "models",
                "simulate",
            ), key


def written(place, **studies):
    for name, content in studies.items():
        (place / f"config/studies/{name}.yaml").write_text(yaml.safe_dump(content))


def test_a_study_extends_another(place):
    """Nested keys are completed, lists and what is of another kind replaced, null drops."""
    parent = BASE | {
        "description": "All rows",
        "fits": {
            "nuts": {"method": "nuts", "draws": 500},
            "page": {"method": "nuts"},
            "quick": {"method": "svi"},
        },
        "checks": {"rhat": 1.05, "prior_predictive": {"y": [-5, 5]}},
    }
    child = {
        "extends": "mine",
        "title": "Fewer rows",
        "data": {"select": "x > 0"},
        "checks": {"rhat": {"warn": 1.02}},
    }
    child["fits"] = {"page": None, "nuts": {"chains": 2}, "quick": {"method": "map"}}
    written(
        place,
        mine=parent,
        fewer=child,
        third={"extends": "fewer", "title": "More", "fits": {"quick": None}},
    )
    study = load_study("fewer", DEFAULTS)
    assert study["title"] == "Fewer rows"
    assert study["description"] == "All rows"
    assert study["data"]["select"] == "x > 0"
    assert study["data"]["columns"] == BASE["data"]["columns"]
    assert set(study["fits"]) == {"nuts", "quick"}
    assert (study["fits"]["nuts"]["draws"], study["fits"]["nuts"]["chains"]) == (500, 2)
    assert study["fits"]["quick"]["method"] == "map"
    assert "guide" not in study["fits"]["quick"]
    assert study["checks"]["rhat"] == {"warn": 1.02}
    assert study["checks"]["prior_predictive"] == {"y": [-5, 5]}
    assert set(load_study("third", DEFAULTS)["fits"]) == {"nuts"}
    assert "extends" not in study


def test_data_of_another_kind_replace_those_of_the_study_that_is_extended(place):
    simulated = {
        "simulate": {
            "model": "line",
            "truth": {"m": 2, "c": 1},
            "design": {"n": 5, "error": 1, "scatter": 9},
            "seed": 3,
        }
    }
    written(place, mine=BASE, made={"extends": "mine", "title": "Simulated", "data": simulated})
    assert set(load_study("made", DEFAULTS)["data"]) == {"simulate", "dim"}


def test_a_model_in_another_file_and_another_table_replace_whole(place):
    (place / "mine.py").write_text("def model(x, e, y=None): pass\n")
    (place / "other.csv").write_text("t,e,y\n1,2,3\n")
    child = {
        "extends": "mine",
        "data": {"file": "other.csv", "columns": {"t": "x", "e": "e", "y": "y"}},
    }
    written(
        place,
        mine=BASE | {"models": {"line": {"model": "line"}}},
        child=child | {"models": {"line": {"file": "mine.py"}}},
    )
    study = load_study("child", DEFAULTS)
    assert study["models"]["line"]["file"] == "mine.py"
    assert study["data"]["columns"] == {"t": "x", "e": "e", "y": "y"}


@pytest.mark.parametrize(
    ("studies", "parts"),
    [
        (
            {"mine": {"extends": "mime"}, "mime": {"extends": "mine"}},
            ["mime.yaml", "mine extends mime extends mine", "take one"],
        ),
        ({"mine": {"extends": "mine"}}, ["mine extends mine"]),
        (
            {"mine": {"extends": "mimes"}, "mime": BASE},
            ["mine.yaml", "no study 'mimes'", "did you mean 'mime'"],
        ),
        (
            {"mine": {"extends": ["mime"]}, "mime": BASE},
            ["mine.yaml: extends", "name of one study"],
        ),
        (
            {"mine": {"extends": "mime", "fits": {"nuts": {"darws": 3}}}, "mime": BASE},
            ["mine.yaml", "unknown key 'darws'"],
        ),
    ],
)
def test_faults_of_extends(place, studies, parts):
    written(place, **studies)
    with pytest.raises(UserError) as fault:
        load_study("mine", DEFAULTS)
    for part in parts:
        assert part in str(fault.value)


def test_comparisons_name_what_is_there(place):
    assert loaded(place, compare={"reference": "line", "fit": "nuts"})["compare"] == {
        "fit": "nuts",
        "reference": "line",
    }
    with pytest.raises(UserError, match="compare: reference: there is no model 'lime'"):
        loaded(place, compare={"reference": "lime"})
    with pytest.raises(UserError, match="compare: fit: there is no fit 'nut'"):
        loaded(place, compare={"fit": "nut"})


def test_a_comparison_that_cannot_be_is_told(place):
    models, fits = (
        {"line": {}, "b": {"model": "line"}},
        {"nuts": {"method": "nuts", "models": ["line"]}, "svi": {"method": "svi"}},
    )
    study = loaded(place, models=models, fits=fits)
    assert choose_compared_models(study) == ("svi", ["b", "line"])
    with pytest.raises(UserError, match="compare: fit: 'nuts': a comparison needs two models"):
        choose_compared_models(study | {"compare": {"fit": "nuts"}})
    both = loaded(place, models=models, fits={"nuts": {"method": "nuts"}, "svi": {"method": "svi"}})
    assert choose_compared_models(both)[0] == "nuts"


def test_the_kinds_of_figures_are_those_that_there_are(place):
    kinds = yaml.safe_load((ROOT / "workflow/schemas/study.schema.yaml").read_text())["properties"][
        "figures"
    ]["properties"]["kinds"]
    assert set(kinds["items"]["enum"]) == set(FIGURE_KINDS)
    drawn = list_figures("mine", loaded(place, figures={"kinds": ["data", "graph"]}))
    assert set(drawn) == {"line_nuts_data", "line_graph"}


def test_a_figure_of_ones_own_is_drawn_for_each_fit_for_one_or_for_several_together(place):
    (place / "workflow/models/line/figures.py").write_text(
        "".join(f"def {name}(a, s):\n    'Text'\n\n\n" for name in "pqr")
    )
    fits = {"nuts": {"method": "nuts"}, "svi": {"method": "svi"}, "map": {"method": "map"}}
    own = ["p", {"q": "map"}, {"r": ["nuts", "map"]}]
    drawn = list_figures(
        "mine",
        loaded(place, fits=fits, models={"line": {"figures": own}}, figures={"kinds": ["graph"]}),
    )
    assert set(drawn) == {"line_graph", "line_nuts_p", "line_svi_p", "line_map_q", "line_r"}
    assert drawn["line_map_q"]["needs"] == ("posterior",)
    assert drawn["line_nuts_p"]["needs"] == ("posterior", "predictive")
    assert drawn["line_r"]["needs"] == ("posteriors",)
    assert drawn["line_r"]["fits"] == ["nuts", "map"]
    assert drawn["line_r"]["caption"] == "Text"
