"""Forks, threads that a process leaves behind at its end, and interpreters beside the first one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# What polytome imports takes a process a second and more, so each program runs its cases one after
# the other in children that are forked before there is anything of polytome.
CASES = """
import os, sys
import numpy, scipy.linalg, scipy.optimize, scipy.sparse, scipy.special, sklearn.base, sklearn.preprocessing
for case in sys.argv[1:]:
    child = os.fork()
    if child == 0:
        break
    print(case, "ends with", os.waitpid(child, 0)[1])
else:
    sys.exit()
solver, *rest = case.split()
"""

DATA = """
import signal, threading, time, warnings
import numpy as np
from polytome import LogisticRegression

warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
X = rng.normal(size=(20_000, 30))
y = (X @ rng.normal(size=(30, 4)) + rng.gumbel(size=(20_000, 4))).argmax(axis=1)
"""

FORKS = """
ends, goes_on = threading.Event(), threading.Event()
goes_on.set()
def fits():
    while not ends.is_set():
        goes_on.wait()
        LogisticRegression(solver=solver, max_iter=10).fit(X, y)
threads = [threading.Thread(target=fits) for _ in range(2)]
for thread in threads:
    thread.start()
model = LogisticRegression().fit(X[:2000], y[:2000])
for turn in range(8):
    time.sleep(0.02 + 0.017 * turn % 0.05)
    child = os.fork()
    if child == 0:
        signal.alarm(120)
        again = LogisticRegression().fit(X[:2000], y[:2000])
        os._exit(0 if again.coef_.tobytes() == model.coef_.tobytes() else 3)
    goes_on.clear()  # what disturbs is the fork in the midst of fits; the child has the processors afterwards
    print(os.waitpid(child, 0)[1])
    goes_on.set()
ends.set()
for thread in threads:
    thread.join()
"""

LEFT_BEHIND = """
model = LogisticRegression(max_iter=5).fit(X[:2000], y[:2000])
def works():
    while True:
        model.predict_proba(X) if solver == "predict" else LogisticRegression(solver=solver).fit(X, y)
for _ in range(3):
    threading.Thread(target=works, daemon=True).start()
time.sleep(float(rest[0]))
print("the end")
"""

LATE = """
import atexit
def late():
    print(LogisticRegression().fit(X[:2000], y[:2000]).certificate_.holds)
atexit.register(late)
"""


def output(program: str, *cases: str, **variables: str) -> str:
    command = [sys.executable, "-u", "-c", CASES + DATA + program, *cases]
    run = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, timeout=600)
    assert (run.returncode, run.stderr) == (0, "")
    return run.stdout


forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


@forks
@pytest.mark.parametrize("native", ["1", "0"])
def test_a_process_forked_while_other_threads_fit_fits(native: str) -> None:
    cases = ["auto", "lbfgs"]
    wanted = [line for case in cases for line in ["0"] * 8 + [f"{case} ends with 0"]]
    assert output(FORKS, *cases, POLYTOME_NATIVE=native, POLYTOME_NUM_THREADS="2").splitlines() == wanted


@forks
@pytest.mark.parametrize("native", ["1", "0"])
def test_a_process_ends_while_its_daemon_threads_work(native: str) -> None:
    cases = ["predict 0.05", "lbfgs 0.05", "lbfgs 0.33", "newton 0.33"]
    wanted = [line for case in cases for line in ("the end", f"{case} ends with 0")]
    assert output(LEFT_BEHIND, *cases, POLYTOME_NATIVE=native, POLYTOME_NUM_THREADS="2").splitlines() == wanted


@forks
def test_a_fit_at_the_end_of_the_interpreter_has_its_result() -> None:
    assert output(LATE, "at its end", POLYTOME_NUM_THREADS="2").splitlines() == ["True", "at its end ends with 0"]


@pytest.mark.parametrize("statement", ["import polytome", "from polytome import native", "from polytome import load"])
def test_a_subinterpreter_is_told_so(statement: str, tmp_path: Path) -> None:
    told = tmp_path / "told"
    inside = f"try:\n    {statement}\nexcept ImportError as error:\n    open({str(told)!r}, 'w').write(str(error))\n"
    outside = (
        "try:\n    import _interpreters as interpreters\nexcept ImportError:\n"
        f"    import _xxsubinterpreters as interpreters\ninterpreters.run_string(interpreters.create(), {inside!r})"
    )
    run = subprocess.run([sys.executable, "-c", outside], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    assert "polytome cannot be used in a subinterpreter" in told.read_text()
