import importlib.util
import sys

import pytest
from conftest import ROOT

from posterity.__main__ import COMMANDS, run_command


def test_an_unknown_command_is_an_error_that_lists_the_commands():
    with pytest.raises(SystemExit) as end:
        run_command(["cheks", "line"])
    assert end.value.code == (
        "posterity: unknown command 'cheks'. Commands: check, plan, sizes, reference."
    )


def test_without_a_command_the_usage_is_shown():
    with pytest.raises(SystemExit, match=r"usage: python -m posterity <command>(.|\n)*reference"):
        run_command([])


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_module_that_runs(command):
    module = COMMANDS[command][0]
    file = importlib.util.find_spec(module).origin
    with open(file, encoding="utf-8") as source:
        assert 'if __name__ == "__main__":' in source.read()


def test_a_command_gets_its_arguments(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["posterity", "check"])
    calls = []

    def record(module, **options):
        calls.append((module, sys.argv, options["run_name"]))

    monkeypatch.setattr("runpy.run_module", record)
    run_command(["check", "line", "hogg"])
    assert calls == [
        ("posterity.cli.check", ["posterity check", "line", "hogg"], "__main__"),
    ]


def test_the_reference_is_a_command(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["posterity", "reference"])
    monkeypatch.chdir(ROOT)
    monkeypatch.delitem(sys.modules, "posterity.cli.reference", raising=False)
    run_command(["reference"])
    assert capsys.readouterr().out == (ROOT / "config/README.md").read_text()
