"""What errors of faces say: mean, median, failures and AUC with intervals; whether one model is better than another.

Errors (N,) are means over the points of each face, fractions of its normaliser; NaN for a face that was missed. Missed
faces are not in means and medians, and count as failures.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from facelandmarks.evaluation import metrics

Errors = NDArray[np.float64]
# Thresholds of failures and of the area under the curve, fractions of the normaliser.
THRESHOLDS = (0.08, 0.10)
STATISTICS = ("mean", "median", "failures_08", "failures_10", "auc_08", "auc_10")
LEVEL = 0.95


def json_number(value: float) -> float | None:
    """Round off the last bits, in which machines differ; None for NaN and infinity, which JSON does not have."""
    return round(float(value), 6) if np.isfinite(value) else None


def from_json(errors: list[float | None]) -> Errors:
    """Return the errors of a report as an array, NaN for None."""
    return np.array([np.nan if error is None else error for error in errors], np.float64)


def statistics_of(errors: Errors) -> Errors:
    """Return the numbers of `STATISTICS` (6,); NaN where no face was found."""
    found = errors[~np.isnan(errors)]
    middle = (found.mean(), np.median(found)) if found.size else (np.nan, np.nan)
    shares = [share(errors, limit) for share in (metrics.failure_rate, metrics.auc) for limit in THRESHOLDS]
    return np.array([*middle, *shares])


def summarize(errors: Errors) -> dict[str, Any]:
    """Return how many faces there are and were missed, and each statistic with its 95 % bootstrap interval.

    `{"faces": 3, "missed": 0, "mean": {"value": 0.04, "interval": [0.03, 0.05]}, ..}`; the interval is None for fewer
    than two faces, and the value where it is not a number.
    """
    values, intervals = statistics_of(errors), np.full((2, len(STATISTICS)), np.nan)
    if len(errors) > 1:
        intervals = np.array(metrics.bootstrap_interval(lambda drawn: statistics_of(errors[drawn]), len(errors)))
    numbers = {
        name: {"value": json_number(value), "interval": _ends(ends)}
        for name, value, ends in zip(STATISTICS, values, intervals.T, strict=True)
    }
    return {"faces": len(errors), "missed": int(np.isnan(errors).sum()), **numbers}


def compare_errors(first: Errors, second: Errors) -> dict[str, Any]:
    """Compare two models on the same N faces, at least two, by a paired bootstrap.

    `difference` is the mean of second - first over the faces that both found, negative if the second is better;
    `wins` the share of all faces on which the second is better, where a missed face is the worst and a tie half a win.
    Both with 95 % intervals. `better` is `"second"` or `"first"` if the interval of the difference excludes 0, else
    None.
    """
    both = ~np.isnan(first) & ~np.isnan(second)
    differences = np.where(both, second - first, np.nan)
    worst_last = [np.nan_to_num(errors, nan=np.inf) for errors in (first, second)]
    wins = np.where(worst_last[1] == worst_last[0], 0.5, worst_last[1] < worst_last[0])

    def means(drawn: NDArray[np.intp]) -> Errors:
        chosen = differences[drawn][both[drawn]]
        return np.array([chosen.mean() if chosen.size else np.nan, wins[drawn].mean()])

    values, ends = means(np.arange(len(first))), np.array(metrics.bootstrap_interval(means, len(first))).T
    low, high = ends[0]
    return {
        "faces": len(first),
        "both": int(both.sum()),
        "missed": [int(np.isnan(errors).sum()) for errors in (first, second)],
        "means": [json_number(errors[both].mean()) if both.any() else None for errors in (first, second)],
        "difference": {"value": json_number(values[0]), "interval": _ends(ends[0])},
        "wins": {"value": json_number(values[1]), "interval": _ends(ends[1])},
        "better": "second" if high < 0 else "first" if low > 0 else None,
    }


def _ends(ends: Errors) -> list[float | None] | None:
    return [json_number(end) for end in ends] if np.isfinite(ends).all() else None
