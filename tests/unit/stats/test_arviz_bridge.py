import subprocess
import sys

import pytest
from conftest import ROOT

from posterity.stats.arviz_bridge import hide_package, import_array_stats, remove_stub_modules


@pytest.mark.parametrize(
    "module",
    ["posterity.stats.summary", "posterity.comparison.fits", "posterity.comparison.models"],
)
def test_numpyro_can_be_imported_after_arviz(module):
    program = f"import sys; sys.path.insert(0, {str(ROOT / 'workflow/lib')!r})\n"
    program += f"import {module}\n"
    program += "from posterity.stats.arviz_bridge import import_array_stats\n"
    program += "import_array_stats()\nimport numpyro; numpyro.distributions.distribution.Unit"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_hidden_package_cannot_be_imported():
    with hide_package("json"), pytest.raises(ImportError):
        import json  # noqa: F401


@pytest.mark.parametrize("package", ["json", "no_such_package"])
def test_hidden_package_is_restored(package):
    before = sys.modules.get(package)
    with hide_package(package):
        pass
    assert sys.modules.get(package) is before
    assert package in sys.modules or before is None


def test_real_packages_are_not_removed():
    before = {name: sys.modules.get(name) for name in ("jax", "jaxlib")}
    remove_stub_modules()
    assert {name: sys.modules.get(name) for name in before} == before


def test_array_statistics_are_imported_once():
    assert import_array_stats() is import_array_stats()
