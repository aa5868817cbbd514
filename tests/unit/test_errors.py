import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posterity.errors import UserError, collect_errors, hint, raise_errors

QUICK = settings(deadline=None, max_examples=50, derandomize=True)


@QUICK
@given(st.text() | st.integers() | st.none(), st.lists(st.text() | st.integers(), max_size=5))
def test_a_hint_is_one_text_for_any_words(word, known):
    assert isinstance(hint(word, known), str)


def test_a_hint_names_the_nearest_word():
    assert hint("titel", ["title", "data"]) == "did you mean 'title'?"


def test_a_hint_lists_all_words_if_none_is_near():
    assert hint("x", ["title", "data"]) == "known: data, title"
    assert hint("x", []) == "none is known here"


def test_collected_errors_are_raised_together():
    errors = []
    for message in ("one", "two", "three"):
        with collect_errors(errors):
            raise UserError(message)
    with pytest.raises(UserError, match="one") as error:
        raise_errors(errors)
    assert error.value.messages == ["one", "two", "three"]


def test_messages_of_nested_errors_are_all_listed():
    inner = UserError("two")
    inner.related = (UserError("three"),)
    outer = UserError("one")
    outer.related = (inner,)
    assert outer.messages == ["one", "two", "three"]


def test_no_error_is_raised_for_an_empty_list():
    raise_errors([])


def test_other_exceptions_are_not_collected():
    with pytest.raises(ValueError, match="bug"), collect_errors([]):
        raise ValueError("bug")
