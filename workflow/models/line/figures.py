"""What the figures of a straight line need beyond the draws."""


def curve(x, m, c):
    """The line itself: drawn through the data for the truth and for draws of m and c."""
    return m * x + c
