"""The shapes of data that are raced over: the problem, how close to the minimum, ours, and the
peers that apply.

Peers are listed with the fastest first, as far as known: the time that they need sets how long the
others may take.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from benchmarks.methods import OURS, Method

# The loosest tolerance of a ladder, in the terms of each solver: of a gap, of the largest entry of
# the gradient of the mean loss, of a change of coefficients.
_LOOSEST = {"sag": 1e-1, "saga": 1e-1, "liblinear": 1e-1, "newton-cholesky": 1e-1}
_LOOSEST_OF = {OURS: 1e-1, "adelie": 1e-5, "statsmodels": None, "scikit-learn-intelex": 100.0}  # of the sum of losses


def loosest(method: Method) -> float | None:
    """The tolerance of a method's first rung: its own if it has one; None where it cannot be
    set."""
    if method.tol is not None or method.library in _LOOSEST_OF:
        return method.tol or _LOOSEST_OF[method.library]
    return _LOOSEST.get(method.solver or "", 1e-2)


@dataclass(frozen=True)
class Shape:
    """One race.

    Attributes:
        name: what it is called in the tables and in references.json.
        problem: the data, a name that `datasets.make` knows.
        about: what it is, in a few words.
        targets: relative suboptimalities that count, loose to tight.
        peers: what ours is compared with.
        ours: Polytome, given X in one form or in several; ratios are those of the first.
        reduction: "one-vs-rest" or "one-vs-one"; None for one model of all classes.
    """

    name: str
    problem: str
    about: str
    targets: tuple[float, ...]
    peers: tuple[Method, ...]
    ours: tuple[Method, ...] = (Method(OURS),)
    reduction: str | None = None


def _each(
    library: str,
    *solvers: str | None,
    dtypes: Iterable[str | None] = (None,),
    layout: str | None = None,
    tol: float | None = None,
) -> tuple[Method, ...]:
    """The solvers of a library, each with each type of number; `tol` where much looser ones are
    known to be no use."""
    return tuple(Method(library, solver, tol, dtype, layout) for solver in solvers for dtype in dtypes)


_SKLEARN = "scikit-learn"
_INTELEX = "scikit-learn-intelex"
_EVERY = ("newton-cholesky", "newton-cg", "lbfgs", "sag", "saga")
_NUMBERS = ("float32", "float64")
_IN_PROCESSES = tuple(
    Method(_SKLEARN, solver, n_jobs=count) for solver in ("newton-cg", "lbfgs") for count in (None, 2)
)


def _of_models(name: str, reduction: str, about: str, peers: tuple[Method, ...]) -> Shape:
    """A race of many binary models."""
    reduced = tuple(replace(peer, reduction=reduction) for peer in peers)
    ours = (Method(OURS, reduction=reduction),)
    return Shape(f"{name} {reduction}", name, about, (1e-4,), reduced, ours, reduction)


SHAPES = {
    shape.name: shape
    for shape in (
        Shape(
            "iris",
            "iris",
            "flowers",
            (1e-6,),
            (
                *_each(_SKLEARN, *_EVERY),
                *_each(_INTELEX, "lbfgs"),
                *_each("PyTorch", "lbfgs"),
                *_each("adelie", None, layout="columns"),
            ),
        ),
        Shape(
            "digits",
            "digits",
            "small images",
            (1e-6,),
            (*_each(_SKLEARN, *_EVERY[1:], _EVERY[0]), *_each(_INTELEX, "lbfgs"), *_each("PyTorch", "lbfgs")),
        ),
        Shape(
            "a9a",
            "a9a",
            "binary columns, sparse",
            (1e-6,),
            (
                *_each(_SKLEARN, "newton-cholesky", "newton-cg", "lbfgs", "liblinear", "sag", "saga"),
                *_each(_SKLEARN, "newton-cholesky", "lbfgs", layout="dense"),
                *_each("glum", "irls-ls"),
                *_each(_INTELEX, "lbfgs", layout="dense"),
                *_each("PyTorch", "lbfgs", layout="dense"),
                *_each("statsmodels", "bfgs", layout="dense"),
                *_each("adelie", None, layout="columns"),
            ),
        ),
        Shape(
            "letter",
            "letter",
            "features of printed letters",
            (1e-6,),
            (
                *_each(_SKLEARN, "newton-cg", "newton-cholesky", "lbfgs", "sag", "saga"),
                *_each(_INTELEX, "lbfgs"),
                *_each("PyTorch", "lbfgs"),
            ),
        ),
        Shape(
            "singh",
            "singh",
            "gene expression, few rows",
            (1e-4,),
            (
                *_each(_SKLEARN, "liblinear", "newton-cg", "lbfgs", "sag", "saga"),
                *_each("glum", "lbfgs"),
                *_each(_INTELEX, "lbfgs"),
                *_each("PyTorch", "lbfgs"),
                *_each("adelie", None, layout="columns"),
            ),
        ),
        Shape(
            "tall",
            "tall",
            "synthetic, columns with scales from 0.01 to 1000",
            (1e-4, 1e-8),
            (
                *_each(_SKLEARN, "newton-cholesky"),
                *_each("glum", "irls-ls"),
                *_each(_SKLEARN, "newton-cg", "lbfgs", "liblinear", "sag", "saga"),
                *_each(_INTELEX, "lbfgs"),
                *_each("PyTorch", "lbfgs"),
                *_each("statsmodels", "bfgs"),
                *_each("adelie", None, layout="columns"),
            ),
        ),
        Shape(
            "newsgroups",
            "newsgroups",
            "tf-idf of news posts, sparse, C = 10",
            (1e-4,),
            (
                *_each(_SKLEARN, "newton-cg", tol=1e-4),
                *_each(_SKLEARN, "saga", "sag"),
                *_each(_SKLEARN, "lbfgs", tol=1e-4),
                *_each("PyTorch", "lbfgs", dtypes=_NUMBERS, tol=1e-4),
            ),
        ),
        Shape(
            "sector",
            "sector",
            "tf-idf of company pages, sparse",
            (1e-4,),
            (
                *_each(_SKLEARN, "newton-cg", "lbfgs", tol=1e-3),
                *_each(_SKLEARN, "saga", "sag"),
                *_each("PyTorch", "lbfgs", dtypes=_NUMBERS, tol=1e-4),
            ),
        ),
        Shape(
            "mnist",
            "mnist",
            "images of digits: bytes for Polytome, pixels / 255 for the others",
            (1e-4, 1e-6),
            (
                *_each(_SKLEARN, "newton-cg", dtypes=_NUMBERS, tol=1e-4),
                *_each(_INTELEX, "lbfgs", dtypes=_NUMBERS, tol=10.0),
                *_each(_SKLEARN, "lbfgs", dtypes=_NUMBERS, tol=1e-4),
                *_each(_SKLEARN, "sag", "saga", dtypes=("float32",), tol=1e-2),
                *_each("PyTorch", "lbfgs", dtypes=_NUMBERS, tol=1e-4),
            ),
            (Method(OURS), Method(OURS, dtype="float32")),
        ),
        Shape(
            "probe",
            "probe",
            "a linear probe of synthetic embeddings: float16 for Polytome",
            (1e-4,),
            (
                *_each(_SKLEARN, "newton-cg", "lbfgs", dtypes=("float32",), tol=1e-3),
                *_each(_INTELEX, "lbfgs", dtypes=("float32",)),
                *_each("PyTorch", "lbfgs", dtypes=_NUMBERS, tol=1e-3),
                *_each(_SKLEARN, "lbfgs", dtypes=("float64",), tol=1e-3),
                *_each(_SKLEARN, "sag", "saga", dtypes=("float32",)),
            ),
            (Method(OURS), Method(OURS, dtype="float32")),
        ),
        Shape(
            "kdd99",
            "kdd99",
            "network connections, one-hot, columns as they are",
            (1e-4,),
            (
                *_each(_SKLEARN, "newton-cg", "lbfgs", tol=1.0),
                *_each(_INTELEX, "lbfgs"),
                *_each("PyTorch", "lbfgs", tol=1.0),
                *_each(_SKLEARN, "sag", "saga"),
            ),
            (Method(OURS, tol=1e-3),),
        ),
    )
}
MODELS = {
    shape.name: shape
    for shape in (
        _of_models("letter", "one-vs-one", "each pair of letters", _IN_PROCESSES),
        _of_models("newsgroups", "one-vs-rest", "each group against the others", _IN_PROCESSES),
        _of_models(
            "mnist",
            "one-vs-rest",
            "each digit against the others",
            tuple(Method(_SKLEARN, peer.solver, dtype="float32", n_jobs=peer.n_jobs) for peer in _IN_PROCESSES),
        ),
    )
}
