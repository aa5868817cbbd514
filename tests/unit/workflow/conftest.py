"""What the unit tests of the rules share."""

import pytest
from small_project import make_density, make_project, make_study


@pytest.fixture(scope="session")
def small_project():
    """A project with the studies `lines` and `density`."""
    return make_project({"lines": make_study(), "density": make_density()})
