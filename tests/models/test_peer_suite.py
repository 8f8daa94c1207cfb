"""scikit-learn's own tests of its LogisticRegression, with ours behind the constructor: which fail,
and why.

The tests are those of the installed package. The list below is of one version; others are skipped.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

import pytest
import sklearn

VERSION = "1.9"
SUITE = "sklearn.linear_model.tests.test_logistic"

HARNESS = """
import importlib.util
import inspect
import re

import sklearn.linear_model

from polytome import LogisticRegression as Ours


class LogisticRegression(Ours):
    # scikit-learn's signature and defaults; its tests read them with get_params.
    def __init__(
        self, penalty="deprecated", *, C=1.0, l1_ratio=0.0, dual=False, tol=1e-4, fit_intercept=True,
        intercept_scaling=1, class_weight=None, random_state=None, solver="lbfgs", max_iter=100, verbose=0,
        warm_start=False, n_jobs=None,
    ):
        settings = {name: value for name, value in locals().items() if name not in ("self", "__class__")}
        super().__init__(**settings)


theirs, sklearn.linear_model.LogisticRegression = sklearn.linear_model.LogisticRegression, LogisticRegression
spec = importlib.util.find_spec("sklearn.linear_model.tests.test_logistic")
suite = importlib.util.module_from_spec(spec)
spec.loader.exec_module(suite)
sklearn.linear_model.LogisticRegression = theirs
globals().update({name: value for name, value in vars(suite).items() if name.startswith("pytestmark")})
for name, value in vars(suite).items():
    # The others try what is theirs alone: their cross-validation, and functions that it is made of.
    if name.startswith("test_") and re.search(r"\\bLogisticRegression\\b", inspect.getsource(value)):
        globals()[name] = value
"""
SEED = """
import pytest


@pytest.fixture
def global_random_seed():
    return 42
"""

OTHER_LIMITS = "demands a refusal of what works here"
OTHER_WORDS = "demands a warning about what is no fault here"
INEXACT = "compares with a result of scikit-learn that is itself inexact at its tolerance"
TASKS = "counts tasks of scikit-learn's own L-BFGS"
DIGITS = "demands more digits than `tol` promises: the certificate bounds the objective, not the coefficients"
NAN = "demands scikit-learn's words for NaN"
INSIDE = "looks inside scikit-learn's class, or at its random numbers and iteration counts"
KNOWN = {
    r"test_check_solver_option\[LogisticRegression\]": OTHER_LIMITS,
    r"test_large_sparse_matrix\[.*-(liblinear|sag|saga)\]": OTHER_LIMITS,
    r"test_liblinear_with_large_values": OTHER_LIMITS,
    r"test_penalty_deprecated\[LogisticRegression\]": OTHER_WORDS,
    r"test_l1_ratio_None_deprecated": OTHER_WORDS,
    r"test_l1_ratio_non_elasticnet": OTHER_WORDS,
    r"test_lr_penalty_l1ratio_incompatible\[l1-0.0\]": OTHER_WORDS,
    r"test_logisticregression_warns_with_n_jobs": OTHER_WORDS,
    r"test_logistic_regression_callback_support_warning": OTHER_WORDS,
    r"test_logistic_cv\[(True|False)\]": INEXACT,
    r"test_scores_attribute_layout_elasticnet": INEXACT,
    r"test_logistic_cv_multinomial_score\[neg_log_loss-.*": INEXACT,
    r"test_logistic_regression_callback_support\[0\]": TASKS,
    r"test_logistic_regression_solvers": DIGITS,
    r"test_nan": NAN,
    r"test_logreg_predict_proba_multinomial": INSIDE,
    r"test_liblinear_dual_random_state": INSIDE,
    r"test_newton_cholesky_fallback_to_lbfgs": INSIDE,
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bool]:
    """For each test that ran whether it passed."""
    if not sklearn.__version__.startswith(f"{VERSION}."):
        pytest.skip(f"the list is of scikit-learn {VERSION}, installed is {sklearn.__version__}")
    if find_spec(SUITE) is None:
        pytest.skip("this scikit-learn was installed without its tests")
    folder: Path = tmp_path_factory.mktemp("suite")
    (folder / "test_theirs.py").write_text(HARNESS)
    (folder / "conftest.py").write_text(SEED)
    (folder / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-q", "--tb=no", "--junitxml=found.xml"]
    command += ["-p", "no:cacheprovider", "-p", "no:schemathesis"]
    # One thread: scikit-learn's many small fits would wait for BLAS threads that fight for the
    # cores.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode in (0, 1), ran.stdout + ran.stderr
    found = {}
    for case in ElementTree.parse(folder / "found.xml").iter("testcase"):
        kinds = {child.tag for child in case}
        if "skipped" not in kinds:
            found[case.attrib["name"]] = not kinds & {"failure", "error"}
    return found


def known(name: str) -> bool:
    return any(re.fullmatch(pattern, name) for pattern in KNOWN)


def test_what_fails_is_known_and_has_its_reason(outcomes: dict[str, bool]) -> None:
    assert [name for name, passed in outcomes.items() if not passed and not known(name)] == []


def test_what_is_known_to_fail_fails(outcomes: dict[str, bool]) -> None:
    assert [name for name, passed in outcomes.items() if passed and known(name)] == []
    failed = [name for name, passed in outcomes.items() if not passed]
    assert [pattern for pattern in KNOWN if not any(re.fullmatch(pattern, name) for name in failed)] == []


def test_the_page_states_the_figure(outcomes: dict[str, bool]) -> None:
    page = Path(__file__).parents[2] / "docs" / "howto-from-scikit-learn.md"
    figures = f"{sum(outcomes.values())} of {len(outcomes)}"
    assert figures in page.read_text(encoding="utf-8"), figures
