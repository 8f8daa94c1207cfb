"""Bounds as text, rounded up, so that the written number is as true as what was proved."""

from __future__ import annotations

from decimal import ROUND_CEILING, Context, Decimal

__all__ = ["rounded_up"]


def rounded_up(bound: float, digits: int = 3) -> float:
    """The smallest number with a given number of significant digits that is no smaller than a
    bound.

    Args:
        bound: not NaN.
        digits: at least 1. The text of the result with as many digits, such as `f"{...:.2e}"` for
            three, is exact.

    Example:
        >>> rounded_up(0.0204001), rounded_up(2.04e-5, 2), rounded_up(-1.5, 1), rounded_up(0.25)
        (0.0205, 2.1e-05, -1.0, 0.25)
    """
    if not abs(bound) < float("inf"):
        return bound
    return float(Context(prec=digits, rounding=ROUND_CEILING).create_decimal(Decimal(repr(float(bound)))))
