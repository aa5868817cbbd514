import pytest

from posterity.config.yaml import read_yaml
from posterity.errors import UserError


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a: 1\na: 2\n", "line 2: invalid YAML (the key 'a' is given twice)"),
        ("a: [1\n", "invalid YAML"),
        ("a:\n\t- 1\n", "line 2: invalid YAML (a tab where blanks are needed)"),
        ("a: @b\n", "line 1: invalid YAML (found character"),
        ("a: \x00\n", "invalid YAML ("),
        ("- 1\n", "expected keys with values"),
    ],
)
def test_invalid_yaml_is_an_error_with_file_and_line(tmp_path, text, part):
    file = tmp_path / "s.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match=r"s\.yaml") as error:
        read_yaml(file)
    assert part in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_of_another_encoding_is_an_error(tmp_path):
    (tmp_path / "s.yaml").write_bytes("a: é".encode("latin-1"))
    with pytest.raises(UserError, match=r"s\.yaml: invalid YAML"):
        read_yaml(tmp_path / "s.yaml")


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(UserError, match=r"s\.yaml: cannot be read \(No such file"):
        read_yaml(tmp_path / "s.yaml")


def test_words_numbers_and_dates_follow_yaml_1_2(tmp_path):
    file = tmp_path / "s.yaml"
    file.write_text(
        "{n: 32, no: on, y: yes, a: 1e-3, b: 1E5, c: 1.5, d: true, e: 12, f: .5, g: 1_000, "
        "h: 2020-01-01}"
    )
    assert read_yaml(file) == {
        "n": 32,
        "no": "on",
        "y": "yes",
        "a": 1e-3,
        "b": 1e5,
        "c": 1.5,
        "d": True,
        "e": 12,
        "f": 0.5,
        "g": 1000,
        "h": "2020-01-01",
    }
