"""The groups of prior.nc that the checks `data` and `precision` judge."""

import numpy as np
import xarray as xr
from unit.model.tables import make_regression, make_table

from posterity.prediction.prior_checks import make_check_groups

X = np.random.default_rng(1).normal(size=12)


def test_findings_and_the_number_of_rows_are_stored(bind_source):
    table = make_table(x=X, y=0 * X + 1)
    bound = bind_source(make_regression("dist.Normal(a + b * x, s)"), table)
    groups = make_check_groups(bound, table, "t.csv")
    assert groups["data_checks"]["kind"].values.tolist() == ["constant"]
    assert groups["data_checks"].attrs["rows"] == 12
    assert not groups["precision"].data_vars


def test_a_study_without_data_has_no_rows(bind_source):
    bound = bind_source(
        "\ndef model():\n    numpyro.sample('a', dist.Normal(0, 1))\n", xr.Dataset()
    )
    assert make_check_groups(bound, xr.Dataset(), "no data")["data_checks"].attrs["rows"] == 0
