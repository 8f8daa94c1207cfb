"""What is printed of a bound is no smaller than the bound."""

from decimal import Decimal

import numpy as np
import pytest

from polytome import LogisticRegression
from polytome.numerics.outward import rounded_up
from polytome.report.wording import bound, certificate_sentence, prediction_sentences


def test_a_bound_is_rounded_up_by_less_than_its_last_digit():
    rng = np.random.default_rng(5)
    for value in 10 ** rng.uniform(-300, 300, 2000) * rng.choice([-1, 1], 2000):
        digits = int(rng.integers(1, 8))
        shown = Decimal(f"{rounded_up(value, digits):.{digits - 1}e}")  # the text, and so exactly what is read
        assert Decimal(value) <= shown or np.isclose(float(shown), value, rtol=4e-16)
        assert float(shown) - value <= abs(value) * 10.0 ** (1 - digits) * (1 + 1e-9)
    assert rounded_up(np.inf) == np.inf


@pytest.mark.parametrize("tol", 10.0 ** -np.arange(1, 12))
def test_numbers_in_sentences_are_proved_as_they_are_printed(tol):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(60, 3))
    model = LogisticRegression(tol=float(tol), solver="lbfgs").fit(X, (X[:, 0] > rng.normal(size=60)).astype(int))
    certificate = model.certificate_
    sentence = certificate_sentence(model)
    assert f"by more than {bound(certificate.gap)} nats" in sentence
    assert float(bound(certificate.gap).replace(",", "")) >= certificate.gap
    (distance,) = [told for told in prediction_sentences(model, None, None) if "within a distance" in told]
    assert float(distance.split("distance of ")[1].split()[0].replace(",", "")) >= certificate.coefficient_bound
    (average,) = [told for told in prediction_sentences(model, None, None) if "total variation" in told]
    assert float(average.split("at most ")[1].split()[0]) / 100 >= min(1, np.sqrt(certificate.gap / 2))
