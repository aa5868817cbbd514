"""What the stages of Posterity share. Each module can be imported alone; none imports everything."""

import gc

# A process here lives for a second or two and makes little garbage, but much that stays: imported modules, traced programs. With
# Python's own 2,000 an eighth of its time went into looking through that again and again.
gc.set_threshold(50_000)
