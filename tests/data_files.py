"""What the tests of data files share: files of each format, and checks of errors."""

import gzip
import warnings

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xarray as xr
from astropy.table import Column, MaskedColumn, Table
from astropy.units import Unit

from posterity.data.table import read_table
from posterity.errors import UserError

STUDY_FILE = "config/studies/mine.yaml"
TEXT = "id, x,sigma\n1,1.5,0.1\n2,2.5,0.2\n3,3.5,0.3\n"
ASTROPY = ["t.ecsv", "t.fits", "t.fit", "t.fits.gz"]


def load(file, **spec):
    """Read a file as the data of a study."""
    return read_table({"file": str(file), "dim": "star", **spec}, STUDY_FILE)


def assert_refused(file, *parts, **spec):
    """Check that reading a file raises an error of one line with these parts."""
    with pytest.raises(UserError) as error:
        load(file, **spec)
    text = str(error.value)
    assert "\n" not in text
    for part in parts:
        assert part in text


def make_measurements(masked=True):
    """A table with units, a description, missing values, text, booleans, a vector, an odd unit."""
    table = Table()
    table["x"] = Column(
        [1.5, 2.5, 3.5, 4.5], unit="km / s", description="radial\n velocity", dtype=">f8"
    )
    table["n"] = MaskedColumn([1, 2**60 + 1, 3, 4], mask=[masked, False, False, False], dtype=">i8")
    table["name"] = ["a", "b", "c", "d"]
    table["good"] = [True, False, True, True]
    table["v"] = Column(np.arange(12.0).reshape(4, 3), dtype=">f4")
    table["odd"] = Column(
        [1.0, 2.0, 3.0, 4.0], unit=Unit("counts per nothing", parse_strict="silent")
    )
    return table


def write_astropy(folder, table, name):
    """Write a table as ECSV or FITS, by the extension of the name."""
    file = folder / name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of astropy, about the odd unit
        table.write(file, overwrite=True, **({"format": "fits"} if ".fit" in name else {}))
    return file


def write_any(folder, name):
    """Write a valid file of any format."""
    values = np.arange(2000.0)
    if name.endswith(".parquet"):
        pq.write_table(pa.table({"x": values}), folder / name)
    elif name.endswith(".nc"):
        kind = "NETCDF3_64BIT" if "3" in name else "NETCDF4"
        data = xr.Dataset({"x": ("star", values)})
        data.to_netcdf(folder / name, format=kind, engine="netcdf4")
    else:
        write_astropy(folder, make_measurements(False), name)
    return folder / name


def load_text(folder, text=TEXT, name="t.csv", **spec):
    """Read a table given as text; a name that ends in .gz compresses it."""
    content = text.encode()
    file = folder / name
    file.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return load(file, **{"dim": "point", **spec})
