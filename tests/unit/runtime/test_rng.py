import numpy as np

from posterity.runtime.rng import derive_generator, derive_key


def test_keys_derive_from_names_alone():
    np.testing.assert_array_equal(derive_key(1, "line", "nuts", "chain", 0), derive_key(1, "line", "nuts", "chain", 0))
    assert derive_generator(1, "a").integers(1 << 60) == derive_generator(1, "a").integers(1 << 60)


def test_no_two_names_share_a_key():
    names = [(s, m, f, c) for s in (1, 2, 12) for m in ("a", "ab", "") for f in ("b", "", "ab") for c in range(50)]
    keys = {tuple(derive_key(s, m, f, c)) for s, m, f, c in names}
    assert len(keys) == len(names)
    assert tuple(derive_key(1, "ab", "c")) != tuple(derive_key(1, "a", "bc"))
