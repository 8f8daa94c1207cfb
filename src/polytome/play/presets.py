"""Demonstrations for a class, each a link that sets up everything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

__all__ = ["PRESETS", "Preset", "link"]


@dataclass(frozen=True)
class Preset:
    """One demonstration.

    Attributes:
        title: a few words.
        hint: what to look at.
        settings: what differs from the defaults of `polytome.play.settings.Settings`.
        view: how it is shown: which parameters, a logarithmic scale, the speed.
    """

    title: str
    hint: str
    settings: dict[str, Any]
    view: dict[str, Any]


PRESETS = (
    Preset(
        "Logistic regression",
        "Virginica against the other two species of Iris: the line turns and the loss falls, with a proof of how far.",
        {"data": "iris", "loss": "logistic", "rate": 0.3, "penalty": 0.01},
        {"across": 0, "upwards": 1, "speed": 10},
    ),
    Preset(
        "A line finds its place",
        "Four areas and prices, one weight and one bias: the whole loss is a bowl, and every step goes downhill.",
        {"data": "houses", "loss": "adaline", "rate": 0.02},
        {"across": 0, "upwards": 1, "speed": 5},
    ),
    Preset(
        "Too large a rate",
        "Just above 2/L every step leaps across the valley and lands higher than before. Try 0.07 instead.",
        {"data": "houses", "loss": "adaline", "rate": 0.0735},
        {"across": 0, "upwards": 1, "speed": 5},
    ),
    Preset(
        "Zigzag on unscaled features",
        "Sepals of five centimetres make a long narrow valley. Standardise the columns and watch the path again.",
        {
            "data": "iris",
            "features": ["sepal length (cm)", "sepal width (cm)"],
            "classes": ["setosa", "versicolor"],
            "loss": "adaline",
            "rate": 0.045,
        },
        {"across": 0, "upwards": 1, "held": "optimal", "speed": 10},
    ),
    Preset(
        "Noise and averaging",
        "Steps on one point at a time never come to rest; their average does (dashed).",
        {
            "data": "blobs",
            "groups": 2,
            "spread": 1.6,
            "seed": 1,
            "loss": "logistic",
            "way": "stochastic",
            "rate": 0.3,
            "penalty": 0.05,
        },
        {"across": 0, "upwards": 1, "speed": 30},
    ),
    Preset(
        "The perceptron never settles",
        "Versicolor and virginica overlap: whatever it has learned, the next error changes the line again.",
        {
            "data": "iris",
            "classes": ["versicolor", "virginica"],
            "loss": "perceptron",
            "way": "stochastic",
            "rate": 1.0,
        },
        {"across": 0, "upwards": 1, "speed": 30},
    ),
    Preset(
        "Newton in a few steps",
        "It uses the curvature, so the unscaled valley takes a few steps, where gradient descent takes thousands.",
        {
            "data": "iris",
            "features": ["sepal length (cm)", "sepal width (cm)"],
            "classes": ["versicolor", "virginica"],
            "loss": "logistic",
            "way": "newton",
            "penalty": 0.001,
        },
        {"across": 0, "upwards": 1, "log": True, "speed": 1},
    ),
    Preset(
        "Softmax",
        "Three species share one model: the scores compete, and the lines between the classes meet in a point.",
        {"data": "iris", "loss": "softmax", "way": "lbfgs", "penalty": 0.001},
        {"across": 0, "upwards": 3, "speed": 2},
    ),
    Preset(
        "One against the rest",
        "The same flowers with one model for each species. Compare the region in the middle with that of softmax.",
        {"data": "iris", "loss": "one-vs-rest", "way": "lbfgs", "penalty": 0.001},
        {"across": 0, "upwards": 3, "speed": 2},
    ),
    Preset(
        "A step computed by hand",
        "Six petals, a rate of 0.1, two outputs: the first step is the one that the lesson on softmax computes.",
        {
            "data": "six-petals-again",
            "loss": "softmax",
            "way": "stochastic",
            "shuffle": False,
            "rate": 0.1,
            "start": "0.2, -0.1, 0.1, 0.05",
        },
        {"across": 0, "upwards": 1, "speed": 1},
    ),
    Preset(
        "XOR: no line can separate it",
        "Whatever the start, descent ends where every point has the probability one half.",
        {"data": "xor", "loss": "logistic", "rate": 1.0, "start": "random", "seed": 3},
        {"across": 0, "upwards": 1, "speed": 10},
    ),
)
"""What the page offers, in the order to show it; the page opens with the first."""


def link(preset: Preset) -> str:
    """The query that sets up a preset.

    Example:
        >>> link(PRESETS[0])
        '?data=iris&loss=logistic&rate=0.3&penalty=0.01&across=0&upwards=1&speed=10'
    """
    return "?" + urlencode({**preset.settings, **preset.view}, doseq=True)
