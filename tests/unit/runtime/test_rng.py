import numpy as np

from posterity.runtime.rng import Stream, derive_generator, derive_key


def test_keys_derive_from_names_alone():
    np.testing.assert_array_equal(
        derive_key(1, "line", "nuts", "chain", 0), derive_key(1, "line", "nuts", "chain", 0)
    )
    assert derive_generator(1, "a").integers(1 << 60) == derive_generator(1, "a").integers(1 << 60)


def test_no_two_names_share_a_key():
    names = [
        (s, m, f, c)
        for s in (1, 2, 12)
        for m in ("a", "ab", "")
        for f in ("b", "", "ab")
        for c in range(50)
    ]
    keys = {tuple(derive_key(s, m, f, c)) for s, m, f, c in names}
    assert len(keys) == len(names)
    assert tuple(derive_key(1, "ab", "c")) != tuple(derive_key(1, "a", "bc"))


def test_a_stream_has_the_key_of_its_path():
    stream = Stream(3, ("line", "nuts"))
    np.testing.assert_array_equal(stream.key("chain", 2), derive_key(3, "line", "nuts", "chain", 2))
    np.testing.assert_array_equal(stream.child("chain").key(2), stream.key("chain", 2))
    np.testing.assert_array_equal(
        stream.keys("chain", 3), [stream.key("chain", chain) for chain in range(3)]
    )
    assert stream.generator("volumes").integers(1 << 60) == derive_generator(
        3, "line", "nuts", "volumes"
    ).integers(1 << 60)
