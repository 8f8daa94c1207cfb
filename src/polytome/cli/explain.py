"""`polytome explain`: what a model file contains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from polytome.cli.options import Json, ModelPath
from polytome.cli.output import make_console, print_json
from polytome.cli.show import show_certificate, show_coefficients, show_facts
from polytome.cli.train import coefficients_title, model_line

if TYPE_CHECKING:
    from polytome.models.fitted import Fitted

__all__ = ["explain"]

_LISTED = 12


def explain(
    model: ModelPath,
    top: Annotated[int, typer.Option(min=1, help="How many coefficients to show for each class.")] = 5,
    as_json: Json = False,
) -> None:
    """Show a model's objective, its certificate and its largest coefficients.

    An odds ratio is the factor by which the odds of the second class change when
    the feature grows by one unit and the others stay the same.

    \b
    Examples:
      polytome explain iris.safetensors
      polytome explain iris.safetensors --top 10 --json
    """
    from polytome.evaluation.explain import feature_names, largest_coefficients
    from polytome.files.model_file import load

    fitted = load(model)
    coefficients = largest_coefficients(fitted, most=top)
    names = feature_names(fitted)
    if as_json:
        print_json(
            {
                "model": str(model),
                "objective": fitted.objective_.to_json(),
                "certificate": fitted.certificate_.to_json(),
                "stop": {"name": fitted.stop_.name, "message": fitted.stop_.value},
                "classes": fitted.classes_.tolist(),
                "features": list(names),
                "intercept": fitted.intercept_.tolist(),
                "largest_coefficients": [found._asdict() for found in coefficients],
            }
        )
        return
    console = make_console()
    show_facts(console, {**_facts(fitted), "Features": _shortened(names), "Classes": _shortened(fitted.classes_)})
    show_certificate(console, fitted.certificate_)
    show_coefficients(console, coefficients, coefficients_title(fitted))


def _facts(model: Fitted) -> dict[str, str]:
    formula = model.objective_
    return {
        "Model": model_line(model),
        "Trained on": f"{formula.n_rows:,} rows",
        "Objective": str(formula),
        "Stopped": model.stop_.value,
    }


def _shortened(values: Any) -> str:
    """The number of values and the first few."""
    shown = ", ".join(str(value) for value in list(values)[:_LISTED])
    return f"{len(values):,}: {shown}{', ...' if len(values) > _LISTED else ''}"
