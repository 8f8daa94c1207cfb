"""Fits that are made to be difficult: no certificate claims more than ball arithmetic shows to be
true.

POLYTOME_FUZZ_SECONDS=120 goes on for so long with cases that nobody has seen, and prints their
first number.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("flint", reason="python-flint is absent")

from refuter import KINDS, WITH_REST, Truth, examine, judge, make_case, problem_of

FIXED = 7  # cases of each kind; `.ci/run` goes on for two minutes with fresh ones
FEWER = {"sparse groups": 4, "bounds of models": 4}  # of mixtures of other kinds
pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGPROF"), reason="no alarm to end a fit that hangs")
FALSE = {
    *("false proof", "beyond tol", "coefficient bound too small"),
    *("certified though it does not hold", "objective off", "not finite"),
}
SECONDS = float(os.environ.get("POLYTOME_FUZZ_SECONDS", "0"))


def _complaints(truth: Truth) -> list[str]:
    # Where unpenalised columns tell some classes apart, balls have no bound of their own: only
    # lower values refute.
    can_decide = not (truth.case.kind in ("penalty_weights", *WITH_REST) and problem_of(truth.case).free)
    return [str(truth)] if truth.faults or ("undecided" in truth.notes and can_decide) else []


@pytest.mark.parametrize("kind", KINDS)
def test_no_certificate_claims_too_much(kind: str) -> None:
    complaints = [
        text for number in range(FEWER.get(kind, FIXED)) for text in _complaints(examine(make_case(kind, number)))
    ]
    assert not complaints, "\n".join(complaints)


@pytest.mark.skipif(SECONDS == 0, reason="POLYTOME_FUZZ_SECONDS is not set")
def test_no_certificate_of_fresh_cases_claims_too_much(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing false is let through; what is merely loose, slow or undecided is counted and said."""
    number = first = int(np.random.SeedSequence().generate_state(1)[0])
    complaints, others, until = [], Counter[str](), time.monotonic() + SECONDS
    while time.monotonic() < until:
        for kind in KINDS:
            truth = examine(make_case(kind, number))
            others.update(text.partition(":")[0] for text in [*truth.faults, *truth.notes])
            complaints += [str(truth)] if FALSE & set(truth.faults) else []
        number += 1
    with capsys.disabled():
        fits = f"{(number - first) * len(KINDS):,} fresh fits"
        print(f"\n{fits}, cases {first} to {number - 1} of every kind: {dict(others)}")
    assert not complaints, "\n".join(complaints)


def _faults_of(truth: Truth, **changes: float) -> list[str]:
    """What is wrong with the fit of a case, were its certificate another one."""
    certificate = truth.model.certificate_
    truth.faults, truth.model.certificate_ = [], replace(certificate, **changes)
    judge(truth, problem_of(truth.case))
    truth.model.certificate_ = certificate
    return truth.faults


@pytest.mark.parametrize("kind", ["mild", "collinear", "strengths"])
def test_the_refuter_finds_certificates_that_claim_too_much(kind: str) -> None:
    too_small = 0
    for number in range(8):
        truth = examine(make_case(kind, number))
        true = truth.model.certificate_
        too_small += "false proof" in _faults_of(truth, gap=true.gap * 1e-12)
        assert "objective off" in _faults_of(truth, objective=true.objective * 1.001 + true.gap)
        assert "null objective off" in _faults_of(truth, null_objective=true.null_objective * 1.001)
        assert "strength off" in _faults_of(truth, strength=true.strength * 1.001)
    assert too_small > 4  # a true gap may be looser still


def test_what_overflows_in_the_certificate_of_an_imported_model_is_no_warning() -> None:
    truth = examine(make_case("offsets", 20262105))
    assert truth.case.model == "imported"
    assert truth.faults == []
