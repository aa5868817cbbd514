import pytest

from posterity.cli.reference import resolve_reference
from posterity.config.registry import METHODS
from posterity.config.schema import (
    RENAMED_KEYS,
    complete_settings,
    list_checks,
    load_schema,
    validate_content,
)
from posterity.errors import UserError

RENAMED_SETTINGS = [
    *(
        (method, "until", "stop_when", {"ess": 400})
        for method in ("nuts", "hmc", "barker", "sa", "aies", "ess", "chees")
    ),
    ("nested", "precision", "dlogz", 0.01),
    ("nested", "live", "live_points", 500),
    ("pathfinder", "estimates", "elbo_samples", 50),
    ("sa", "points", "adapt_points", 60),
    *((method, "starts", "restarts", 8) for method in ("svi", "map", "mle", "laplace")),
]
RENAMED_CHECKS = {
    "loss": "elbo_convergence",
    "optimum": "optimum_restarts",
    "evidence": "evidence_error",
    "acceptance": "acceptance_rate",
    "prior_inside": "prior_coverage",
    "scalars": "max_scalars_per_site",
    "sensitivity": "prior_sensitivity",
}


def list_messages(settings):
    """Return the messages for the settings of a fit."""
    definitions = load_schema("study")["$defs"]
    rules = {**definitions[settings["method"]], "$defs": definitions}
    with pytest.raises(UserError) as error:
        validate_content(settings, rules, "here")
    return error.value.messages


@pytest.mark.parametrize(("method", "old", "new", "value"), RENAMED_SETTINGS)
def test_a_former_setting_is_an_error_with_its_new_name(method, old, new, value):
    messages = list_messages({"method": method, old: value})
    assert messages == [f"here: '{old}' is now called '{new}'. Rename the key."]


@pytest.mark.parametrize(("old", "new"), RENAMED_CHECKS.items())
def test_a_former_check_is_an_error_with_its_new_name(load, old, new):
    with pytest.raises(UserError) as error:
        load(checks={old: 1})
    assert error.value.messages == [
        f"config/studies/mine.yaml: checks: '{old}' is now called '{new}'. Rename the key."
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [item for item in RENAMED_CHECKS.items() if item[0] not in ("prior_inside", "scalars")],
)
def test_a_former_check_under_expect_is_an_error_with_its_new_name(load, old, new):
    with pytest.raises(UserError) as error:
        load(checks={"expect": {"line": {"nuts": {old: "fail"}}}})
    assert str(error.value) == (
        "config/studies/mine.yaml: checks: expect: line: nuts: "
        f"'{old}' is now called '{new}'. Rename the key."
    )


def test_the_former_name_of_the_float_type_is_an_error_with_its_new_name(load):
    with pytest.raises(UserError) as error:
        load(precision="float32")
    assert str(error.value) == (
        "config/studies/mine.yaml: 'precision' is now called 'float_type'. Rename the key."
    )


def test_the_former_value_of_store_is_an_error_with_its_new_name():
    messages = list_messages({"method": "nuts", "store": {"x": "draws"}})
    assert messages == ["here: store: x: 'draws' is now called 'all'. Rename the value."]


def test_every_renaming_leads_to_a_key_of_the_schema_and_is_tested():
    tested = {("precision", "float_type"), *((old, new) for _, old, new, _ in RENAMED_SETTINGS)}
    tested |= set(RENAMED_CHECKS.items())
    assert {(old, new) for old, names in RENAMED_KEYS.items() for new in names} == tested


@pytest.mark.parametrize(
    ("settings", "messages"),
    [
        ({"store": {"x": "al"}}, ["store: x: 'al' is not valid: did you mean 'all'?"]),
        ({"store": {"x": {"thing": 2}}}, ["store: x: unknown key 'thing': did you mean 'thin'?"]),
        ({"store": {"x": {"thin": 0}}}, ["store: x: thin: 0 should be at least 1."]),
        ({"init": "medain"}, ["init: 'medain' is not valid: did you mean 'median'?"]),
        ({"init": {}}, ["init: there should be at least 1, but there are 0."]),
        ({"init": {"m": "x"}}, ["init: m: 'x' should be a number or a list."]),
        ({"dense_mass": ["a"]}, ["dense_mass: 0: 'a' should be a list."]),
        ({"dense_mass": "yes"}, ["dense_mass: 'yes' fits none of the forms in config/README.md."]),
        (
            {"reparam": {"x": {"LocScale": {"centred": 1}}}},
            ["reparam: x: LocScale: unknown key 'centred': did you mean 'centered'?"],
        ),
        (
            {"draw": 5, "warm": 3},
            [
                "unknown key 'draw': did you mean 'draws'?",
                "unknown key 'warm': did you mean 'warmup'?",
            ],
        ),
    ],
)  # fmt: skip
def test_a_message_is_about_the_alternative_that_the_user_had_in_mind(settings, messages):
    found = list_messages({"method": "nuts"} | settings)
    assert found == [f"here: {message}" for message in messages]


def test_a_number_of_the_wrong_step_is_an_error():
    messages = list_messages({"method": "nested", "live_points": 55})
    assert messages == ["here: live_points: 55 should be a multiple of 10."]


@pytest.mark.parametrize("method", METHODS)
def test_settings_without_values_are_the_defaults_of_the_schema(method):
    settings = complete_settings(method)
    definitions = load_schema("study")["$defs"]
    validate_content(settings, {**definitions[method], "$defs": definitions}, "here")
    assert settings.keys() == definitions[method]["properties"].keys() - {"models"}


def test_options_of_checks_are_not_checks():
    checks = list_checks()
    assert {"rhat", "elbo_convergence", "prior_coverage"} <= set(checks)
    assert not {"max_scalars_per_site", "prior_predictive", "expect"} & set(checks)


def test_every_key_has_a_description():
    schema = load_schema("study")
    described = [schema["properties"], load_schema("config")["properties"]]
    described += [
        rule["properties"]
        for rule in schema["$defs"].values()
        if "properties" in rule and "title" in rule
    ]
    described += [
        rule["properties"] for rule in schema["properties"].values() if "properties" in rule
    ]
    for properties in described:
        for key, rule in properties.items():
            described_elsewhere = key in ("method", "models", "simulate")
            assert resolve_reference(rule).get("description") or described_elsewhere, key
