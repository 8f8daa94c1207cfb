"""The options that correct probabilities, which several commands share."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polytome.cli.output import show_notes
from polytome.cli.show import show_facts, show_table

if TYPE_CHECKING:
    from rich.console import Console

    from polytome.evaluation.intervals import Estimate
    from polytome.evaluation.recalibration import Recalibration

__all__ = ["Correction", "Prior", "Recalibrate", "show_calibration"]

Recalibrate = Annotated[
    str | None,
    typer.Option(
        "--recalibrate",
        metavar="METHOD",
        show_default=False,
        help="Correct the probabilities by held-out rows: temperature divides all scores by one number; isotonic "
        "learns a table for each class, from some thousand rows.",
    ),
]
Prior = Annotated[
    list[str] | None,
    typer.Option(
        "--prior",
        metavar="CLASS=SHARE",
        show_default=False,
        help="Correct the probabilities for rows among which classes have other shares than in training, such as "
        "yes=0.02 (of two classes one is enough); or training, which takes class weights back.",
    ),
]
_SHARE = re.compile(r"(?P<name>.+?)=(?P<number>[^=,]*),", re.DOTALL)


@dataclass(frozen=True)
class Correction:
    """How probabilities are to be corrected, as the options say it.

    Attributes:
        recalibrate: of `--recalibrate`.
        prior: of `--prior`.
    """

    recalibrate: Recalibrate = None
    prior: Prior = None

    @property
    def is_asked(self) -> bool:
        """Whether any option is given."""
        return self.recalibrate is not None or bool(self.prior)

    def check(self, has_class_weights: bool = True) -> None:
        """Refuse, before any work, what cannot be used."""
        from polytome.errors import ArgumentError

        if self.recalibrate is not None and self.prior:
            raise ArgumentError(
                "--recalibrate, --prior: rows with the shares that are expected would correct both; give one of them"
            )
        if self.recalibrate not in (None, "temperature", "isotonic"):
            raise ArgumentError(f"--recalibrate {self.recalibrate}: needs temperature or isotonic")
        if self._shares() == "training" and not has_class_weights:
            raise ArgumentError(
                "--prior training: takes class weights back, and there are none; give the share of each class"
            )

    def check_classes(self, classes: Any) -> None:
        """Refuse, before a fit, shares of classes that there are not."""
        from polytome.evaluation.recalibration import checked_shares

        shares = self._shares()
        if isinstance(shares, dict):
            labels = [str(label) for label in classes]
            checked_shares(shares, labels, "--prior")

    def _shares(self) -> dict[str, float] | str | None:
        """What `--prior` says; a comma in the name of a class is part of it."""
        if not self.prior:
            return None
        if self.prior == ["training"]:
            return "training"
        found: dict[str, float] = {}
        for text in self.prior:
            rest = f"{text},"
            while rest:
                match = _SHARE.match(rest)
                try:
                    number = float(match["number"]) if match else None
                except ValueError:
                    number = None
                if match is None or number is None or match["name"] in found:
                    raise typer.BadParameter(
                        f"{text!r} is neither training nor CLASS=SHARE for different classes, such as yes=0.02",
                        param_hint="'--prior'",
                    )
                found[match["name"]], rest = number, rest[match.end() :]
        return found

    def correct(self, model: Any, X: Any, y: Any, weight: Any, name: str) -> Recalibration | None:
        """Give a model the correction that is asked for; what it is worth, where it is learned from
        rows.

        Args:
            model: fitted.
            X: held-out rows, for `--recalibrate`.
            y: their labels.
            weight: of each; None for equal ones.
            name: where they come from.
        """
        from polytome.evaluation.recalibration import corrected_prior, recalibrate

        shares = self._shares()
        if shares is not None:
            if isinstance(shares, dict):
                labels = {str(label): label for label in model.classes_.tolist()}
                self.check_classes(labels)
                shares = {labels[name]: share for name, share in shares.items()}
            model.calibration_ = corrected_prior(model, shares)  # type: ignore[arg-type]  # one text alone
            return None
        if self.recalibrate is None:
            return None
        found = recalibrate(model, X, y, method=self.recalibrate, sample_weight=weight, name=name)  # type: ignore[arg-type]
        model.calibration_ = found.calibration
        return found


def show_calibration(console: Console, model: Any, found: Recalibration | None) -> None:
    """Print how a model's probabilities are corrected, and what that is worth."""
    from polytome.evaluation.recalibration import class_weight_sentence
    from polytome.models.calibration import calibration_of

    if (calibration := calibration_of(model)) is not None:
        show_facts(console, {"Calibration": calibration.sentence(model.classes_.tolist())})
    if sentence := class_weight_sentence(model):
        show_notes([f"{sentence}; --prior training corrects them"])
    if found is None:
        return
    gain = found.log_loss_gain
    rows = [
        ("log loss, nats", *_told(found.log_loss_before), *_told(found.log_loss_after)),
        ("calibration error", *_told(found.calibration_error_before), *_told(found.calibration_error_after)),
    ]
    title = "The correction, judged on parts of the rows that it was not learned from"
    show_table(console, title, ("", "before", "95 % interval", "after", "95 % interval"), rows)
    verdict = "that is better" if found.helps else "that may be noise"
    if gain.high < 0:
        verdict = "that is worse: leave the probabilities as they are"
    console.print(
        f"The log loss falls by {gain.value:.4f} ({gain.low:.4f} to {gain.high:.4f}): {verdict}. Below are the rows "
        "that it was learned from, on which a model looks a little better than on new ones.",
        soft_wrap=True,
    )


def _told(estimate: Estimate) -> tuple[str, str]:
    if estimate.low != estimate.low:
        return f"{estimate.value:.4f}", ""
    return f"{estimate.value:.4f}", f"{estimate.low:.4f} to {estimate.high:.4f}"
