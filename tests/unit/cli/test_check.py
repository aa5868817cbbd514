"""`make check` prints warnings of the data, and returns what makes a check fail."""

import numpy as np
from unit.model.tables import make_regression, make_table

from posterity.cli.check import _judge_data

STUDY = {"checks": {"data": {"warn": 0.01, "fail": 0.5}, "precision": 0.01}}
X = np.random.default_rng(1).normal(size=20)
NORMAL = "dist.Normal(a + b * x, s)"


def judge(bind_source, source, **columns):
    table = make_table(**columns)
    return _judge_data(STUDY, bind_source(source, table), table, "t.csv")


def test_a_failure_is_an_error(bind_source, capsys):
    (message,) = judge(bind_source, make_regression(NORMAL), x=np.tile(X, 2), y=np.tile(X, 2))
    assert message.startswith("t.csv: 100% of the rows have an exact copy")
    assert message.endswith(".")
    assert capsys.readouterr().out == ""


def test_a_warning_is_printed(bind_source, capsys):
    source = make_regression(NORMAL, statement="numpyro.factor('bump', -s)")
    assert judge(bind_source, source, x=X, y=X) == []
    assert "warning: " in capsys.readouterr().out


def test_a_right_table_prints_nothing(bind_source, capsys):
    assert judge(bind_source, make_regression(NORMAL), x=X, y=X**2) == []
    assert capsys.readouterr().out == ""
