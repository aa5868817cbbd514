"""Black-body colours in 50 digits, by Python's decimal module: what float64 is held against."""

import decimal
from decimal import Decimal


def colour_and_slope(beta, *bands):
    """
    Compute the colour of a black body and its derivative by beta, from the same float64 numbers.

    `bands` are wavelengths and the responses of two filters.
    """
    with decimal.localcontext(prec=50):
        beta, sums = Decimal(float(beta)), {}
        for wavelength, *responses in zip(*bands, strict=True):
            wavelength = Decimal(float(wavelength))
            one = (1 / (wavelength * beta)).exp()
            value = 1 / (wavelength**2 * (one - 1))
            slope = value * one / ((one - 1) * wavelength * beta**2)
            for band, response in zip("gr", responses, strict=True):
                for kind, part in (("value", value), ("slope", slope)):
                    sums[band, kind] = sums.get((band, kind), 0) + Decimal(float(response)) * part
        g, r = sums["g", "value"], sums["r", "value"]
        return (g / r).log10(), (sums["g", "slope"] / g - sums["r", "slope"] / r) / Decimal(10).ln()
