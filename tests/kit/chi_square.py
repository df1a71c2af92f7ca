"""Whether what was drawn at random was drawn fairly."""


def chi_square(counts, expected):
    return sum((count - expected) ** 2 / expected for count in counts)


def chi_square_limit(degrees):
    """The distribution's 99.99 % point, by Wilson and Hilferty's approximation."""
    return degrees * (1 - 2 / (9 * degrees) + 3.719 * (2 / (9 * degrees)) ** 0.5) ** 3
