import numpy as np

from posterity.runtime.rng import generator, key


def test_keys_derive_from_names_alone():
    np.testing.assert_array_equal(key(1, "line", "nuts", "chain", 0), key(1, "line", "nuts", "chain", 0))
    assert generator(1, "a").integers(1 << 60) == generator(1, "a").integers(1 << 60)


def test_no_two_names_share_a_key():
    names = [(s, m, f, c) for s in (1, 2, 12) for m in ("a", "ab", "") for f in ("b", "", "ab") for c in range(50)]
    keys = {tuple(key(s, m, f, c)) for s, m, f, c in names}
    assert len(keys) == len(names)
    assert tuple(key(1, "ab", "c")) != tuple(key(1, "a", "bc"))
