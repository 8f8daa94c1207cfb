"""Memory is planned: forecasts are above what a fit takes, and fits that cannot fit are refused
before they begin."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from polytome import LogisticRegression, MultilabelLogistic, OneVsOne, OneVsRest
from polytome.errors import DataError
from polytome.losses import IndependentSigmoids, Logistic, Softmax
from polytome.objective import Objective
from polytome.penalties import L2
from polytome.rows import as_rows
from polytome.solvers import (
    LBFGS,
    Choice,
    DistinctRows,
    DualCoordinateAscent,
    GradientDescent,
    Newton,
    RowSpace,
    Solver,
    TemperedNewton,
    memory,
)
from polytome.solvers.memory import available_memory, forecast, planned_solver

SOLVERS = [
    LBFGS(),
    Newton(),
    Newton(sample=1000),
    TemperedNewton(),
    DualCoordinateAscent(),
    RowSpace(Newton()),
    DistinctRows(LBFGS(then=TemperedNewton())),
    GradientDescent(),
]


def shaped(n: int, d: int, K: int) -> Objective:
    """An objective of a given shape, from a matrix without entries."""
    return Objective(Softmax(K), L2(1.0), as_rows(sparse.csr_array((n, d)), np.arange(n) % K, n_threads=2))


def have(monkeypatch: pytest.MonkeyPatch, available: int | None) -> None:
    """Pretend that there is so much memory, and that every fit is large enough to ask."""
    monkeypatch.setattr(memory, "available_memory", lambda: available)
    monkeypatch.setattr(memory, "_BYTES_ALWAYS_THERE", 0)


@pytest.mark.parametrize("solver", SOLVERS, ids=str)
def test_more_rows_columns_or_classes_never_need_less(solver: Solver) -> None:
    needed = forecast(shaped(1_000, 300, 4), solver)
    for larger in (shaped(4_000, 300, 4), shaped(1_000, 1_200, 4), shaped(1_000, 300, 16)):
        assert forecast(larger, solver) > needed


def test_the_parts_that_rule() -> None:
    wide, square = shaped(2_000, 50_000, 20), shaped(2_000, 900, 10)
    pairs = 8 * 2 * wide.size
    assert forecast(wide, LBFGS(memory=7)) - forecast(wide, LBFGS(memory=3)) == 4 * pairs
    assert forecast(wide, LBFGS(memory=500)) - forecast(wide, LBFGS(memory=3)) <= 2**28  # no more than 256 MiB of pairs
    assert forecast(square, Newton()) > 4 * 8 * square.hessian_entries
    assert forecast(square, LBFGS(then=Newton())) > forecast(square, Newton())
    separable = Objective(IndependentSigmoids(10), L2(1.0), square.rows)
    assert forecast(separable, Newton()) < forecast(square, Newton()) / 5
    assert forecast(wide, DualCoordinateAscent(then=None)) < forecast(wide, DualCoordinateAscent())


# What is imported takes a process two seconds, so each fit is made in a child of one that has it
# all.
PEAK = """
import gc, os, sys
from pathlib import Path
import numpy as np
from polytome import LogisticRegression
from polytome.solvers import memory

def kilobytes(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))

seen = []
def spied(objective, solver, forecast=memory.forecast):
    seen.append(forecast(objective, solver))
    return seen[-1]

memory.forecast = spied
for case in sys.argv[1:]:
    if (child := os.fork()) == 0:
        break
    os.waitpid(child, 0)
else:
    sys.exit()
n, d, K = map(int, case.split()[:3])
solver = case.split()[3]
rng = np.random.default_rng(0)
LogisticRegression().fit(np.eye(3), [0, 1, 2])
X, y = rng.normal(size=(n, d)), rng.integers(K, size=n)
gc.collect()
Path("/proc/self/clear_refs").write_text("5")
before = kilobytes("VmRSS")
LogisticRegression(C=1e-2, solver=solver).fit(X, y)
print(case, seen[-1] / 1024, kilobytes("VmHWM") - before, sep=":")
"""
FITS = ["20000 300 5 lbfgs", "20000 100 12 newton", "3000 350 6 newton", "400 6000 3 auto"]
"""Rows, columns, classes and the solver."""


@pytest.fixture(scope="module")
def peaks() -> dict[str, tuple[float, float]]:
    """What each fit was to take, and took, in KiB."""
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("the kernel keeps no record of the peak")
    said = subprocess.run([sys.executable, "-c", PEAK, *FITS], capture_output=True, text=True, check=True).stdout
    lines = (line.split(":") for line in said.splitlines())
    return {case: (float(foreseen), float(taken)) for case, foreseen, taken in lines}


@pytest.mark.parametrize("case", FITS)
def test_a_fit_takes_no_more_than_its_forecast_and_no_tiny_part_of_it(
    case: str, peaks: dict[str, tuple[float, float]]
) -> None:
    foreseen, taken = peaks[case]
    assert taken <= foreseen <= 4 * taken


def test_auto_takes_a_solver_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    objective = shaped(30_000, 60, 10)
    chosen = planned_solver("auto", objective)
    assert isinstance(chosen.solver, LBFGS)
    assert chosen.solver.then is not None
    have(monkeypatch, forecast(objective, LBFGS()))
    frugal = planned_solver("auto", objective)
    assert frugal.solver == LBFGS()
    assert "LBFGS would need" in frugal.reason
    have(monkeypatch, None)
    assert planned_solver("auto", objective) == chosen


@pytest.mark.parametrize(
    ("make", "labels"),
    [
        (LogisticRegression, np.arange(200) % 4),
        (OneVsRest, np.arange(200) % 4),
        (OneVsOne, np.arange(200) % 4),
        (MultilabelLogistic, np.eye(4, dtype=int)[np.arange(200) % 4]),
    ],
)
def test_every_classifier_refuses_before_it_begins(
    make: type, labels: np.ndarray, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    X = rng.normal(size=(200, 60))
    seen: list[object] = []
    have(monkeypatch, 1_000_000)
    with pytest.raises(
        DataError, match=r"60 columns and \d outputs .*would need .* MB, 1 MB are available.*fewer columns"
    ):
        make(callback=seen.append).fit(X, labels)
    assert not seen
    have(monkeypatch, 10**12)
    assert make(callback=seen.append).fit(X, labels).certificate_.holds
    assert seen


def test_a_named_solver_is_refused_with_one_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    objective = shaped(2_000, 900, 10)
    have(monkeypatch, forecast(objective, LBFGS()))
    with pytest.raises(DataError, match=r"by Newton would need .* use solver='auto' or LBFGS\("):
        planned_solver("newton", objective)
    assert planned_solver("lbfgs", objective).solver == LBFGS()


def test_dual_steps_go_without_their_successor_where_only_they_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    objective = shaped(2_000, 50_000, 20)
    have(monkeypatch, forecast(objective, DualCoordinateAscent(then=None)))
    with pytest.raises(DataError, match=r"DualCoordinateAscent\(then=None"):
        planned_solver("dual", objective)


LIMITED = """
import resource
import numpy as np
from polytome import LogisticRegression
from polytome.errors import DataError
from polytome.solvers.memory import available_memory

X, y = np.random.default_rng(0).normal(size=(3_000, 600)), np.arange(3_000) % 10
LogisticRegression().fit(X[:30, :2], y[:30])
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 700_000_000, resource.RLIM_INFINITY))
assert 600_000_000 < available_memory() <= 700_000_000
try:
    LogisticRegression(solver="newton").fit(X, y)
except DataError as error:
    print(error)
assert LogisticRegression().fit(X, y).certificate_.holds
"""


@pytest.mark.skipif(sys.platform != "linux", reason="address space is counted on Linux")
def test_a_limit_of_the_address_space_is_seen() -> None:
    run = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "600 columns and 10 outputs by Newton would need" in run.stdout
    assert "use solver='auto' or LBFGS(" in run.stdout


def test_limits_of_control_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "/proc/meminfo": "MemTotal: 9000 kB\nMemAvailable: 8000 kB\n",
        "/proc/self/cgroup": "5:cpu,memory:/jobs/7\n0::/user/session\n",
        "/sys/fs/cgroup/memory.max": "max\n",
        "/sys/fs/cgroup/user/memory.max": "5000000\n",
        "/sys/fs/cgroup/user/memory.current": "2000000\n",
        "/sys/fs/cgroup/user/memory.stat": "anon 1\ninactive_file 500000\n",
        "/sys/fs/cgroup/memory/jobs/7/memory.limit_in_bytes": "4000000\n",
        "/sys/fs/cgroup/memory/jobs/7/memory.usage_in_bytes": "1000000\n",
    }
    monkeypatch.setattr(memory, "_text", lambda path: files.get(Path(path).as_posix(), ""))
    assert available_memory() == 3_000_000
    files["/proc/meminfo"] = "MemAvailable: 2000 kB\n"
    assert available_memory() == 2_048_000
    files["/sys/fs/cgroup/user/memory.max"] = "2200000\n"
    assert available_memory() == 700_000
    files["/sys/fs/cgroup/user/memory.max"] = "1000000\n"  # the limit was lowered below what is in use
    assert available_memory() == 0


def test_a_choice_survives_copies_and_says_why() -> None:
    model = LogisticRegression().fit(np.eye(3), [0, 1, 2])
    assert str(model.solver_) == f"{model.solver_.solver}: {model.solver_.reason}"
    assert "12 coefficients, 3 rows" in model.solver_.reason
    assert pickle.loads(pickle.dumps(model)).solver_ == copy.deepcopy(model).solver_ == model.solver_
    assert not hasattr(clone(model), "solver_")
    named = LogisticRegression(solver="lbfgs").fit(np.eye(3), [0, 1, 2])
    assert named.solver_ == Choice(LBFGS(), "solver='lbfgs' was asked for")
    given = LogisticRegression(solver=LBFGS(memory=4)).fit(np.eye(3), [0, 1, 2])
    assert given.solver_ == Choice(LBFGS(memory=4), "given with its settings")


def test_the_reason_says_what_took_over(rng: np.random.Generator) -> None:
    X = rng.normal(size=(400, 5))
    y = (X[:, 0] > 0).astype(int)
    model = LogisticRegression(C=1e4, tol=1e-9, solver=LBFGS(then=Newton(), then_after=2)).fit(X, y)
    assert model.solver_.reason == "given with its settings; Newton took over at iteration 2"
    nested = LBFGS(then=LBFGS(then=Newton(), then_after=2), then_after=2)
    model = LogisticRegression(C=1e4, tol=1e-9, solver=nested).fit(X, y)
    assert model.solver_.reason.endswith("LBFGS took over at iteration 2; Newton took over at iteration 4")
    with pytest.warns(ConvergenceWarning, match="bring no more progress"):
        exact = LogisticRegression(tol=1e-17, solver="lbfgs").fit(X.astype(np.float32), rng.permutation(y))
    assert "; float64 took over at iteration " in exact.solver_.reason
    assert forecast(Objective(Logistic(), L2(1.0), as_rows(X, y)), LBFGS()) > 0
