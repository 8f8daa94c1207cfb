from typing import Any

from numpy.typing import NDArray

def instruction_sets() -> list[str]: ...
def end_passes() -> None: ...
def gram_descent(
    H: NDArray[Any],
    l1: NDArray[Any],
    lower: NDArray[Any],
    upper: NDArray[Any],
    scale: NDArray[Any],
    gradient: NDArray[Any],
    coefficients: NDArray[Any],
    sweeps: int,
    tolerance: float,
) -> int: ...
def group_descent(
    H: NDArray[Any],
    starts: NDArray[Any],
    corner: NDArray[Any],
    absolute: NDArray[Any],
    bases: NDArray[Any],
    curvatures: NDArray[Any],
    gradient: NDArray[Any],
    coefficients: NDArray[Any],
    sweeps: int,
    tolerance: float,
) -> int: ...
def forget_other_threads() -> None: ...
def predict_dense(
    set: str,
    X: NDArray[Any],
    link: str,
    coefficients: NDArray[Any],
    intercepts: NDArray[Any],
    result: NDArray[Any],
    threads: int,
) -> bool: ...
def predict_sparse(
    set: str,
    data: NDArray[Any],
    indices: NDArray[Any],
    bounds: NDArray[Any],
    link: str,
    coefficients: NDArray[Any],
    intercepts: NDArray[Any],
    result: NDArray[Any],
    threads: int,
) -> bool: ...
def dense_table(columns: list[NDArray[Any]], starts: NDArray[Any], X: NDArray[Any]) -> None: ...
def sparse_table(
    columns: list[NDArray[Any]],
    starts: NDArray[Any],
    values: NDArray[Any],
    indices: NDArray[Any],
    ends: NDArray[Any],
) -> int: ...
def libsvm_lines(
    text: bytes,
    labels: NDArray[Any],
    lengths: NDArray[Any],
    columns: NDArray[Any],
    values: NDArray[Any],
) -> tuple[int, int]: ...

class DenseRows:
    def __init__(
        self,
        X: NDArray[Any],
        single: bool,
        target: NDArray[Any],
        offset: NDArray[Any],
        weight: NDArray[Any],
        ends: NDArray[Any],
        threads: int,
    ) -> None: ...
    def value_and_gradient(self, set: str, loss: str, coefficients: NDArray[Any], gradient: NDArray[Any]) -> float: ...
    def derivatives(
        self,
        set: str,
        loss: str,
        coefficients: NDArray[Any],
        shift: NDArray[Any],
        scale: NDArray[Any],
        intercept: bool,
        sums: NDArray[Any],
    ) -> float: ...
    def newton_point(
        self,
        set: str,
        loss: str,
        coefficients: NDArray[Any],
        shift: NDArray[Any],
        scale: NDArray[Any],
        intercept: bool,
        quadratic: NDArray[Any],
        total_weight: float,
        results: NDArray[Any],
    ) -> float: ...
    def proof_sums(
        self,
        set: str,
        loss: str,
        coefficients: NDArray[Any],
        shift: NDArray[Any],
        scale: NDArray[Any],
        coordinates: NDArray[Any],
        norms: NDArray[Any],
        intercept_error: NDArray[Any],
        numbers: NDArray[Any],
        sums: NDArray[Any],
    ) -> None: ...
    def grams(
        self, set: str, shift: NDArray[Any], scale: NDArray[Any], intercept: bool, grams: NDArray[Any]
    ) -> None: ...
    def loss_of_scores(
        self, set: str, loss: str, intercepts: NDArray[Any], slope: NDArray[Any], residuals: NDArray[Any]
    ) -> float: ...
    def moments(self, set: str, near: NDArray[Any], first: NDArray[Any], second: NDArray[Any]) -> None: ...
    def squares(self, set: str, shift: NDArray[Any], scale: NDArray[Any], sums: NDArray[Any]) -> None: ...
    def scores(self, set: str, coefficients: NDArray[Any], result: NDArray[Any]) -> None: ...
    def traces(self, set: str, link: str, coefficients: NDArray[Any], result: NDArray[Any]) -> None: ...

class SparseRows:
    def __init__(
        self,
        data: NDArray[Any],
        indices: NDArray[Any],
        bounds: NDArray[Any],
        columns: int,
        target: NDArray[Any],
        offset: NDArray[Any],
        weight: NDArray[Any],
        ends: NDArray[Any],
        threads: int,
    ) -> None: ...
    def value_and_gradient(
        self, set: str, loss: str, coefficients: NDArray[Any], gradient: NDArray[Any], outputs: int
    ) -> float: ...
    def derivatives(
        self,
        set: str,
        loss: str,
        coefficients: NDArray[Any],
        shift: NDArray[Any],
        scale: NDArray[Any],
        intercept: bool,
        sums: NDArray[Any],
    ) -> float: ...
    def entry_derivatives(
        self, set: str, loss: str, coefficients: NDArray[Any], ends: NDArray[Any], sums: NDArray[Any]
    ) -> float: ...
    def proof_sums(
        self,
        set: str,
        loss: str,
        coefficients: NDArray[Any],
        shift: NDArray[Any],
        scale: NDArray[Any],
        coordinates: NDArray[Any],
        norms: NDArray[Any],
        intercept_error: NDArray[Any],
        numbers: NDArray[Any],
        sums: NDArray[Any],
    ) -> None: ...
    def grams(
        self, set: str, shift: NDArray[Any], scale: NDArray[Any], intercept: bool, grams: NDArray[Any]
    ) -> None: ...
    def moments(self, set: str, near: NDArray[Any], sums: NDArray[Any]) -> None: ...
    def has_duplicates(self, set: str) -> bool: ...
    def scores(self, set: str, coefficients: NDArray[Any], result: NDArray[Any]) -> None: ...
    def dual_steps(
        self,
        set: str,
        loss: str,
        curvature: NDArray[Any],
        scale_squares: NDArray[Any],
        per_weight: float,
        intercept_square: float,
        order: NDArray[Any],
        coefficients: NDArray[Any],
        intercepts: NDArray[Any],
        duals: NDArray[Any],
    ) -> tuple[float, float]: ...
