"""The problems: a data set, its labels as codes, and the strength C of its penalty.

A problem is made once from the files in the data folder and stored as plain arrays, so that a measured process loads
it without parsing, and its memory before the fit is the data and nothing else.
"""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from polytome import load_dataset, read_table

TABLES: dict[str, tuple[str, dict[str, str]]] = {
    "adult": ("adult/adult-train.csv", {"target": "last", "missing": "mean"}),
    "a9a": ("a9a/a9a", {}),
    "letter": ("letter/letter.scale", {}),
    "sector": ("sector/sector.scale.bz2", {}),
    "kdd99": ("kdd99/kddcup.data_10_percent.gz", {"target": "last"}),
    "singh": ("singh/ma_singh.npz", {}),
}
NAMES = (
    *("iris", "digits", "wine", "breast-cancer", "adult", "a9a", "letter"),
    *("sector", "newsgroups", "kdd99", "singh", "mnist"),
)


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

    def sample(self, n_rows: int) -> Problem:
        """The same problem of some rows, drawn at random."""
        chosen = np.sort(np.random.default_rng(0).permutation(len(self.y))[:n_rows])
        return replace(self, X=self.X[chosen], y=_codes(self.y[chosen]))


def make(name: str, data: Path | None) -> Problem:
    """The problem of that name, from the data folder where it does not come with scikit-learn."""
    if name not in ("iris", "digits", "wine", "breast-cancer") and data is None:
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
    """Write the problem as plain arrays."""
    folder.mkdir(parents=True)
    facts = {"name": problem.name, "C": problem.C, "scale": problem.scale, "shape": problem.X.shape}
    Path(folder, "facts.json").write_text(json.dumps(facts))
    np.save(folder / "y.npy", problem.y)
    if sparse.issparse(problem.X):
        for part in ("data", "indices", "indptr"):
            np.save(folder / f"{part}.npy", getattr(problem.X, part))
    else:
        np.save(folder / "X.npy", problem.X)


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
