"""Compiled programs and their cache on disk."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from posterity.runtime import compile_cache
from posterity.runtime.compile_cache import compile_and_run, load_or_compile


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("POSTERITY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def build(function, argument, cache_key="first"):
    """Return a program of one argument, and how often its function was traced."""
    traces = []

    def trace():
        traces.append(1)
        return [jax.jit(function).trace(argument)], {"note": 1}

    programs = load_or_compile((argument,), [cache_key], trace)
    assert programs.notes == {"note": 1}
    return programs.run[0], len(traces)


def double_sine(x):
    return jnp.sin(x) * 2


X = np.arange(3.0)


def test_second_call_reads_the_program_from_the_cache(folder):
    expected = np.asarray(jax.jit(double_sine)(X))
    for traces in (1, 0):
        run, count = build(double_sine, X)
        assert count == traces
        assert np.array_equal(run(X), expected)


def test_program_runs_on_other_values_of_the_same_shape(folder):
    build(double_sine, X)
    run, count = build(double_sine, X)
    assert count == 0
    assert np.array_equal(run(X + 1), np.asarray(jax.jit(double_sine)(X + 1)))


@pytest.mark.parametrize(
    ("argument", "cache_key"),
    [(np.arange(4.0), "first"), (X.astype(np.float32), "first"), (X, "other")],
    ids=["shape", "type", "key"],
)
def test_other_arguments_or_key_make_another_program(folder, argument, cache_key):
    build(lambda x: x, X)
    assert build(lambda x: x, argument, cache_key)[1] == 1


@pytest.mark.parametrize("content", [b"", b"no program", None], ids=["empty", "text", "cut"])
def test_damaged_file_is_replaced(folder, content):
    build(jnp.cos, X)
    (file,) = folder.glob("*.program")
    intact = file.read_bytes()
    file.write_bytes(intact[: len(intact) // 2] if content is None else content)
    run, count = build(jnp.cos, X)
    assert count == 1
    assert np.allclose(run(X), np.cos(X))
    assert build(jnp.cos, X)[1] == 0


def test_program_that_calls_python_is_not_cached(folder):
    def add_one(x):
        shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
        return jax.pure_callback(lambda x: np.asarray(x) + 1, shape, x)

    for _ in range(2):
        run, count = build(add_one, X)
        assert count == 1
        assert np.array_equal(run(X), [1, 2, 3])
    assert not list(folder.glob("*"))


def test_unwritable_folder_means_no_cache(folder):
    folder.write_text("a file where the folder should be")
    run, count = build(jnp.cos, X)
    assert count == 1
    assert np.allclose(run(X), np.cos(X))


def test_cache_can_be_switched_off(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POSTERITY_CACHE", "off")
    for _ in range(2):
        run, count = build(jnp.cos, X)
        assert count == 1
        assert np.allclose(run(X), np.cos(X))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"POSTERITY_CACHE": "/there"}, "/there"),
        ({"POSTERITY_CACHE": "", "XDG_CACHE_HOME": "/caches"}, "/caches/posterity"),
        ({"POSTERITY_CACHE": "", "XDG_CACHE_HOME": "", "HOME": "/me"}, "/me/.cache/posterity"),
    ],
)
def test_folder_of_the_cache_follows_the_environment(monkeypatch, variables, expected):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert compile_cache._find_cache_folder() == Path(expected)


def test_program_unused_for_longest_is_deleted(folder, monkeypatch):
    build(jnp.cos, X, "first")
    size = next(folder.glob("*")).stat().st_size
    monkeypatch.setattr(compile_cache, "MAX_CACHE_BYTES", 1.5 * size)
    build(jnp.cos, X, "second")
    assert len(list(folder.glob("*"))) == 1
    assert build(jnp.cos, X, "second")[1] == 0


def test_compile_and_run_returns_values_and_seconds(folder):
    values, compile_seconds, run_seconds = compile_and_run(double_sine, (X,), ["run"])
    assert isinstance(values, np.ndarray)
    assert np.array_equal(values, np.asarray(jax.jit(double_sine)(X)))
    assert compile_seconds > 0
    assert run_seconds > 0


HEAD = """
def model(y):
    mu = numpyro.sample("mu", dist.Normal(0, 1))
    PART
    with numpyro.plate("row", len(y)):
        numpyro.sample("y", dist.Normal(mu, 1), obs=y)
"""


def test_fingerprint_depends_on_all_of_a_model(bind_source, tmp_path):
    """It covers a term by numpyro.factor, a scale and a number from a file."""
    number = tmp_path / "number.txt"
    y, seen = np.arange(3.0), []
    parts = ["pass", "numpyro.factor('f', -mu**2)", "numpyro.factor('f', -2 * mu**2)"]
    for part in parts:
        seen.append(bind_source(HEAD.replace("PART", part), y=y).fingerprint)
    read = HEAD.replace(
        "PART",
        f"numpyro.factor('f', mu * float(__import__('pathlib').Path({str(number)!r}).read_text()))",
    )
    for value in ("1", "2"):
        number.write_text(value)
        seen.append(bind_source(read, y=y).fingerprint)
    scaled = HEAD.replace("PART", "pass").replace(
        "obs=y)",
        "obs=y)\n    with numpyro.handlers.scale(scale=SCALE):\n"
        "        numpyro.sample('z', dist.Normal(mu, 1), obs=0.5)",
    )
    one = [bind_source(scaled.replace("SCALE", value), y=y).fingerprint for value in ("2.0", "3.0")]
    assert len({*seen, *one}) == len(seen) + 2
    assert bind_source(read, y=y + 1).fingerprint == seen[-1]  # other data of the same shape
