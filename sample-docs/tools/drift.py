"""Estimates the drift of a pressure gauge from its checks against a tide staff."""

import csv
import statistics
import sys
from datetime import date

# Above this drift, in millimetres a year, a gauge goes back to the workshop.
RECALL_LIMIT_MM = 8.0


def read_checks(path):
    """Pairs of (days since the first check, gauge minus staff in millimetres)."""
    with open(path, newline="") as file:
        rows = [(date.fromisoformat(r["date"]), float(r["gauge_mm"]) - float(r["staff_mm"])) for r in csv.DictReader(file)]
    first = min(day for day, _ in rows)
    return [((day - first).days, difference) for day, difference in rows]


def drift_per_year(checks):
    """Theil-Sen slope: the median of the slopes between all pairs, so that one bad reading does no harm."""
    slopes = [(b - a) / (later - earlier) for earlier, a in checks for later, b in checks if later > earlier]
    return statistics.median(slopes) * 365.25


def needs_recall(checks):
    return abs(drift_per_year(checks)) > RECALL_LIMIT_MM


if __name__ == "__main__":
    checks = read_checks(sys.argv[1])
    print(f"{drift_per_year(checks):.1f} mm a year", "RECALL" if needs_recall(checks) else "ok")
