"""Group labels out of range are found, whatever JAX does with them."""

import numpy as np
import pytest
from unit.model.tables import make_table

from posterity.model.density_graph import trace_density_graph
from posterity.model.index_checks import find_index_errors

SOURCE = """
def model(group, y=None):
    mu = numpyro.sample("mu", dist.Normal(0, 1))
    groups = {groups}
    with numpyro.plate("groups", groups):
        effect = numpyro.sample("effect", dist.Normal(mu, 1))
    with numpyro.plate("case", len(y)):
        numpyro.sample("y", dist.Normal({mean}, 1), obs=y)
"""
GROUP = np.repeat(np.arange(4), 6)
COUNTED = "np.unique(group).size"
INDEX = "effect[group]"


@pytest.fixture
def find(bind_source):
    """A function that lists what is found for labels, by number of groups and mean."""

    def find(labels, groups="4", mean=INDEX):
        table = make_table(group=labels, y=np.linspace(-1, 1, len(labels)))
        bound = bind_source(SOURCE.format(groups=groups, mean=mean), table)
        graph = trace_density_graph(bound)
        return [
            (finding.status, finding.message)
            for finding in find_index_errors(bound, graph, table, "t.csv")
        ]

    return find


@pytest.mark.parametrize("groups", ["4", COUNTED])
def test_labels_that_begin_at_1_fail_with_row_range_and_remedy(find, groups):
    ((status, message),) = find(GROUP + 1, groups)
    assert status == "fail"
    for part in (
        "t.csv: row 19 (counted from 1 below the header): 'group' is 4 (and 5 more rows)",
        "4 elements (from the site 'effect')",
        "labels are 0 to 3",
        "`derive: {group: group - 1}`",
    ):
        assert part in message


@pytest.mark.parametrize(("shift", "row"), [(101, 1), (-1, 1)])
def test_other_labels_out_of_range_fail(find, shift, row):
    ((status, message),) = find(GROUP + shift)
    assert status == "fail"
    assert f"row {row} " in message
    assert f"'group' is {shift}" in message


@pytest.mark.parametrize(
    ("groups", "mean", "shift"),
    [
        ("4", INDEX, 0),
        (COUNTED, INDEX, 0),
        ("6", INDEX, 0),  # two groups are to be predicted
        ("4", "effect[group - 1]", 1),
        ("4", "jnp.where(group < 4, effect[group], 0)", 1),
        ("4", "jnp.where(group >= 0, effect[group], 0)", -1),
        ("4", "jnp.concatenate([jnp.zeros(1), effect])[group]", 1),
        ("4", "effect.at[group].get(mode='clip')", 1),
        ("4", "effect.at[group].get(mode='fill', fill_value=0)", 1),
        ("5", "jnp.cumsum(effect)[group]", 1),  # a state before the first row
    ],
)
def test_right_uses_of_an_index_are_quiet(find, groups, mean, shift):
    assert find(GROUP + shift, groups, mean) == []


@pytest.mark.parametrize("mean", ["jnp.take(effect, group)", "effect[group - 1]", "effect[-group]"])
def test_other_ways_to_look_up_are_checked(find, mean):
    ((status, _),) = find(GROUP + (4 if "take" in mean else 0), mean=mean)
    assert status == "fail"


def test_a_sum_over_groups_that_leaves_one_out_fails(find):
    mean = "jnp.zeros(4).at[group].add(y)[group - 1] + mu"
    ((status, _),) = find(GROUP + 1, mean=mean)
    assert status == "fail"


def test_a_first_element_without_rows_warns(find):
    ((status, message),) = find(GROUP + 1, "int(group.max()) + 1")
    assert status == "warn"
    assert "no row has element 0 of 'effect'" in message
