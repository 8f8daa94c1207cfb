"""What a notebook shows below scikit-learn's diagram of a fitted model."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from polytome.models.fitted import certificate_of
from polytome.models.separation import separation_sentence
from polytome.report.facts import training_facts

if TYPE_CHECKING:
    from polytome.models.fitted import Fitted

__all__ = ["summary"]

_CELL = 'style="text-align: left; vertical-align: top; padding: 0.2em 1em 0.2em 0"'


def summary(model: Fitted) -> str:
    """Objective, certificate and reason to stop as a small HTML table; empty before the model is
    fitted.

    Example:
        >>> from polytome.models.logistic import LogisticRegression
        >>> summary(LogisticRegression())
        ''
        >>> "Certificate" in summary(LogisticRegression().fit([[0.0], [1.0], [2.0]], ["no", "yes", "yes"]))
        True
    """
    if (certificate := certificate_of(model)) is not None:
        facts = {
            "Objective": str(model.objective_),
            "Certificate": str(certificate),
            "Stopped": model.stop_.value.replace("`", ""),
            "Solver": str(model.solver_),
        }
        if sentence := separation_sentence(model):
            facts["Separation"] = sentence
    elif {"rank_", "losses_", "state_"} & vars(model).keys():
        facts = dict(training_facts(model))
    else:
        return ""
    rows = "".join(
        f'<tr><th scope="row" {_CELL}>{name}</th><td {_CELL}>{escape(text)}</td></tr>' for name, text in facts.items()
    )
    return f'<table style="margin-top: 0.5em"><tbody>{rows}</tbody></table>'
