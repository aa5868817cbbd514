"""Compiled programs, and their cache on disk."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from posterity.runtime import compile_cache
from posterity.runtime.compile_cache import load_or_compile


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("POSTERITY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def built(function, argument, made_from="one"):
    """Build a program of one argument; tell how often the function was traced."""
    traced = []

    def plan():
        traced.append(1)
        return [jax.jit(function).trace(argument)], {"note": 1}

    found = load_or_compile((argument,), [made_from], plan)
    assert found.notes == {"note": 1}
    return found.run[0], len(traced)


def test_the_second_time_nothing_is_traced(folder):
    x = np.arange(3.0)
    for expected in (1, 0):
        run, traced = built(lambda x: jnp.sin(x) * 2, x)
        assert traced == expected
        assert np.array_equal(run(x), np.asarray(jax.jit(lambda x: jnp.sin(x) * 2)(x)))
    assert np.array_equal(
        run(x + 1), np.asarray(jax.jit(lambda x: jnp.sin(x) * 2)(x + 1))
    )  # other values of one shape
    assert built(lambda x: x, np.arange(4.0))[1] == 1  # another shape
    assert built(lambda x: x, x.astype(np.float32))[1] == 1  # another type
    assert built(lambda x: x, x, "other")[1] == 1


@pytest.mark.parametrize("content", [b"", b"nothing of the kind", None])
def test_a_broken_file_is_a_miss_and_is_mended(folder, content):
    x = np.arange(3.0)
    built(jnp.cos, x)
    (file,) = folder.glob("*.program")
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2] if content is None else content)
    run, traced = built(jnp.cos, x)
    assert traced == 1 and np.allclose(run(x), np.cos(x))
    assert built(jnp.cos, x)[1] == 0


def test_a_program_that_calls_python_is_not_kept(folder):
    def function(x):
        return jax.pure_callback(
            lambda x: np.asarray(x) + 1, jax.ShapeDtypeStruct(x.shape, x.dtype), x
        )

    for _ in range(2):
        run, traced = built(function, np.arange(3.0))
        assert traced == 1 and np.array_equal(run(np.arange(3.0)), [1, 2, 3])
    assert not list(folder.glob("*"))


def test_without_a_place_to_write_there_is_no_cache(folder):
    folder.write_text("a file where the folder should be")
    run, traced = built(jnp.cos, np.arange(3.0))
    assert traced == 1 and np.allclose(run(np.arange(3.0)), np.cos(np.arange(3.0)))


def test_what_was_not_used_for_longest_goes(folder, monkeypatch):
    x = np.arange(3.0)
    built(jnp.cos, x, "first")
    monkeypatch.setattr(
        compile_cache, "MAX_CACHE_BYTES", 1.5 * next(folder.glob("*")).stat().st_size
    )
    built(jnp.cos, x, "second")
    assert len(list(folder.glob("*"))) == 1
    assert built(jnp.cos, x, "second")[1] == 0


HEADS = """
def model(y):
    mu = numpyro.sample("mu", dist.Normal(0, 1))
    PART
    with numpyro.plate("row", len(y)):
        numpyro.sample("y", dist.Normal(mu, 1), obs=y)
"""


def test_the_fingerprint_sees_all_of_a_model(bind_source, tmp_path):
    """A term by numpyro.factor, a scale, a number from a file: none of them is a site's distribution."""
    number = tmp_path / "number.txt"
    y, seen = np.arange(3.0), []
    parts = ["pass", "numpyro.factor('f', -mu**2)", "numpyro.factor('f', -2 * mu**2)"]
    for part in parts:
        seen.append(bind_source(HEADS.replace("PART", part), y=y).fingerprint)
    read = HEADS.replace(
        "PART",
        f"numpyro.factor('f', mu * float(__import__('pathlib').Path({str(number)!r}).read_text()))",
    )
    for value in ("1", "2"):
        number.write_text(value)
        seen.append(bind_source(read, y=y).fingerprint)
    scaled = HEADS.replace("PART", "pass").replace(
        "obs=y)",
        "obs=y)\n    with numpyro.handlers.scale(scale=SCALE):\n        numpyro.sample('z', dist.Normal(mu, 1), obs=0.5)",
    )
    one = [bind_source(scaled.replace("SCALE", value), y=y).fingerprint for value in ("2.0", "3.0")]
    assert len({*seen, *one}) == len(seen) + 2
    assert bind_source(read, y=y + 1).fingerprint == seen[-1]  # other data of the same shape
