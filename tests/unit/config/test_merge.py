from hypothesis import given, settings
from hypothesis import strategies as st

from posterity.config.merge import drop_nulls, merge_settings, normalise_values

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(
    SCALARS,
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=3), children, max_size=3)
    ),
    max_leaves=8,
)
CONTENTS = st.dictionaries(
    st.sampled_from(["file", "simulate", "method", "warn", "fail", "a"]), VALUES, max_size=4
)
QUICK = settings(deadline=None, max_examples=50, derandomize=True)


@QUICK
@given(VALUES)
def test_normalisation_is_idempotent(value):
    normal = normalise_values(value)
    assert repr(normalise_values(normal)) == repr(normal)


@QUICK
@given(CONTENTS)
def test_a_merge_with_nothing_changes_nothing(content):
    assert merge_settings(content, {}) == content
    assert merge_settings({}, content) == content


@QUICK
@given(CONTENTS, CONTENTS)
def test_a_merge_leaves_its_arguments_as_they_are(defaults, content):
    before = repr(defaults), repr(content)
    merge_settings(defaults, content)
    assert (repr(defaults), repr(content)) == before


def test_keys_are_sorted_and_whole_floats_are_integers():
    assert repr(normalise_values({"b": 1000.0, "a": [2.5, 3.0]})) == "{'a': [2.5, 3], 'b': 1000}"


def test_nested_keys_are_completed():
    assert merge_settings({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}}) == {"a": {"b": 1, "c": 3}}


def test_settings_of_another_method_replace_the_default():
    merged = merge_settings(
        {"f": {"method": "svi", "guide": "AutoNormal"}}, {"f": {"method": "map"}}
    )
    assert merged == {"f": {"method": "map"}}


def test_an_alternative_key_replaces_the_default():
    assert merge_settings({"d": {"simulate": {}, "dim": "i"}}, {"d": {"file": "a"}}) == {
        "d": {"file": "a"}
    }
    assert merge_settings({"r": {"warn": 1, "fail": 2}}, {"r": {"warn": 3}}) == {"r": {"warn": 3}}


def test_nulls_are_dropped_at_every_level():
    assert drop_nulls({"a": None, "b": {"c": None, "d": 0}}) == {"b": {"d": 0}}
