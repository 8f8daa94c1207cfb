"""Fits to rows on a device: MNIST, a linear probe and rows of the size of ImageNet, their passes
beside what the memory and the arithmetic of the device allow, and others' solvers beside them.

    python -m benchmarks.gpu [--device cuda] [--data DIR] [--out FILE.json] [--small]

Needs torch. One run takes at most the seconds given: a part begins only while there is time for it,
and says so where it is left out. `--small` makes all rows few, to see that it runs on a processor.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

_PEER_SECONDS = 60.0
_SIDE = 4_096
_REPEATS = 5


class Shape(NamedTuple):
    """Rows to be made: how many, of how many columns and classes, and in which type."""

    rows: int
    columns: int
    classes: int
    dtype: str


SHAPES = {
    "probe": Shape(50_000, 768, 100, "float32"),
    "imagenet": Shape(1_281_167, 1_024, 1_000, "bfloat16"),
}
SMALL = {"probe": Shape(2_000, 64, 10, "float32"), "imagenet": Shape(5_000, 64, 20, "bfloat16")}
TOLERANCES = {"mnist": 1e-6, "probe": 1e-6, "imagenet": 1e-4}


def main() -> None:
    """Run all parts and print what they measure, one JSON object a line."""
    import torch

    args = _arguments()
    device = torch.device(args.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    ends = time.perf_counter() + args.seconds
    results: dict[str, Any] = {"device": _name(device), "torch": torch.__version__, "small": args.small}
    results["limits"] = _say("limits", _limits(device, args.small))
    for name, problem in _problems(args, device):
        left = ends - time.perf_counter()
        if left < 10:
            results[name] = _say(name, {"left out": f"{left:.0f} s are left"})
            continue
        X, y = problem()
        results[name] = _say(name, _measured(name, X, y, device, results["limits"], ends))
        del X, y
    if args.out is not None:
        args.out.write_text(json.dumps(results, indent=1) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--device", help="such as cuda or cpu; cuda where there is one, if not given")
    parser.add_argument("--data", type=Path, default=os.environ.get("POLYTOME_DATA"), help="where MNIST's files are")
    parser.add_argument("--out", type=Path, help="a JSON file for the results")
    parser.add_argument("--seconds", type=float, default=480.0, help="most seconds of the run")
    parser.add_argument("--small", action="store_true", help="few rows, for a processor")
    return parser.parse_args()


def _say(name: str, found: dict[str, Any]) -> dict[str, Any]:
    print(json.dumps({name: found}), flush=True)
    return found


def _name(device: Any) -> str:
    import torch

    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _wait(device: Any) -> None:
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _seconds(work: Callable[[], object], device: Any, repeats: int = 1) -> float:
    """The best of some calls."""
    found = []
    for _ in range(repeats):
        _wait(device)
        began = time.perf_counter()
        work()
        _wait(device)
        found.append(time.perf_counter() - began)
    return min(found)


def _limits(device: Any, small: bool) -> dict[str, float]:
    """Bytes read in a second by a sum, and operations in a second of products of float32."""
    import torch

    size, side = (2**22, 256) if small else (2**28, _SIDE)
    many, square = torch.ones(size, device=device), torch.ones(side, side, device=device)
    _wait(device)
    many.sum()
    square @ square
    return {
        "bytes_per_second": 4 * size / _seconds(many.sum, device, _REPEATS),
        "operations_per_second": 2 * side**3 / _seconds(lambda: square @ square, device, _REPEATS),
    }


def _problems(args: argparse.Namespace, device: Any) -> list[tuple[str, Callable[[], tuple[Any, Any]]]]:
    shapes = SMALL if args.small else SHAPES
    return [
        ("mnist", lambda: _mnist(args.data, device, args.small)),
        *((name, lambda shape=shape: _made(shape, device)) for name, shape in shapes.items()),
    ]


def _mnist(data: Path | None, device: Any, small: bool) -> tuple[Any, Any]:
    """MNIST's pixels from 0 to 1 in float32, where its files are; else rows of its shape."""
    import torch

    from polytome.errors import PolytomeError
    from polytome.tables.datasets import load_dataset

    try:
        found = load_dataset("mnist", None if data is None else data / "mnist")
    except PolytomeError:
        return _made(Shape(60_000, 784, 10, "float32"), device)
    chosen = slice(0, 2_000 if small else None)
    X = torch.from_numpy(np.divide(found.X[chosen], np.float32(255), dtype=np.float32)).to(device)
    return X, torch.from_numpy(np.asarray(found.y[chosen], dtype=np.int64)).to(device)


def _made(shape: Shape, device: Any) -> tuple[Any, Any]:
    """Rows and labels that follow a softmax regression, made on the device a piece at a time."""
    import torch

    generator = torch.Generator(device=device).manual_seed(0)
    X = torch.empty(shape.rows, shape.columns, dtype=getattr(torch, shape.dtype), device=device)
    y = torch.empty(shape.rows, dtype=torch.int64, device=device)
    W = torch.randn(shape.columns, shape.classes, generator=generator, device=device) * (2 / shape.columns**0.5)
    for start in range(0, shape.rows, 32_768):
        part = slice(start, min(start + 32_768, shape.rows))
        X[part] = torch.randn(part.stop - start, shape.columns, generator=generator, device=device).to(X.dtype)
        noise = torch.rand(part.stop - start, shape.classes, generator=generator, device=device)
        y[part] = (X[part].float() @ W - (-noise.clamp(1e-7, 1 - 1e-7).log()).log()).argmax(dim=1)
    return X, y


def _measured(name: str, X: Any, y: Any, device: Any, limits: dict[str, float], ends: float) -> dict[str, Any]:
    """The fit, its pass beside the bound, and the others, as long as there is time."""
    import torch

    from polytome import LogisticRegression
    from polytome.rows import DeviceMatrix

    tol = TOLERANCES[name]
    found: dict[str, Any] = {"rows": X.shape[0], "columns": X.shape[1], "dtype": str(X.dtype), "tol": tol}
    found["pass"] = _pass(X, y, device, limits)
    stop_at = time.perf_counter() + max(5.0, 0.6 * (ends - time.perf_counter()))
    model = LogisticRegression(tol=tol, callback=lambda progress: time.perf_counter() > stop_at)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        seconds = _seconds(lambda: model.fit(DeviceMatrix(X), y), device)
    found["polytome"] = {
        "seconds": seconds,
        "stop": model.stop_.name,
        "passes": model.history_[-1].passes,
        "objective": model.certificate_.objective,
        "gap": model.certificate_.gap,
    }
    lowest = model.certificate_.objective - model.certificate_.gap
    goal = lowest + 2 * tol * model.certificate_.null_objective
    _, codes = torch.unique(y, return_inverse=True)
    if X.dtype == torch.float32 and time.perf_counter() < ends:
        found["torch.optim.LBFGS"] = _torch_lbfgs(X, codes, goal, min(_PEER_SECONDS, ends - time.perf_counter()))
    if X.dtype == torch.float32 and ends - time.perf_counter() > 10:
        host = X.cpu().numpy(), codes.cpu().numpy()
        found["host"] = _on_host(*host, tol)
        if ends - time.perf_counter() > 2 * _PEER_SECONDS:
            found["scikit-learn"] = _scikit_learn(*host, model.certificate_, tol, _PEER_SECONDS)
    return found


def _pass(X: Any, y: Any, device: Any, limits: dict[str, float]) -> dict[str, float]:
    """Seconds of one pass of value and gradient, beside the larger of two bounds."""
    from polytome.losses import Logistic, Softmax
    from polytome.passes import ValueAndGradient
    from polytome.rows import DeviceMatrix, TensorRows

    codes = y.cpu().numpy()
    n_classes = int(codes.max()) + 1
    loss = Logistic() if n_classes == 2 else Softmax(n_classes)
    rows = TensorRows.of(DeviceMatrix(X), codes, precision=np.float32)
    one = ValueAndGradient(loss, np.full((X.shape[1] + 1, loss.n_outputs), 1e-3))
    rows.reduce(one)
    seconds = _seconds(lambda: rows.reduce(one), device, _REPEATS)
    by_memory = X.numel() * X.element_size() / limits["bytes_per_second"]
    by_operations = 4 * X.numel() * loss.n_outputs / limits["operations_per_second"]
    bound = max(by_memory, by_operations)
    return {"seconds": seconds, "by memory": by_memory, "by operations": by_operations, "times": seconds / bound}


def _torch_lbfgs(X: Any, y: Any, goal: float, limit: float) -> dict[str, Any]:
    """torch's own L-BFGS on the same objective and device, until it is within twice the tolerance,
    or out of time."""
    import torch

    n_classes = int(y.max()) + 1
    W = torch.zeros(X.shape[1], n_classes, device=X.device, requires_grad=True)
    b = torch.zeros(n_classes, device=X.device, requires_grad=True)
    optimiser = torch.optim.LBFGS([W, b], max_iter=20, history_size=30, line_search_fn="strong_wolfe")
    calls = 0

    def objective() -> Any:
        return torch.nn.functional.cross_entropy(X @ W + b, y) + (W * W).sum() / (2 * X.shape[0])

    def closure() -> Any:
        nonlocal calls
        calls += 1
        optimiser.zero_grad()
        value = objective()
        value.backward()
        return value

    began, value = time.perf_counter(), np.inf
    while value > goal and time.perf_counter() - began < limit:
        before = value
        optimiser.step(closure)
        with torch.no_grad():
            value = float(objective())
        if value >= before:
            break
    return {"seconds": time.perf_counter() - began, "passes": calls, "objective": value, "reached": value <= goal}


def _on_host(X: np.ndarray, y: np.ndarray, tol: float) -> dict[str, Any]:
    """The same rows in memory, by compiled code."""
    from polytome import LogisticRegression

    began = time.perf_counter()
    model = LogisticRegression(tol=tol).fit(X, y)
    return {
        "seconds": time.perf_counter() - began,
        "stop": model.stop_.name,
        "objective": model.certificate_.objective,
    }


def _scikit_learn(X: np.ndarray, y: np.ndarray, certificate: Any, tol: float, limit: float) -> dict[str, Any]:
    """scikit-learn's L-BFGS on the host, with as many iterations as there is time for."""
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        began = time.perf_counter()
        LogisticRegression(tol=tol, max_iter=5).fit(X, y)
        each = (time.perf_counter() - began) / 5
        began = time.perf_counter()
        model = LogisticRegression(tol=tol, max_iter=int(np.clip(limit / each, 5, 300))).fit(X, y)
    seconds = time.perf_counter() - began
    scores = X.astype(np.float64) @ model.coef_.T + model.intercept_
    if scores.shape[1] == 1:
        scores = np.hstack([np.zeros_like(scores), scores])
    scores -= scores.max(axis=1, keepdims=True)
    losses = np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(len(y)), y]
    value = float(losses.mean() + (model.coef_**2).sum() / (2 * len(y)))
    above = (value - certificate.objective) / certificate.null_objective
    return {"seconds": seconds, "iterations": int(model.n_iter_[0]), "objective": value, "relative distance": above}


if __name__ == "__main__":
    main()
