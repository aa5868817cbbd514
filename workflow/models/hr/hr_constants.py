"""Known constants of the Hertzsprung-Russell clusters, by their published names."""

gain = 5e5  # counts of a star of magnitude mag0
mag0 = 2.0  # mag
E_parallax = 0.025  # standard deviation of a measured parallax, arcsec
logtemp0 = 4.0  # log10(T / K) at which `offset` is the absolute magnitude
min_dist = 1.0  # pc
max_dist = 1000.0  # pc
# A parallax is recorded as 0 up to the limit, otherwise as a multiple of the step.
parallax_limit = 0.05  # arcsec
parallax_step = 0.025  # arcsec
