#!/usr/bin/env python3
"""Makes a folder of many files of all kinds, to measure reading with: every text is another one.

    make_folder.py FOLDER [COUNT]

The sentences are those of the sample documents, drawn and changed by a seeded generator. Needs nothing but Python.
"""

import csv
import io
import json
import random
import re
import sys
import zipfile
from email.message import EmailMessage
from pathlib import Path

SAMPLES = Path(__file__).resolve().parent / "samples"
KINDS = ["pdf", "docx", "txt", "md", "html", "eml", "xlsx", "csv", "rtf", "odt", "pptx", "epub", "json", "ipynb", "py", "zip"]


def sentences():
    found = []
    for path in sorted(SAMPLES.rglob("*")):
        if path.suffix in {".md", ".txt"}:
            text = re.sub(r"[|#*_`>\-]+", " ", path.read_text(encoding="utf-8", errors="ignore"))
            found += [" ".join(s.split()) for s in re.split(r"(?<=[.!?])\s+", text) if 30 < len(s) < 300]
    return found


def paragraphs(rng, pool, words):
    """Paragraphs of about so many words, with other numbers than in the samples."""
    out, count = [], 0
    while count < words:
        some = [re.sub(r"\d+", lambda _: str(rng.randrange(1, 9999)), rng.choice(pool)) for _ in range(rng.randrange(3, 7))]
        out.append(" ".join(some))
        count += len(out[-1].split())
    return out


def escape(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def package(parts):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts:
            archive.writestr(name, content)
    return buffer.getvalue()


def relations(kind, target):
    base = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/"
    return f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="{base}{kind}" Target="{target}"/></Relationships>'


def pdf(texts):
    """Pages of Helvetica, 48 lines each."""
    lines = []
    for text in texts:
        words, line = text.encode("ascii", "ignore").decode().split(), ""
        for word in words:
            if len(line) + len(word) > 88:
                lines.append(line)
                line = ""
            line = f"{line} {word}".strip()
        lines += [line, ""]
    pages = [lines[n : n + 48] for n in range(0, len(lines), 48)]
    objects = ["<</Type/Catalog/Pages 2 0 R>>", "", "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"]
    kids = []
    for page in pages:
        shown = " ".join("({}) Tj T*".format(re.sub(r"([\\()])", r"\\\1", line)) for line in page)
        stream = f"BT /F1 11 Tf 14 TL 60 760 Td {shown} ET"
        objects.append(f"<</Length {len(stream)}>>\nstream\n{stream}\nendstream")
        objects.append(f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents {len(objects)} 0 R/Resources<</Font<</F1 3 0 R>>>>>>")
        kids.append(f"{len(objects)} 0 R")
    objects[1] = f"<</Type/Pages/Count {len(kids)}/Kids[{' '.join(kids)}]>>"
    out, offsets = "%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n"
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer <</Size {len(objects) + 1}/Root 1 0 R>>\nstartxref\n{len(out)}\n%%EOF\n"
    return out.encode("latin-1")


def content(kind, title, texts, rng):
    words = [text.split() for text in texts]
    rows = [[w[0], w[1], str(rng.randrange(10_000)), " ".join(w[2:9])] for w in words if len(w) > 9]
    joined = "\n\n".join(texts)
    html = f"<html><head><title>{escape(title)}</title></head><body><h1>{escape(title)}</h1>{''.join(f'<p>{escape(t)}</p>' for t in texts)}</body></html>"
    if kind == "pdf":
        return pdf(texts)
    if kind == "docx":
        body = "".join(f"<w:p><w:r><w:t>{escape(t)}</w:t></w:r></w:p>" for t in texts)
        document = f'<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>{body}</w:body></w:document>'
        return package([("_rels/.rels", relations("officeDocument", "word/document.xml")), ("word/document.xml", document)])
    if kind == "odt":
        body = "".join(f"<text:p>{escape(t)}</text:p>" for t in texts)
        document = f'<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><office:body><office:text>{body}</office:text></office:body></office:document-content>'
        return package([("mimetype", "application/vnd.oasis.opendocument.text"), ("content.xml", document)])
    if kind == "pptx":
        slides = [texts[n : n + 3] for n in range(0, len(texts), 3)]
        ids = "".join(f'<p:sldId id="{n + 256}" r:id="r{n}"/>' for n in range(len(slides)))
        base = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/slide"
        rels = "".join(f'<Relationship Id="r{n}" Type="{base}" Target="slides/slide{n}.xml"/>' for n in range(len(slides)))
        spaces = 'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main" xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
        parts = [("_rels/.rels", relations("officeDocument", "ppt/presentation.xml")),
                 ("ppt/presentation.xml", f"<p:presentation {spaces}><p:sldIdLst>{ids}</p:sldIdLst></p:presentation>"),
                 ("ppt/_rels/presentation.xml.rels", f"<Relationships>{rels}</Relationships>")]
        for n, slide in enumerate(slides):
            runs = "".join(f"<a:p><a:r><a:t>{escape(t)}</a:t></a:r></a:p>" for t in slide)
            parts.append((f"ppt/slides/slide{n}.xml", f"<p:sld {spaces}><p:cSld><p:spTree><p:sp><p:txBody>{runs}</p:txBody></p:sp></p:spTree></p:cSld></p:sld>"))
        return package(parts)
    if kind == "xlsx":
        cells = "".join("<row r=\"{}\">{}</row>".format(r + 1, "".join(f'<c r="{"ABCD"[c]}{r + 1}" t="inlineStr"><is><t>{escape(v)}</t></is></c>' for c, v in enumerate(row))) for r, row in enumerate(rows))
        space = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
        return package([("_rels/.rels", relations("officeDocument", "xl/workbook.xml")),
                        ("xl/workbook.xml", f'<workbook {space}><sheets><sheet name="Sheet" sheetId="1" r:id="r1"/></sheets></workbook>'),
                        ("xl/_rels/workbook.xml.rels", relations("worksheet", "worksheets/sheet1.xml")),
                        ("xl/worksheets/sheet1.xml", f"<worksheet {space}><sheetData>{cells}</sheetData></worksheet>")])
    if kind == "epub":
        return package([("mimetype", "application/epub+zip"),
                        ("META-INF/container.xml", '<container><rootfiles><rootfile full-path="b.opf"/></rootfiles></container>'),
                        ("b.opf", '<package><manifest><item id="c" href="c.xhtml" media-type="application/xhtml+xml"/></manifest><spine><itemref idref="c"/></spine></package>'),
                        ("c.xhtml", html)])
    if kind == "zip":
        return package([("notes.txt", "\n\n".join(texts[: len(texts) // 2])), ("page.html", html[: len(html) // 2])])
    if kind == "eml":
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = "ada@example.org", "bo@example.org", title
        mail.set_content(joined)
        return mail.as_bytes()
    if kind == "csv":
        buffer = io.StringIO()
        csv.writer(buffer).writerows([["Name", "Item", "Amount", "Remark"], *rows])
        return buffer.getvalue().encode()
    if kind == "rtf":
        return (r"{\rtf1\ansi " + r"\par ".join(t.encode("ascii", "ignore").decode() for t in texts) + "}").encode()
    if kind == "html":
        return html.encode()
    if kind == "json":
        return json.dumps({"title": title, "entries": [{"text": t} for t in texts]}, indent=1).encode()
    if kind == "ipynb":
        return json.dumps({"nbformat": 4, "metadata": {}, "cells": [{"cell_type": "markdown", "source": [t]} for t in texts]}).encode()
    if kind == "py":
        return "\n\n".join(f'def entry_{n}():\n    """{t}"""\n    return {n}' for n, t in enumerate(texts)).encode()
    if kind == "md":
        return f"# {title}\n\n{joined}\n".encode()
    return joined.encode()


def main():
    folder, count = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 5_000
    rng, pool = random.Random(7), sentences()
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        title = f"Register {number} {rng.choice(pool).split()[0]}"
        words = rng.choice([120, 300, 600, 1200, 2500])
        path = folder / f"{number % 50:02}" / f"{title}.{kind}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content(kind, title, paragraphs(rng, pool, words), rng))


if __name__ == "__main__":
    main()
