from typing import Any

from numpy.typing import NDArray

def instruction_sets() -> list[str]: ...
def end_passes() -> None: ...
def forget_other_threads() -> None: ...
def dense(
    set: str,
    X: NDArray[Any],
    single: bool,
    loss: str,
    target: NDArray[Any],
    weight: NDArray[Any],
    coefficients: NDArray[Any],
    gradient: NDArray[Any],
    ends: NDArray[Any],
    threads: int,
) -> float: ...
def sparse(
    set: str,
    data: NDArray[Any],
    indices: NDArray[Any],
    bounds: NDArray[Any],
    loss: str,
    target: NDArray[Any],
    weight: NDArray[Any],
    coefficients: NDArray[Any],
    gradient: NDArray[Any],
    ends: NDArray[Any],
    threads: int,
) -> float: ...
def shifted_loss(
    set: str,
    scores: NDArray[Any],
    loss: str,
    target: NDArray[Any],
    weight: NDArray[Any],
    intercepts: NDArray[Any],
    slope: NDArray[Any],
    residuals: NDArray[Any],
    ends: NDArray[Any],
    threads: int,
) -> float: ...
def moments(
    set: str, X: NDArray[Any], weight: NDArray[Any], near: NDArray[Any], first: NDArray[Any], second: NDArray[Any]
) -> None: ...
def squares(set: str, X: NDArray[Any], shift: NDArray[Any], scale: NDArray[Any], sums: NDArray[Any]) -> None: ...
def dense_derivatives(
    set: str,
    X: NDArray[Any],
    loss: str,
    target: NDArray[Any],
    weight: NDArray[Any],
    coefficients: NDArray[Any],
    shift: NDArray[Any],
    scale: NDArray[Any],
    intercept: bool,
    sums: NDArray[Any],
    ends: NDArray[Any],
    threads: int,
) -> float: ...
def sparse_derivatives(
    set: str,
    data: NDArray[Any],
    indices: NDArray[Any],
    bounds: NDArray[Any],
    loss: str,
    target: NDArray[Any],
    weight: NDArray[Any],
    coefficients: NDArray[Any],
    shift: NDArray[Any],
    scale: NDArray[Any],
    intercept: bool,
    sums: NDArray[Any],
    ends: NDArray[Any],
    threads: int,
) -> float: ...
def dense_grams(
    set: str,
    X: NDArray[Any],
    weight: NDArray[Any],
    shift: NDArray[Any],
    scale: NDArray[Any],
    intercept: bool,
    ends: NDArray[Any],
    grams: NDArray[Any],
    threads: int,
) -> None: ...
def sparse_grams(
    set: str,
    data: NDArray[Any],
    indices: NDArray[Any],
    bounds: NDArray[Any],
    weight: NDArray[Any],
    shift: NDArray[Any],
    scale: NDArray[Any],
    intercept: bool,
    ends: NDArray[Any],
    grams: NDArray[Any],
    threads: int,
) -> None: ...
def dual(
    set: str,
    data: NDArray[Any],
    indices: NDArray[Any],
    bounds: NDArray[Any],
    loss: str,
    target: NDArray[Any],
    weight: NDArray[Any],
    bend: NDArray[Any],
    order: NDArray[Any],
    scale_squares: NDArray[Any],
    coefficients: NDArray[Any],
    intercepts: NDArray[Any],
    duals: NDArray[Any],
    per_weight: float,
    intercept_square: float,
) -> tuple[float, float]: ...
def sparse_moments(
    set: str,
    data: NDArray[Any],
    indices: NDArray[Any],
    bounds: NDArray[Any],
    weight: NDArray[Any],
    near: NDArray[Any],
    sums: NDArray[Any],
) -> None: ...
def has_duplicates(set: str, data: NDArray[Any], indices: NDArray[Any], bounds: NDArray[Any], columns: int) -> bool: ...
def dense_scores(
    set: str, X: NDArray[Any], link: str, coefficients: NDArray[Any], result: NDArray[Any], threads: int
) -> bool: ...
def dense_traces(
    set: str,
    X: NDArray[Any],
    single: bool,
    link: str,
    coefficients: NDArray[Any],
    result: NDArray[Any],
    threads: int,
) -> None: ...
def sparse_scores(
    set: str,
    data: NDArray[Any],
    indices: NDArray[Any],
    bounds: NDArray[Any],
    link: str,
    coefficients: NDArray[Any],
    result: NDArray[Any],
    threads: int,
) -> bool: ...
