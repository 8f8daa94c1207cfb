"""`polytome explain`: what a model file contains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from polytome.cli.fit_words import stop_words
from polytome.cli.options import Json, ModelPath
from polytome.cli.output import make_console, print_json, show_warning
from polytome.cli.show import coefficients_title, model_line, show_certificate, show_coefficients, show_facts

if TYPE_CHECKING:
    from polytome.models.fitted import Fitted

__all__ = ["explain"]

_LISTED = 12


def explain(
    model: ModelPath,
    top: Annotated[
        int, typer.Option(metavar="NUMBER", min=1, help="How many coefficients to show for each class.")
    ] = 5,
    as_json: Json = False,
) -> None:
    """Show a model's objective, its certificate and its largest coefficients.

    An odds ratio is the factor by which the odds of the second class change when
    the feature grows by one unit and the others stay the same. That of a level is
    against the level that the training left out (--reference), if it did.

    \b
    Examples:
      polytome explain iris.safetensors
      polytome explain iris.safetensors --top 10 --json
    """
    import numpy as np

    from polytome.evaluation.explain import (
        feature_names,
        largest_coefficients,
        output_names,
        reference_levels,
    )
    from polytome.files.model_file import load
    from polytome.models.fitted import certificate_of
    from polytome.models.separation import separation_sentence, separation_to_json
    from polytome.report.wording import levels_sentence, terms_sentence

    fitted = load(model)
    coefficients = largest_coefficients(fitted, most=top)
    names, certificate, stop = feature_names(fitted), certificate_of(fitted), vars(fitted).get("stop_")
    classes = output_names(fitted) if fitted.outputs in ("labels", "numbers") else fitted.classes_.tolist()
    if as_json:
        print_json(
            {
                "model": str(model),
                "kind": type(fitted).__name__,
                "objective": None if certificate is None else fitted.objective_.to_json(),
                "certificate": None if certificate is None else certificate.to_json(),
                "stop": None if stop is None else {"name": stop.name, "message": stop.value},
                "separation": separation_to_json(fitted),
                "classes": None if fitted.outputs == "numbers" else classes,
                "features": list(names),
                "reference_levels": reference_levels(fitted),
                "intercept": np.asarray(fitted.intercept_).tolist(),
                "largest_coefficients": [found._asdict() for found in coefficients],
            }
        )
        return
    console = make_console()
    shown = {} if fitted.outputs == "numbers" else {"Classes": _shortened(classes)}
    show_facts(console, {**_facts(fitted), "Features": _shortened(names), **shown})
    if certificate is not None:
        show_certificate(console, certificate)
    if sentence := separation_sentence(fitted):
        show_warning(sentence)
    show_coefficients(
        console, coefficients, coefficients_title(fitted), levels_sentence(fitted), terms_sentence(fitted)
    )


def _facts(model: Fitted) -> dict[str, str]:
    from polytome.models.fitted import certificate_of

    facts = {"Model": model_line(model)}
    if certificate_of(model) is not None:
        facts |= {"Trained on": f"{model.objective_.n_rows:,} rows", "Objective": str(model.objective_)}
    if "stop_" in vars(model):
        facts["Stopped"] = stop_words(model.stop_)
    return facts


def _shortened(values: Any) -> str:
    """The number of values and the first few."""
    shown = ", ".join(str(value) for value in list(values)[:_LISTED])
    return f"{len(values):,}: {shown}{', ...' if len(values) > _LISTED else ''}"
