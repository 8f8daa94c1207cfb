"""Rows in memory moved to a device, where torch computes with them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from polytome.errors import ArgumentError, DataError, MissingExtraError
from polytome.rows.torch import csr_tensor

__all__ = ["DEVICES", "OnDevice", "check_device", "moved_to"]

DEVICES = ("cpu", "cuda", "mps")


@dataclass(frozen=True, eq=False)
class OnDevice:
    """Rows on a device.

    Attributes:
        X: a torch tensor there; a CSR tensor of sparse rows.
        name: what the device is called.
        n_bytes: what the rows take.
        free_bytes: what there was for them; None where that is not known, or the device shares the
            machine's memory.
        seconds: of moving them.
        dtype: of the entries there, such as "float32".
    """

    X: Any
    name: str
    n_bytes: int
    free_bytes: int | None
    seconds: float
    dtype: str


def check_device(device: str) -> None:
    """Refuse, before any work, a device that cannot compute here.

    Args:
        device: one of `DEVICES`.

    Raises:
        ArgumentError: it is another name, or torch finds no such device.
        MissingExtraError: torch is not installed.
    """
    if device not in DEVICES:
        raise ArgumentError(f"device={device!r}: needs one of {', '.join(DEVICES)}")
    torch = _torch()
    if not {"cpu": lambda: True, "cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}[device]():
        others = "; a build of torch for this machine's graphics card may be missing" if device == "cuda" else ""
        raise ArgumentError(f"device={device!r}: torch {torch.__version__} finds none on this machine{others}")


def moved_to(X: Any, device: str) -> OnDevice:
    """Rows on a device, and what it took to move them.

    `mps` has no float64, so that such rows are float32 there.

    Args:
        X: an array, or a SciPy matrix.
        device: one of `DEVICES`, which can compute here.

    Raises:
        DataError: the rows do not fit there.
        DataTypeError: they are of numbers that torch does not have.
    """
    torch = _torch()
    host = _as_tensor(X)
    if device == "mps" and host.dtype == torch.float64:
        host = host.to(torch.float32)
    parts = (host,) if host.layout == torch.strided else (host.values(), host.col_indices(), host.crow_indices())
    n_bytes = sum(part.numel() * part.element_size() for part in parts)
    free = int(torch.cuda.mem_get_info()[0]) if device == "cuda" else None
    if free is not None and n_bytes > free:
        raise DataError(
            f"the rows take {n_bytes / 1e9:,.3g} GB, and {free / 1e9:,.3g} GB of {device} are free; give fewer rows, "
            "or entries of float32"
        )
    began = time.perf_counter()
    there = host.to(device)
    if device != "cpu":
        getattr(torch, device).synchronize()
    name = f"cuda ({torch.cuda.get_device_name()})" if device == "cuda" else device
    dtype = str(there.dtype).removeprefix("torch.")
    return OnDevice(there, name, n_bytes, free, time.perf_counter() - began, dtype)


def _as_tensor(X: Any) -> Any:
    """The rows as a tensor on the host, which shares their memory where it can."""
    torch = _torch()
    if sparse.issparse(X):
        rows: Any = X.tocsr()  # type: ignore[attr-defined]
        bounds, columns, values = map(torch.from_numpy, (rows.indptr, rows.indices, rows.data))
        return csr_tensor(bounds, columns, values, rows.shape)
    return torch.from_numpy(np.require(X, requirements=["W", "A"]))


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError(
            'what a fit takes on a device is measured by torch, which is not installed: pip install "polytome[torch]"'
        ) from error
    return torch
