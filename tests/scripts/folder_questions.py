#!/usr/bin/env python3
"""Writes `tests/eval/folder/queries.jsonl` from `questions.tsv` beside it.

    folder_questions.py
    carrel eval tests/eval/folder --answers

The folder holds letters, records, procedures and minutes in four languages, as a person keeps them, and plain questions to
them: each with words that a right answer or its evidence holds, or `-` where no document answers it. Every place of a
document that holds the words counts as relevant.
"""
import json
import pathlib

FOLDER = pathlib.Path(__file__).parent.parent / "eval" / "folder"


def main():
    documents = {path.name: path.read_text(encoding="utf-8") for path in sorted((FOLDER / "docs").iterdir())}
    lines = []
    for number, line in enumerate(FOLDER.joinpath("questions.tsv").read_text(encoding="utf-8").splitlines(), 1):
        question, words = line.split("\t")
        case = {"id": f"folder-{number}", "question": question, "answerable": words != "-", "relevant": []}
        if case["answerable"]:
            case["answers"] = [words]
            for name, text in documents.items():
                start = text.find(words)
                while start >= 0:
                    end = start + len(words)
                    case["relevant"].append({"doc": name, "text": words, "start": start, "end": end})
                    start = text.find(words, end)
            if not case["relevant"]:
                raise SystemExit(f"no document says {words!r}: {question}")
        lines.append(json.dumps(case, ensure_ascii=False) + "\n")
    FOLDER.joinpath("queries.jsonl").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
