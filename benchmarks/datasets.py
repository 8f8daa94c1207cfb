"""The problems: a data set, its labels as codes, and the strength C of its penalty.

A problem is made once, from the files in the data folder or from random numbers, and stored as
plain arrays, so that a measured process loads it without parsing, and its memory before the fit is
the data and nothing else.
"""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from polytome import load_dataset, read_table

TABLES: dict[str, tuple[str, dict[str, str]]] = {
    "a9a": ("a9a/a9a", {}),
    "letter": ("letter/letter.scale", {}),
    "sector": ("sector/sector.scale.bz2", {}),
    "kdd99": ("kdd99/kddcup.data_10_percent.gz", {"target": "last"}),
    "singh": ("singh/ma_singh.npz", {}),
}
BUNDLED = ("iris", "digits")  # they come with scikit-learn


@dataclass(frozen=True)
class Problem:
    """What is fitted: `X / scale`, the class codes `y`, and C."""

    name: str
    X: Any
    y: np.ndarray
    C: float = 1.0
    scale: float = 1.0

    @property
    def n_classes(self) -> int:
        return int(self.y.max()) + 1

    @property
    def input_bytes(self) -> int:
        parts = (self.X.data, self.X.indices, self.X.indptr) if sparse.issparse(self.X) else (self.X,)
        return sum(part.nbytes for part in parts)


def prepared(name: str, data: Path | None, work: Path) -> Path:
    """The folder in which the problem is stored, which is made first if it is not there yet."""
    folder = work / name
    if not folder.exists():
        store(make(name, data), folder)
    return folder


def make(name: str, data: Path | None) -> Problem:
    """The problem of that name, from the data folder unless it is drawn at random or comes with
    scikit-learn."""
    if name in RANDOM:
        return RANDOM[name]()
    if name not in BUNDLED and data is None:
        raise SystemExit(f"{name} needs the data folder: name it with --data DIR or POLYTOME_DATA")
    if name in TABLES:
        file, options = TABLES[name]
        table = read_table(data / file, **options)
        full = sparse.issparse(table.X) and table.X.nnz == np.prod(table.X.shape)  # letter: a sparse file without zeros
        return Problem(name, table.X.toarray() if full else table.X, _codes(table.y))
    if name == "newsgroups":
        return _newsgroups(data / "newsgroups20/20news-bydate.tar.gz")
    dataset = load_dataset(name, data)
    if name == "mnist":
        return Problem(name, dataset.X, _codes(dataset.y), scale=255.0)
    return Problem(name, dataset.X.astype(np.float64), _codes(dataset.y))


def store(problem: Problem, folder: Path) -> None:
    """Write the problem as plain arrays, under another name until all are written."""
    unfinished = folder.with_name(folder.name + ".unfinished")
    unfinished.mkdir(parents=True, exist_ok=True)
    facts = {"name": problem.name, "C": problem.C, "scale": problem.scale, "shape": problem.X.shape}
    Path(unfinished, "facts.json").write_text(json.dumps(facts))
    np.save(unfinished / "y.npy", problem.y)
    if sparse.issparse(problem.X):
        for part in ("data", "indices", "indptr"):
            np.save(unfinished / f"{part}.npy", getattr(problem.X, part))
    else:
        np.save(unfinished / "X.npy", problem.X)
    unfinished.rename(folder)


def restore(folder: Path) -> Problem:
    """Read the arrays that `store` wrote."""
    facts = json.loads(Path(folder, "facts.json").read_text())
    shape = tuple(facts.pop("shape"))
    X: Any
    if Path(folder, "X.npy").exists():
        X = np.load(folder / "X.npy")
    else:
        X = sparse.csr_array(
            tuple(np.load(folder / f"{part}.npy") for part in ("data", "indices", "indptr")), shape=shape
        )
    return Problem(X=X, y=np.load(folder / "y.npy"), **facts)


def _codes(labels: np.ndarray) -> np.ndarray:
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def _newsgroups(archive: Path) -> Problem:
    """Tf-idf of the posts of the training part, headers included."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    posts, groups = [], []
    with tarfile.open(archive) as tar:
        for member in tar:
            parts = Path(member.name).parts
            if member.isfile() and "20news-bydate-train" in parts:
                posts.append(tar.extractfile(member).read().decode("latin-1"))
                groups.append(parts[-2])
    return Problem(
        "newsgroups", sparse.csr_array(TfidfVectorizer().fit_transform(posts)), _codes(np.array(groups)), C=10
    )


def tall() -> Problem:
    """Two classes, 500,000 rows, 30 columns whose scales go from 0.01 to 1000."""
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((500_000, 30))
    w = rng.standard_normal(30) / 5
    y = (rng.random(500_000) < 1 / (1 + np.exp(-Z @ w - 0.3))).astype(np.int64)
    return Problem("tall", Z * np.logspace(-2, 3, 30), y)


def probe() -> Problem:
    """Like the embeddings of a network: 50,000 rows, 768 columns in float16, a few of which carry
    much, 100 classes.

    All is computed in float64, so that rounding to float16 gives the same bits with every BLAS.
    """
    rng = np.random.default_rng(0)
    means = 0.35 * rng.standard_normal((100, 768))
    y = rng.integers(0, 100, 50_000)
    spectrum = 1 / np.sqrt(1 + np.arange(768) / 8)
    turn = np.linalg.qr(rng.standard_normal((768, 768)))[0]
    X = ((rng.standard_normal((50_000, 768)) + means[y]) * spectrum) @ turn
    return Problem("probe", X.astype(np.float16), y)


def gaussian(n_rows: int, n_features: int, n_classes: int) -> Problem:
    """Classes as overlapping clouds of float32 points, so that no two of them can be separated: for
    scaling."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, n_classes, n_rows)
    y[:n_classes] = np.arange(n_classes)
    means = rng.standard_normal((n_classes, n_features)).astype(np.float32) * np.float32(2 / np.sqrt(n_features))
    X = rng.standard_normal((n_rows, n_features), dtype=np.float32) + means[y]
    return Problem(f"gaussian-{n_rows}-{n_features}-{n_classes}", X, y)


RANDOM = {"tall": tall, "probe": probe}
