"""The numbers of the Hertzsprung-Russell clusters that are known, in the page's own names."""

gain = 5e5  # counts of a star of magnitude mag0
mag0 = 2.0  # mag
E_parallax = 0.025  # standard deviation of a measured parallax, arcsec
logtemp0 = 4.0  # log10(T / K) at which `offset` is the absolute magnitude
min_dist, max_dist = 1.0, 1000.0  # pc
parallax_limit, parallax_step = (
    0.05,
    0.025,
)  # arcsec: recorded as 0 up to the limit, else as a multiple of the step
