"""Writes `sample-docs/`: the shared drive of a small firm that does not exist, for the demo and the tests.

    python tests/scripts/make_samples.py                 writes sample-docs/ (needs requirements-samples.txt)
    python tests/scripts/make_samples.py --check         checks questions.toml against the sources
    python tests/scripts/make_samples.py --eval DIR      writes sample-docs and questions.toml in the layout that
                                                         `carrel eval DIR` reads

The words are in `samples/`, in files named after what they become: `lease.pdf.md` is typeset as `lease.pdf`, `x.docx.md`
as a Word file, and everything else is copied. Tables of the workbook, mails, the scan and the broken and encrypted
files are made here. The same input gives the same bytes.
"""

import argparse
import datetime
import io
import json
import random
import re
import shutil
import sys
import tomllib
import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SOURCES = HERE / "samples"
SAMPLES = ROOT / "sample-docs"
QUESTIONS = ROOT / "tests" / "eval" / "questions.toml"
PASSWORD = "netloft-quay"
# Sources that other files are made of.
PARTS = {"mail/thread.txt", "mail/certificate-20871-corrected.csv"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--eval", metavar="DIR", type=Path)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    if arguments.check:
        return check_questions()
    if arguments.eval:
        return write_eval(arguments.eval)
    write_samples()


def write_samples():
    shutil.rmtree(SAMPLES, ignore_errors=True)
    for source in sorted(path for path in SOURCES.rglob("*") if path.is_file()):
        relative = source.relative_to(SOURCES)
        if relative.as_posix() not in PARTS:
            write_sample(source, SAMPLES / relative)
    write("mail", mails())
    write("finance", {"invoices-2024.xlsx": workbook()})
    write("archive", {"brochure-2009.pdf": broken_pdf(), "tidewater-handover.zip": handover()})
    files = [path for path in SAMPLES.rglob("*") if path.is_file()]
    print(f"{len(files)} files, {sum(path.stat().st_size for path in files):,} bytes in {SAMPLES.relative_to(ROOT)}")


def write(folder, files):
    for name, content in files.items():
        target = SAMPLES / folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def write_sample(source, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    name = target.name
    if name.endswith(".encrypted.pdf.md"):
        target.with_name(name.replace(".encrypted.pdf.md", ".pdf")).write_bytes(pdf(parse(source), PASSWORD))
    elif name.endswith(".pdf.md"):
        target.with_name(name.removesuffix(".md")).write_bytes(pdf(parse(source)))
    elif name.endswith(".docx.md"):
        target.with_name(name.removesuffix(".md")).write_bytes(docx(parse(source)))
    elif name.endswith(".scan.txt"):
        target.with_name(name.replace(".scan.txt", ".pdf")).write_bytes(scan(source.read_text("utf-8")))
    else:
        shutil.copyfile(source, target)


class Source:
    """A text in a small dialect of Markdown: headings, paragraphs of one line, tables, and `@` commands for the layout.

    The lines `date: ...` and `header: ...` below the title are the document's date and its running header.
    """

    def __init__(self):
        self.title, self.date, self.header, self.parts = "", datetime.date(2024, 1, 1), "", []


def parse(path):
    source = Source()
    for line in path.read_text("utf-8").splitlines():
        last = source.parts[-1] if source.parts else ("", "")
        if line.startswith("date: "):
            source.date = datetime.date.fromisoformat(line.removeprefix("date: "))
        elif line.startswith("header: "):
            source.header = line.removeprefix("header: ")
        elif heading := re.fullmatch(r"(#+) (.*)", line):
            source.parts.append((f"h{len(heading[1])}", heading[2]))
            source.title = source.title or heading[2]
        elif line.startswith("|"):
            row = [cell.strip() for cell in line.strip("|").split("|")]
            if last[0] == "table":
                last[1].append(row)
            else:
                source.parts.append(("table", [row]))
        elif line.startswith("@"):
            source.parts.append((line[1:], ""))
        elif line.strip():
            source.parts.append(("p", line))
    return source


def pdf(source, password=None):
    """Typesets a source with the standard fonts; `@columns` sets what follows in two columns."""
    from reportlab.lib import colors, pagesizes, styles, units
    from reportlab.lib.pdfencrypt import StandardEncryption
    from reportlab.platypus import BaseDocTemplate, Frame, NextPageTemplate, PageBreak, PageTemplate, Paragraph, Spacer
    from reportlab.platypus import Table, TableStyle

    width, height = pagesizes.A4
    margin, gap = 25 * units.mm, 8 * units.mm
    inner, tall = width - 2 * margin, height - 2 * margin
    column = (inner - gap) / 2

    def running(canvas, document):
        canvas.setFont("Helvetica", 8)
        if source.header:
            canvas.drawString(margin, height - 15 * units.mm, source.header)
        canvas.drawCentredString(width / 2, 13 * units.mm, f"Page {document.page}")

    buffer = io.BytesIO()
    encryption = {"encrypt": StandardEncryption(password, canPrint=0, strength=128)} if password else {}
    document = BaseDocTemplate(
        buffer, pagesize=pagesizes.A4, title=source.title, author="Brennick & Sohl Ltd", invariant=1, **encryption
    )
    one = Frame(margin, margin, inner, tall, 0, 0, 0, 0)
    two = [Frame(margin + at * (column + gap), margin, column, tall, 0, 0, 0, 0) for at in (0, 1)]
    document.addPageTemplates(
        [PageTemplate("single", [one], onPage=running), PageTemplate("columns", two, onPage=running)]
    )
    body = styles.ParagraphStyle("body", fontName="Times-Roman", fontSize=11, leading=15, spaceAfter=8)
    sizes = {"h1": 20, "h2": 14, "h3": 12}
    heads = {
        kind: styles.ParagraphStyle(kind, fontName="Helvetica-Bold", fontSize=size, leading=size * 1.25, spaceBefore=8,
                                    spaceAfter=6, keepWithNext=1)
        for kind, size in sizes.items()
    }
    grid = TableStyle([
        ("GRID", (0, 0), (-1, -1), 0.4, colors.grey), ("FONT", (0, 0), (-1, -1), "Helvetica", 9),
        ("FONT", (0, 0), (-1, 0), "Helvetica-Bold", 9), ("ALIGN", (1, 0), (-1, -1), "RIGHT"),
    ])
    story = []
    for kind, content in source.parts:
        if kind == "table":
            story += [Table(content, style=grid, hAlign="LEFT", repeatRows=1), Spacer(1, 10)]
        elif kind == "page":
            story.append(PageBreak())
        elif kind in ("columns", "single"):
            # The break before the command has begun the page already in the former layout.
            story.insert(len(story) - 1 if kind == "columns" else len(story), NextPageTemplate(kind))
        else:
            story.append(Paragraph(escape(content), heads.get(kind, body)))
    document.build(story)
    return buffer.getvalue() if password else dated_pdf(buffer.getvalue(), source.date)


def dated_pdf(content, date):
    import pikepdf

    with pikepdf.open(io.BytesIO(content)) as document:
        for key in ("/CreationDate", "/ModDate"):
            document.docinfo[key] = date.strftime("D:%Y%m%d090000Z")
        document.docinfo["/Producer"] = document.docinfo["/Creator"] = "Brennick & Sohl office"
        buffer = io.BytesIO()
        document.save(buffer, deterministic_id=True, object_stream_mode=pikepdf.ObjectStreamMode.generate)
    return buffer.getvalue()


def scan(text):
    """A page that is only an image: typed, a little askew, with specks."""
    import pikepdf
    from PIL import Image, ImageDraw, ImageFont

    dpi = 150
    page = Image.new("L", (int(8.27 * dpi), int(11.69 * dpi)), 255)
    font = ImageFont.truetype("LiberationMono-Regular.ttf", 22)
    ImageDraw.Draw(page).multiline_text((150, 160), text, font=font, fill=20, spacing=12)
    page = page.rotate(0.6, fillcolor=255, resample=Image.Resampling.BICUBIC)
    specks, draw = random.Random(1984), ImageDraw.Draw(page)
    for _ in range(250):
        draw.point((specks.randrange(page.width), specks.randrange(page.height)), fill=specks.randrange(160))
    data = io.BytesIO()
    page.point(lambda value: value // 17 * 17).save(data, "JPEG", quality=45, dpi=(dpi, dpi))
    document = pikepdf.new()
    image = pikepdf.Stream(document, data.getvalue())
    image.update({
        "/Type": pikepdf.Name.XObject, "/Subtype": pikepdf.Name.Image, "/Width": page.width, "/Height": page.height,
        "/ColorSpace": pikepdf.Name.DeviceGray, "/BitsPerComponent": 8, "/Filter": pikepdf.Name.DCTDecode,
    })
    document.add_blank_page(page_size=(595, 842))
    document.pages[0].Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(Im0=document.make_indirect(image)))
    document.pages[0].Contents = document.make_stream(b"q 595 0 0 842 0 0 cm /Im0 Do Q")
    buffer = io.BytesIO()
    document.save(buffer, deterministic_id=True)
    return dated_pdf(buffer.getvalue(), datetime.date(2024, 1, 22))


def broken_pdf():
    """The beginning of a PDF whose download broke off: no page tree, no cross-reference table."""
    source = Source()
    source.title, source.parts = "Brochure", [("p", "Tide gauges since 1984. " * 60)]
    return pdf(source)[:700]


def docx(source):
    import docx as word

    document = word.Document()
    moment = datetime.datetime.combine(source.date, datetime.time(9))
    properties = document.core_properties
    properties.title, properties.author = source.title, "Brennick & Sohl Ltd"
    properties.created = properties.modified = moment
    for kind, content in source.parts:
        if kind == "table":
            table = document.add_table(0, len(content[0]), style="Table Grid")
            for row in content:
                for cell, text in zip(table.add_row().cells, row):
                    cell.text = text
        elif kind == "p":
            document.add_paragraph(content)
        else:
            document.add_heading(content, level=int(kind[1]))
    buffer = io.BytesIO()
    document.save(buffer)
    return same_zip(buffer.getvalue(), moment)


def same_zip(content, moment):
    """The same archive with every time stamp replaced."""
    stamp = moment.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for name in sorted(old.namelist(), key=lambda name: (name != "[Content_Types].xml", name)):
            data = old.read(name)
            if name == "docProps/core.xml":
                data = re.sub(rb"(<dcterms:(created|modified)[^>]*>)[^<]*", rb"\g<1>" + stamp, data)
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.compress_type, info.create_system = zipfile.ZIP_DEFLATED, 3
            new.writestr(info, data)
    return buffer.getvalue()


def workbook():
    """Invoices of the first half of 2024, their lines, and the sums of each quarter."""
    import openpyxl
    from openpyxl.styles import Font

    def day(month, date):
        return datetime.date(2024, month, date)

    invoices = [
        ("R-24-001", day(1, 12), "Port of Halden", [("TG-310", 2, 3120.0), ("FIELD", 3, 690.0)], day(2, 9)),
        ("R-24-002", day(1, 29), "Wexcombe Water", [("CAL-P", 14, 265.0)], day(3, 4)),
        ("R-24-003", day(2, 15), "Tidewater Conservancy", [("TG-210", 8, 1480.0), ("DL-7", 8, 865.0)], day(3, 15)),
        ("R-24-004", day(3, 5), "Wexcombe Water", [("TG-210", 12, 1480.0), ("SW-2", 9, 310.0)], None),
        ("R-24-005", day(3, 19), "Hafenwerke Lüttgen AG", [("CAL-R", 11, 340.0)], day(4, 22)),
        ("R-24-006", day(3, 28), "Wexcombe Water", [("FIELD", 26, 690.0), ("CB-50", 0, 198.0)], None),
        ("R-24-007", day(4, 17), "Port of Halden", [("JB-14", 8, 142.5), ("FIELD", 2, 690.0)], day(5, 14)),
        ("R-24-008", day(5, 8), "Accra Harbour Authority", [("TG-100", 3, 2350.0), ("CB-50", 3, 198.0)], day(6, 3)),
        ("R-24-009", day(5, 31), "Tidewater Conservancy", [("TG-310", 1, 3120.0), ("SW-2", 6, 310.0)], None),
        ("R-24-010", day(6, 21), "Fenwick Hydrographics Ltd", [("CAL-P", 6, 265.0)], None),
    ]
    book = openpyxl.Workbook()
    book.properties.creator = book.properties.lastModifiedBy = "Priya Nair"
    book.properties.title = "Invoices 2024"
    sheet = book.active
    sheet.title = "Invoices"
    sheet.append(["Number", "Date", "Customer", "Net (GBP)", "VAT (GBP)", "Total (GBP)", "Paid on"])
    lines = book.create_sheet("Lines")
    lines.append(["Invoice", "Article", "Quantity", "Unit price (GBP)", "Amount (GBP)"])
    quarters = {}
    for number, date, customer, items, paid in invoices:
        net = 0.0
        for article, quantity, price in items:
            if quantity:
                lines.append([number, article, quantity, price, quantity * price])
                net += quantity * price
        rate = 0.0 if customer.startswith(("Hafenwerke", "Accra")) else 0.2
        vat = round(net * rate, 2)
        sheet.append([number, date, customer, net, vat, net + vat, paid or "open"])
        quarters.setdefault(f"Q{(date.month + 2) // 3}", []).append((net, 0.0 if paid else net + vat))
    summary = book.create_sheet("Summary")
    summary.append(["Quarter", "Invoices", "Net (GBP)", "Open (GBP)"])
    for quarter, sums in quarters.items():
        summary.append([quarter, len(sums), sum(net for net, _ in sums), sum(due for _, due in sums)])
    for page in book.worksheets:
        page.freeze_panes = "A2"
        for cell in page[1]:
            cell.font = Font(bold=True)
        for row in page.iter_rows(min_row=2):
            for cell in row:
                if isinstance(cell.value, datetime.date):
                    cell.number_format = "yyyy-mm-dd"
        for letter in "ABCDEFG":
            page.column_dimensions[letter].width = 22
    buffer = io.BytesIO()
    book.save(buffer)
    return same_zip(buffer.getvalue(), datetime.datetime(2024, 6, 28, 17))


def mails():
    """The mails of `thread.txt`, separated by `---`, each answering the one before."""
    from email.message import EmailMessage
    from email.utils import format_datetime

    files, references = {}, []
    for text in (SOURCES / "mail" / "thread.txt").read_text("utf-8").split("\n---\n"):
        head, body = text.split("\n\n", 1)
        sender, to, date, subject, name, *attached = head.strip().splitlines()
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = sender, to, subject
        mail["Date"] = format_datetime(datetime.datetime.fromisoformat(date))
        mail["Message-ID"] = f"<{name.removesuffix('.eml')}@brennick-sohl.example>"
        if references:
            mail["In-Reply-To"], mail["References"] = references[-1], " ".join(references)
        references.append(mail["Message-ID"])
        mail.set_content(body.strip() + "\n")
        for line in attached:
            attachment = line.removeprefix("attach: ")
            content = (SOURCES / "mail" / attachment).read_bytes()
            mail.add_attachment(content, maintype="text", subtype="csv", filename=attachment)
            mail.set_boundary("=-thread-of-three")
        files[name] = mail.as_bytes()
    return files


def handover():
    members = {
        "handover/readme.txt": "Handover of the Tidewater gauges to the Conservancy, 12 July 2024.\n\n"
        "The spare key of the hut at Gull Point hangs in the harbour office.\n"
        "The SIM cards of all loggers expire on 31 January 2026.\n",
        "handover/benchmarks.csv": "benchmark,height_m\nTB-01,3.412\nTB-04,2.987\nTB-09,3.105\n",
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in members.items():
            info = zipfile.ZipInfo(name, (2024, 7, 12, 9, 0, 0))
            info.compress_type, info.create_system = zipfile.ZIP_DEFLATED, 3
            archive.writestr(info, text)
    return buffer.getvalue()


def questions():
    return tomllib.loads(QUESTIONS.read_text("utf-8"))["question"]


def source_text(document):
    """The words of a sample, from what it was made of; for what has no source, none."""
    if document.startswith("mail/"):
        return "\n".join((SOURCES / path).read_text("utf-8") for path in sorted(PARTS))
    if document.startswith("archive/"):
        with zipfile.ZipFile(SAMPLES / document) as archive:
            return "\n".join(archive.read(name).decode() for name in archive.namelist())
    for suffix in ("", ".md"):
        if (SOURCES / (document + suffix)).is_file():
            return (SOURCES / (document + suffix)).read_text("utf-8")
    scan_source = SOURCES / (document.removesuffix(".pdf") + ".scan.txt")
    return scan_source.read_text("utf-8") if scan_source.is_file() else None


def check_questions():
    """Every document is there, and every passage stands in it word for word."""
    wrong, seen = [], set()
    for question in questions():
        if question["id"] in seen:
            wrong.append(f"{question['id']}: twice")
        seen.add(question["id"])
        if question.get("answerable", True) != bool(question.get("evidence")):
            wrong.append(f"{question['id']}: answerable, or evidence, but not both")
        for evidence in question.get("evidence", []):
            text = source_text(evidence["document"])
            if not (SAMPLES / evidence["document"]).is_file():
                wrong.append(f"{question['id']}: no document `{evidence['document']}`")
            elif text is not None and flat(evidence["passage"]) not in flat(text):
                wrong.append(f"{question['id']}: the passage is not in `{evidence['document']}`")
    print("\n".join(wrong) or f"{len(seen)} questions are in order")
    return len(wrong)


def flat(text):
    return re.sub(r"\s+", " ", text)


def write_eval(target):
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(SAMPLES, target / "docs")
    count = 0
    with open(target / "queries.jsonl", "w", encoding="utf-8") as file:
        for question in questions():
            relevant = [relevance(evidence) for evidence in question.get("evidence", [])]
            answers = question.get("answers", [])
            row = {
                "id": question["id"], "question": question["question"], "relevant": relevant,
                "answer": answers[0] if answers else "", "answers": answers,
                "answerable": question.get("answerable", True), "language": question.get("language", "en"),
            }
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    documents = sum(path.is_file() for path in (target / "docs").rglob("*"))
    meta = {"name": "sample-docs", "documents": documents, "questions": count, "title": "Carrel's own sample documents"}
    (target / "meta.json").write_text(json.dumps(meta, indent=1) + "\n", "utf-8")
    print(f"{documents} documents and {count} questions in {target}")


def relevance(evidence):
    """Document and text; code points where the file is text, the page where it is a PDF."""
    relevant = {"doc": evidence["document"], "text": evidence["passage"]}
    if evidence["document"].endswith((".txt", ".md", ".csv", ".py")):
        text = (SAMPLES / evidence["document"]).read_bytes().decode("utf-8")
        pattern = r"\s+".join(map(re.escape, evidence["passage"].split()))
        if found := re.search(pattern, text):
            relevant |= {"start": found.start(), "end": found.end()}
    if "page" in evidence:
        relevant |= {"page": evidence["page"], "pdf": evidence["document"]}
    return relevant


if __name__ == "__main__":
    sys.exit(main())
