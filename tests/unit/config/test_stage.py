import numpy as np

from posterity.config.stage import ComputeSettings, ModelSource, StageIds
from posterity.runtime.rng import Stream


def test_unset_ids_give_no_attribute():
    assert StageIds("line", "m").attributes == {"study": "line", "model": "m"}


def test_the_stream_of_an_artefact_starts_from_its_ids():
    stream = StageIds("line", "m", "nuts").stream(3)
    np.testing.assert_array_equal(
        stream.key("chain", 0), Stream(3, ("line", "m", "nuts")).key("chain", 0)
    )


def test_default_settings_are_one_thread_in_double_precision():
    assert ComputeSettings(seed=1) == ComputeSettings(1, "float64", 1)
    assert ModelSource({"file": "m.py"}).files == []
