"""Errors of a model's code name file, line and remedy."""

import pytest
from unit.model.line import LINE, TABLE

from posterity.errors import UserError
from posterity.model.bind import bind_model

ASSERTION = "    assert False, 'all sites must have unique names'\n"


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        (
            LINE.replace("m * X + c", "m * X + jnp.ones(5)"),
            ["line 9", "cannot be evaluated", "X (3,)"],
        ),
        (LINE.replace('"c"', '"m"'), ["line 7", "`m` duplicated", "Give each site its own name"]),
        (LINE + ASSERTION, ["line 10", "Fix that line"]),
        (LINE.replace("dist.Normal(m", "dist.normal(m"), ["line 9", "normal"]),
        (
            LINE.replace("m * X + c", "m * X[:2] + c"),
            ["line 9", "after the sites m (), c ()"],
        ),
    ],
)
def test_a_model_that_cannot_be_traced_is_an_error_with_its_line(write_spec, source, parts):
    with pytest.raises(UserError) as error:
        bind_model("line", write_spec(source), TABLE)
    message = str(error.value)
    assert "\n" not in message
    for part in ["model.py", *parts]:
        assert part in message


def test_a_branch_on_a_latent_site_is_an_error_with_its_statement(write_spec):
    source = LINE.replace("    with numpyro", "    if m > 0:\n        m = -m\n    with numpyro")
    with pytest.raises(UserError, match="line 8: `if m > 0:` needs a value") as error:
        bind_model("line", write_spec(source), TABLE)
    assert "depends on a latent site" in str(error.value)
    assert "jnp.where" in str(error.value)
