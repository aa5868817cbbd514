import pytest
import yaml
from conftest import ROOT

from posterity.config.study import (
    check_configuration,
    find_simulation_model,
    load_configuration,
    load_study,
    parse_study_names,
)
from posterity.errors import UserError

BASE = {
    "title": "A study",
    "data": {"file": "table.csv", "columns": {"x": "x", "e": "e", "y": "y"}},
    "models": {"line": {}},
    "fits": {"nuts": {"method": "nuts"}},
}


def test_defaults_are_completed(load):
    study = load(
        checks={"rhat": {"warn": 1.01, "fail": 1.05}},
        figures={"interval": {"probability": 0.5}},
    )
    assert study["fits"]["nuts"] == {
        "method": "nuts",
        "chains": 4,
        "warmup": 1000,
        "draws": 1000,
        "target_accept": 0.8,
        "max_tree_depth": 10,
        "dense_mass": False,
        "init": "uniform",
        "reparam": {},
        "stop_when": {},
        "store": {},
        "retry": True,
        "models": ["line"],
    }
    assert study["checks"]["rhat"] == {"fail": 1.05, "warn": 1.01}
    assert study["checks"]["ess_bulk"] == 400
    assert study["figures"]["interval"] == {"kind": "hdi", "probability": 0.5}
    assert study["models"]["line"]["file"] == "workflow/models/line/model.py"
    assert study["data"]["dim"] == "row"


def test_studies_that_mean_the_same_have_one_normal_form(load):
    first = load(fits={"nuts": {"method": "nuts", "draws": 1000.0}, "b": {"method": "nuts"}})
    second = load(fits={"b": {"method": "nuts"}, "nuts": {"draws": 1000, "method": "nuts"}})
    assert first == second
    assert list(first["fits"]) == list(second["fits"])


def test_a_threshold_in_either_form_replaces_a_default(load):
    assert load(checks={"tree_depth": 0.1})["checks"]["tree_depth"] == 0.1
    assert load(checks={"rhat": {"warn": 1.02}})["checks"]["rhat"] == {"warn": 1.02}


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
            ["fits: nuts: method", "'nutz' is not valid", "'nuts'"],
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
            ["no file config/models/lime/model.py or workflow/models/lime/model.py", "'line'"],
        ),
        ({"models": {"line": {"function": "modle"}}}, ["no function 'modle'", "'model'"]),
        (
            {"models": {"lime": {}}},
            ["no file config/models/lime/model.py or workflow/models/lime/model.py", "'line'"],
        ),
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
        ({"data": {"fil": "table.csv"}}, ["data", "unknown key 'fil'", "'file'"]),
        ({"data": {"simulate": {}}}, ["data: simulate: the key 'model' is missing"]),
        (
            {"models": {"line": {"model": "line", "file": "m.py"}}},
            ["`file` and `model` are both set"],
        ),
        (
            {"checks": {"prior_predictive": {"y": [2, 1]}}},
            ["prior_predictive: y: the lower bound 2"],
        ),
        (
            {"checks": {"expect": {"line": {"nuts": {"prior_predictive": "fail"}}}}},
            ["no check 'prior_predictive'"],
        ),
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
def test_an_error_is_one_line_with_place_problem_and_remedy(load, changes, parts):
    with pytest.raises(UserError) as error:
        load(**changes)
    text = str(error.value)
    assert "\n" not in text
    for part in parts:
        assert part in text


def test_invalid_python_in_a_model_file_is_an_error_with_its_line(place, load):
    (place / "workflow/models/line/model.py").write_text("x = 1\ndef model(:\n")
    with pytest.raises(UserError, match=r"model.py, line 2"):
        load()


def test_study_names_are_a_list_or_a_text():
    assert parse_study_names("mine") == parse_study_names(["mine"]) == ["mine"]
    assert (
        parse_study_names("line, hogg")
        == parse_study_names("line hogg")
        == parse_study_names(["line", "hogg", "line"])
        == ["line", "hogg"]
    )


def test_the_configuration_is_checked():
    assert check_configuration({"studies": "mine", "strict": True})["strict"] is True
    with pytest.raises(UserError, match="did you mean 'studies'"):
        check_configuration({"studie": "mine", "studies": "a"})
    with pytest.raises(UserError, match="unknown key 'prio'"):
        check_configuration({"studies": "a", "defaults": {"prio": {}}})


def test_a_missing_study_is_an_error_with_a_hint(load):
    load()
    with pytest.raises(UserError, match="did you mean 'mine'"):
        load_study("mime", {})


def test_a_study_extends_another(write_studies, defaults):
    """Nested keys are completed, other kinds and lists replaced, nulls dropped."""
    parent = BASE | {
        "description": "All rows",
        "fits": {
            "nuts": {"method": "nuts", "draws": 500},
            "published": {"method": "nuts"},
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
    child["fits"] = {"published": None, "nuts": {"chains": 2}, "quick": {"method": "map"}}
    write_studies(
        mine=parent,
        fewer=child,
        third={"extends": "fewer", "title": "More", "fits": {"quick": None}},
    )
    study = load_study("fewer", defaults)
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
    assert set(load_study("third", defaults)["fits"]) == {"nuts"}
    assert "extends" not in study


def test_data_of_another_kind_replace_the_data_of_the_parent(write_studies, defaults):
    simulated = {
        "simulate": {
            "model": "line",
            "truth": {"m": 2, "c": 1},
            "design": {"n": 5, "error": 1, "scatter": 9},
            "seed": 3,
        }
    }
    write_studies(mine=BASE, made={"extends": "mine", "title": "Simulated", "data": simulated})
    assert set(load_study("made", defaults)["data"]) == {"simulate", "dim"}


def test_a_model_in_another_file_and_another_table_replace_the_parents(
    place, write_studies, defaults
):
    (place / "mine.py").write_text("def model(x, e, y=None): pass\n")
    (place / "other.csv").write_text("t,e,y\n1,2,3\n")
    child = {
        "extends": "mine",
        "data": {"file": "other.csv", "columns": {"t": "x", "e": "e", "y": "y"}},
    }
    write_studies(
        mine=BASE | {"models": {"line": {"model": "line"}}},
        child=child | {"models": {"line": {"file": "mine.py"}}},
    )
    study = load_study("child", defaults)
    assert study["models"]["line"]["file"] == "mine.py"
    assert study["data"]["columns"] == {"t": "x", "e": "e", "y": "y"}


@pytest.mark.parametrize(
    ("studies", "parts"),
    [
        (
            {"mine": {"extends": "mime"}, "mime": {"extends": "mine"}},
            ["mime.yaml", "mine extends mime extends mine", "Remove one"],
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
def test_an_impossible_parent_is_an_error(write_studies, defaults, studies, parts):
    write_studies(**studies)
    with pytest.raises(UserError) as error:
        load_study("mine", defaults)
    for part in parts:
        assert part in str(error.value)


def test_a_comparison_names_a_model_and_a_fit_of_the_study(load):
    assert load(compare={"reference": "line", "fit": "nuts"})["compare"] == {
        "fit": "nuts",
        "reference": "line",
    }
    with pytest.raises(UserError, match="compare: reference: there is no model 'lime'"):
        load(compare={"reference": "lime"})
    with pytest.raises(UserError, match="compare: fit: there is no fit 'nut'"):
        load(compare={"fit": "nut"})


@pytest.mark.parametrize("name", ["logs", "my-study"])
def test_a_reserved_or_invalid_name_of_a_study_is_an_error(write_studies, defaults, name):
    write_studies(**{name: BASE})
    with pytest.raises(UserError, match=f"{name}.yaml: invalid name of a study"):
        load_study(name, defaults)


def test_a_missing_default_is_an_error_that_names_the_key(write_studies, defaults):
    write_studies(mine=BASE)
    figures = {"lines": 50, "interval": {"kind": "hdi"}}
    with pytest.raises(UserError, match="the key 'figures: interval: probability' is missing"):
        load_study("mine", defaults | {"figures": figures})
    checks = {name: value for name, value in defaults["checks"].items() if name != "khat"}
    with pytest.raises(UserError, match="the key 'checks: khat' is missing"):
        load_study("mine", defaults | {"checks": checks})


def test_all_errors_of_data_models_and_fits_are_reported(load):
    with pytest.raises(UserError) as error:
        load(
            data={"file": "nowhere.csv"},
            models={"lime": {}, "line": {"function": "modle"}},
            fits={"nuts": {"method": "nuts", "draws": -3, "chains": 0}},
        )
    assert len(error.value.messages) == 5


# Models of the user


def write_model(place, folder, name="model"):
    """Write a model with one function into a folder of models."""
    (place / folder).mkdir(parents=True)
    (place / folder / "model.py").write_text(f"def {name}(x, e, y=None): pass\n")


def test_a_model_of_the_user_has_priority_over_a_shipped_one(place, load):
    write_model(place, "config/models/line")
    assert load()["models"]["line"]["file"] == "config/models/line/model.py"


def test_a_model_entry_names_a_folder_of_either_place(place, load):
    write_model(place, "config/models/mine")
    models = load(models={"a": {"model": "mine"}, "b": {"model": "line"}})["models"]
    assert models["a"]["file"] == "config/models/mine/model.py"
    assert models["b"]["file"] == "workflow/models/line/model.py"


def test_a_simulation_can_run_a_model_of_the_user(place, load):
    write_model(place, "config/models/mine")
    study = load(data={"simulate": {"model": "mine"}})
    assert find_simulation_model("mine", study)["file"] == "config/models/mine/model.py"


def test_a_hint_lists_models_of_both_places(place, load):
    write_model(place, "config/models/parabola")
    with pytest.raises(UserError, match="known: line, parabola"):
        load(models={"quadratic": {}})
    with pytest.raises(UserError, match="did you mean 'parabola'"):
        load(models={"parabole": {}})


# config/config.yaml


def write_configuration(place, text):
    """Write config/config.yaml and return its path."""
    file = place / "config/config.yaml"
    file.write_text(text)
    return file


def test_the_configuration_is_read_by_the_yaml_rules_of_studies(place):
    file = write_configuration(place, "studies: no\ndefaults: {checks: {ppc: 1e-3}}\n")
    config = load_configuration(file, {})
    assert config == {"studies": "no", "defaults": {"checks": {"ppc": 0.001}}}
    assert check_configuration(config)["studies"] == ["no"]


def test_values_of_the_command_line_have_priority_key_by_key(place):
    file = write_configuration(place, "studies: [a, b]\ndefaults: {seed: 1, prior: {draws: 10}}\n")
    overrides = {"studies": "mine", "strict": True, "defaults": {"prior": {"draws": 20}}}
    assert load_configuration(file, overrides) == {
        "studies": "mine",
        "strict": True,
        "defaults": {"seed": 1, "prior": {"draws": 20}},
    }


@pytest.mark.parametrize(
    ("text", "part"),
    [("studies: a\nstudies: b\n", "'studies' is given twice"), ("studies: [a\n", "invalid YAML")],
)
def test_an_invalid_configuration_file_is_an_error(place, text, part):
    file = write_configuration(place, text)
    with pytest.raises(UserError, match=f"config.yaml, line.*{part}"):
        load_configuration(file, {})


def test_a_missing_configuration_file_is_an_error(place):
    with pytest.raises(UserError, match=r"config\.yaml: cannot be read"):
        load_configuration("config/config.yaml", {})


def test_the_configuration_of_the_project_is_the_same_in_both_yaml_dialects():
    file = ROOT / "config/config.yaml"
    assert load_configuration(file, {}) == yaml.safe_load(file.read_text())


@pytest.mark.parametrize("studies", ["", " , ", None])
def test_a_configuration_without_a_study_is_an_error(studies):
    with pytest.raises(UserError, match=r"studies: no study is named\. Example: --config studies"):
        check_configuration({"studies": studies})


def test_a_former_key_in_the_defaults_is_an_error_with_its_new_name():
    with pytest.raises(UserError, match="defaults: checks: 'loss' is now called 'elbo_conv"):
        check_configuration({"studies": "a", "defaults": {"checks": {"loss": 0.1}}})
