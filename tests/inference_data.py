"""A table that the tests of statistics share."""

from __future__ import annotations

import numpy as np
import pandas as pd


def people(n: int = 120, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": rng.integers(20, 70, n),
            "wage": rng.lognormal(3, 0.5, n),
            "town": rng.choice(["north", "south", "west"], n),
            "member": rng.random(n) < 0.4,
            "group": rng.integers(0, 9, n),
            "count": rng.integers(1, 4, n),
        }
    )
    scores = frame["age"] / 20 + (frame["town"] == "south") - frame["member"] + rng.logistic(size=n)
    frame["vote"] = np.where(scores < 2, "no", np.where(scores < 3.5, "yes", "blank"))
    return frame
