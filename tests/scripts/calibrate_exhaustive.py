#!/usr/bin/env python3
"""Fits the constants of carrel-generate's exhaustive verdict and prints how well they hold.

    carrel eval SET --exhaustive --each --json > report.json
    calibrate_exhaustive.py report.json ... [--cut C]

Each question in turn is left out, the constants are fitted on the others, and recall and precision over all left-out
verdicts are printed for several cuts; then the constants for all, for the cut of --cut. Needs numpy.
"""
import argparse
import json

import numpy as np

FAMILIAR = 10
SIGNS = ["near", "states", "answers"]


def questions(paths):
    for path in paths:
        for question in json.load(open(path))["questions"]:
            signs = np.array([[row[sign] for sign in SIGNS] for row in question["each"]])
            yield question["category"], signs, np.array([row["right"] for row in question["each"]])


def scales(signs):
    """Mean and deviation over documents of all kinds: each question counts alike."""
    return np.mean([s.mean(0) for s in signs], 0), np.mean([s.std(0) for s in signs], 0)


def features(signs, mean, deviation):
    count = len(signs) + FAMILIAR
    own = (FAMILIAR * mean + signs.sum(0)) / count
    spread = np.sqrt((FAMILIAR * deviation**2 + ((signs - own) ** 2).sum(0)) / count)
    return np.hstack([(signs - mean) / deviation, (signs - own) / spread, np.ones((len(signs), 1))])


def fit(x, y):
    """Logistic regression by Newton's method, with a penalty on all weights but the bias."""
    weights, penalty = np.zeros(x.shape[1]), np.full(x.shape[1], 3.0)
    penalty[-1] = 0.1
    for _ in range(100):
        p = 1 / (1 + np.exp(-x @ weights))
        gradient = x.T @ (p - y) + penalty * weights
        weights -= np.linalg.solve((x.T * (p * (1 - p))) @ x + np.diag(penalty), gradient)
    return weights


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reports", nargs="+")
    parser.add_argument("--cut", type=float, default=0.4)
    args = parser.parse_args()
    data = list(questions(args.reports))
    verdicts = []
    for left in range(len(data)):
        others = [row for at, row in enumerate(data) if at != left]
        mean, deviation = scales([signs for _, signs, _ in others])
        x = np.vstack([features(signs, mean, deviation) for _, signs, _ in others])
        weights = fit(x, np.hstack([right for _, _, right in others]))
        name, signs, right = data[left]
        verdicts.append((name, 1 / (1 + np.exp(-features(signs, mean, deviation) @ weights)), right))
    for cut in np.arange(0.25, 0.61, 0.05):
        found = sum((p >= cut).sum() for _, p, _ in verdicts)
        both = sum(((p >= cut) & right).sum() for _, p, right in verdicts)
        right = sum(right.sum() for _, _, right in verdicts)
        print(f"left out, cut {cut:.2f}: recall {both / right:.3f} precision {both / max(found, 1):.3f}")
    for name, p, right in verdicts:
        found, both = (p >= args.cut).sum(), ((p >= args.cut) & right).sum()
        print(f"{name:<36} right {right.sum():>3} found {found:>3} right of these {both:>3}")
    mean, deviation = scales([signs for _, signs, _ in data])
    x = np.vstack([features(signs, mean, deviation) for _, signs, _ in data])
    weights = fit(x, np.hstack([right for _, _, right in data]))
    for at, sign in enumerate(SIGNS):
        print(f"{sign}: mean {mean[at]:.3f} deviation {deviation[at]:.3f} absolute {weights[at]:.2f} compared {weights[3 + at]:.2f}")
    # The verdict is taken at one half.
    print(f"bias {weights[-1] - np.log(args.cut / (1 - args.cut)):.2f}")


main()
