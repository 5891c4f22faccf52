#!/usr/bin/env python3
"""Judges extraction by itself: outcomes, time, text against poppler, page citations, expected strings, speed.

    extract_eval.py EVAL_DIR CARREL [--only pdf,cuad,tika,files,speed] [--limit N]

EVAL_DIR holds the sets named below, each optional. CARREL is the built binary (or the `extract` example of
carrel-ingest). Needs `pdftotext`, and `pypdfium2` for the comparison of speed.
"""

import argparse
import collections
import json
import pathlib
import re
import statistics
import subprocess
import sys
import time
import unicodedata

SECONDS = 20


def extract(carrel, path):
    """The JSON of one file, and the seconds that it took."""
    is_example = pathlib.Path(carrel).name == "extract"
    command = [carrel, "--workers", str(path)] if is_example else [carrel, "extract", str(path), "--json"]
    started = time.monotonic()
    try:
        result = subprocess.run(command, capture_output=True, timeout=6 * SECONDS)
        seconds = time.monotonic() - started
        return json.loads(result.stdout), seconds
    except (subprocess.TimeoutExpired, json.JSONDecodeError) as error:
        return {"outcome": "none", "detail": type(error).__name__, "blocks": []}, time.monotonic() - started


def texts(document, members=True, hidden=True):
    """The texts of all blocks, those of members included."""
    found = [b["text"] for b in document.get("blocks", []) if hidden or b.get("kind") != "Hidden"]
    if members:
        for member in document.get("members", []):
            found += texts(member)
    return found


def tokens(text):
    return collections.Counter(re.findall(r"\w+", unicodedata.normalize("NFKC", text).lower()))


def f1(ours, theirs):
    common = sum((ours & theirs).values())
    if not ours and not theirs:
        return 1.0
    return 2 * common / (sum(ours.values()) + sum(theirs.values()))


def pdftotext(path):
    try:
        result = subprocess.run(["pdftotext", "-q", str(path), "-"], capture_output=True, timeout=60)
    except subprocess.TimeoutExpired:
        return None
    return result.stdout.decode("utf-8", "replace") if result.returncode == 0 else None


def quantile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def judge_pdf(carrel, paths):
    scores = []
    for path in paths:
        theirs = pdftotext(path)
        if theirs is None or not tokens(theirs):
            continue
        document, seconds = extract(carrel, path)
        ours = tokens("\n".join(texts(document, members=False)))
        scores.append((f1(ours, tokens(theirs)), path.name, document["outcome"], document.get("detail", "")))
    values = [score for score, *_ in scores]
    if values:
        print(f"pdf: token F1 against pdftotext over {len(values)} files: median {statistics.median(values):.4f}, "
              f"10th percentile {quantile(values, 0.1):.4f}, mean {statistics.mean(values):.4f}")
        for score, name, outcome, detail in sorted(scores)[:40]:
            print(f"    {score:.3f} {name}: {outcome} {detail}")


def squeeze(text):
    return "".join(c for c in unicodedata.normalize("NFKC", text) if c.isalnum()).lower()


def judge_cuad(carrel, folder, limit):
    """The share of marked spans whose text is found on the page that the set names."""
    spans = collections.defaultdict(set)
    for line in (folder / "queries.jsonl").read_text().splitlines():
        for relevant in json.loads(line)["relevant"]:
            if relevant.get("pdf") and relevant.get("page"):
                spans[relevant["pdf"]].add((relevant["text"], relevant["page"]))
    right = wrong = missing = 0
    for name in sorted(spans)[:limit]:
        document, _ = extract(carrel, folder / "pdf" / name)
        pages = collections.defaultdict(str)
        for block in document["blocks"]:
            if block.get("page"):
                pages[block["page"]] += squeeze(block["text"])
        for text, page in spans[name]:
            # A span that runs over a page's end begins on the page that is named.
            needle = squeeze(text)
            here = pages.get(page, "")
            joined = here + pages.get(page + 1, "")
            at = joined.find(needle)
            if needle in here or 0 <= at < len(here):
                right += 1
            elif any(needle in other for other in pages.values()):
                wrong += 1
            elif needle[:40] in here:
                right += 1
            else:
                missing += 1
                print(f"    {name} page {page}: {text[:90]!r}")
    total = right + wrong + missing
    if total:
        print(f"cuad: {right} of {total} spans on the right page ({right / total:.4f}), "
              f"{wrong} elsewhere, {missing} not found")


def judge_strings(carrel, folder, limit):
    confirmed = [0, 0]
    others = [0, 0]
    for line in (folder / "expectations.jsonl").read_text().splitlines()[:limit]:
        expected = json.loads(line)
        path = folder / "files" / expected["file"]
        document, _ = extract(carrel, path)
        found = "".join(" ".join(texts(document) + [document.get("title", "")]).split())
        for text, independent in zip(expected["must_contain"], expected["independently_confirmed"]):
            hit = "".join(text.split()) in found
            counts = confirmed if independent else others
            counts[0] += hit
            counts[1] += 1
            if not hit:
                print(f"    {'CONFIRMED ' if independent else ''}{expected['file']}: {text[:60]!r} "
                      f"({document['outcome']} {document.get('detail', '')})")
    print(f"tika: {confirmed[0]} of {confirmed[1]} independently confirmed strings, {others[0]} of {others[1]} others")


def judge_files(carrel, folders, limit):
    for folder in folders:
        outcomes = collections.Counter()
        slow = []
        for path in sorted(p for p in (folder / "files").rglob("*") if p.is_file())[:limit]:
            document, seconds = extract(carrel, path)
            outcomes[document["outcome"]] += 1
            if seconds > SECONDS:
                slow.append((round(seconds, 1), path.name))
            if document["outcome"] in ("none", "failed", "unsupported"):
                print(f"    {path.name}: {document['outcome']} {document.get('detail', '')}")
        print(f"{folder.name}: {dict(outcomes)}; over {SECONDS} s: {slow}")


PDFIUM = """
import sys, time, pypdfium2
started, size = time.monotonic(), 0
for path in sys.argv[1:]:
    pdf = pypdfium2.PdfDocument(path)
    for page in pdf:
        size += len(page.get_textpage().get_text_bounded())
print(f"{time.monotonic() - started:.3f} s, {size} characters")
"""


def judge_speed(carrel, paths):
    paths = [str(path) for path in paths]
    theirs = subprocess.run([sys.executable, "-c", PDFIUM, *paths], capture_output=True, text=True)
    print(f"speed: pypdfium2 {theirs.stdout.strip() or theirs.stderr.strip()[-200:]}")
    if pathlib.Path(carrel).name == "extract":
        for flags in (["--quiet"], ["--workers", "--quiet"]):
            ours = subprocess.run([carrel, *flags, *paths], capture_output=True, text=True)
            print(f"speed: carrel {' '.join(flags)}: {ours.stdout.strip()}")
    else:
        started = time.monotonic()
        for path in paths:
            extract(carrel, path)
        print(f"speed: carrel, one process a file: {time.monotonic() - started:.3f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("eval", type=pathlib.Path)
    parser.add_argument("carrel")
    parser.add_argument("--only", default="pdf,cuad,tika,files,speed")
    parser.add_argument("--limit", type=int)
    arguments = parser.parse_args()
    only = arguments.only.split(",")
    sets = {name: arguments.eval / name for name in
            ("cuad", "docugami_10q", "extract_pdfjs", "extract_tika", "extract_poi", "extract_email")}
    for name, folder in list(sets.items()):
        if not folder.is_dir():
            print(f"{folder}: missing, left out")
            del sets[name]
    pdfs = {name: sorted(folder.rglob("*.pdf"))[:arguments.limit] for name, folder in sets.items()}
    if "pdf" in only:
        for name in ("extract_pdfjs", "extract_tika", "cuad", "docugami_10q"):
            if pdfs.get(name):
                print(name)
                judge_pdf(arguments.carrel, pdfs[name])
    if "cuad" in only and "cuad" in sets:
        judge_cuad(arguments.carrel, sets["cuad"], arguments.limit)
    if "tika" in only and "extract_tika" in sets:
        judge_strings(arguments.carrel, sets["extract_tika"], arguments.limit)
    if "files" in only:
        judge_files(arguments.carrel, [f for n, f in sets.items() if n.startswith("extract_")], arguments.limit)
    if "speed" in only:
        judge_speed(arguments.carrel, pdfs.get("cuad", []) + pdfs.get("docugami_10q", []))


if __name__ == "__main__":
    main()
