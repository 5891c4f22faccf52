#!/usr/bin/env python3
"""Writes `tests/data/locked/`: small files that a password opens, one of every scheme that is read.

    pip install msoffcrypto-tool pyzipper
    python tests/scripts/locked_files.py

Each is opened again by a program that is not ours before it is written, but for the OpenDocument files, of which the
scheme is written down here from the standard (ODF 1.2, part 3, section 3.4). Salts are random: the bytes differ each time.
"""

import base64
import hashlib
import io
import os
import struct
import zipfile
import zlib
from pathlib import Path

import msoffcrypto
import pyzipper
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from msoffcrypto.method.container.ecma376_encrypted import ECMA376Encrypted

FOLDER = Path(__file__).resolve().parents[1] / "data" / "locked"
PASSWORD = "Grüße 7"
TEXT = "The rent is due monthly."
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
TYPES = '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'


def package(parts):
    buffer = io.BytesIO()
    # The writer of compound files needs more than 4096 bytes, and two segments are encrypted otherwise than one.
    filling = b"".join(hashlib.sha256(bytes([n])).digest() for n in range(160))
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in [*parts, ("filling.bin", filling)]:
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def relations(*targets):
    inner = "".join(f'<Relationship Id="r{n}" Type="{RELATIONS}/{kind}" Target="{target}"/>' for n, (kind, target) in enumerate(targets, 1))
    return f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{inner}</Relationships>'


def docx():
    body = f'<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r><w:t>{TEXT}</w:t></w:r></w:p></w:body></w:document>'
    return package([("[Content_Types].xml", TYPES), ("_rels/.rels", relations(("officeDocument", "word/document.xml"))), ("word/document.xml", body)])


def pptx():
    drawing = "http://schemas.openxmlformats.org/drawingml/2006/main"
    show = "http://schemas.openxmlformats.org/presentationml/2006/main"
    deck = f'<p:presentation xmlns:p="{show}" xmlns:r="{RELATIONS}"><p:sldIdLst><p:sldId id="256" r:id="r1"/></p:sldIdLst></p:presentation>'
    slide = f'<p:sld xmlns:p="{show}" xmlns:a="{drawing}"><p:cSld><p:spTree><p:sp><p:txBody><a:p><a:r><a:t>{TEXT}</a:t></a:r></a:p></p:txBody></p:sp></p:spTree></p:cSld></p:sld>'
    return package([
        ("[Content_Types].xml", TYPES),
        ("_rels/.rels", relations(("officeDocument", "ppt/presentation.xml"))),
        ("ppt/presentation.xml", deck),
        ("ppt/_rels/presentation.xml.rels", relations(("slide", "slides/slide1.xml"))),
        ("ppt/slides/slide1.xml", slide),
    ])


def xlsx():
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    cell = lambda at, text: f'<c r="{at}" t="inlineStr"><is><t>{text}</t></is></c>'
    rows = f'<row r="1">{cell("A1", "Item")}{cell("B1", "Price")}</row><row r="2">{cell("A2", "Tea")}<c r="B2"><v>3</v></c></row>'
    return package([
        ("[Content_Types].xml", TYPES),
        ("_rels/.rels", relations(("officeDocument", "xl/workbook.xml"))),
        ("xl/workbook.xml", f'<workbook xmlns="{main}" xmlns:r="{RELATIONS}"><sheets><sheet name="Rent" sheetId="1" r:id="r1"/></sheets></workbook>'),
        ("xl/_rels/workbook.xml.rels", relations(("worksheet", "worksheets/sheet1.xml"))),
        ("xl/worksheets/sheet1.xml", f'<worksheet xmlns="{main}"><sheetData>{rows}</sheetData></worksheet>'),
    ])


def pad(data, length, filler=b"\0"):
    return data + filler * (-len(data) % length)


def aes(key, mode, data):
    encryptor = Cipher(algorithms.AES(key), mode).encryptor()
    return encryptor.update(data) + encryptor.finalize()


def b64(data):
    return base64.b64encode(data).decode()


def checked(encrypted, plain, password=PASSWORD):
    """The file, which the other program must open."""
    office = msoffcrypto.OfficeFile(io.BytesIO(encrypted))
    office.load_key(password=password)
    opened = io.BytesIO()
    office.decrypt(opened)
    assert opened.getvalue() == plain
    return encrypted


def agile(plain, hash_name, key_bits, password=PASSWORD):
    """[MS-OFFCRYPTO] 2.3.4.10 to 2.3.4.15."""
    digest = lambda *parts: hashlib.new(hash_name, b"".join(parts)).digest()
    fit = lambda data, length: data[:length] + b"\x36" * (length - len(data[:length]))
    salt, data_salt, key, verifier = os.urandom(16), os.urandom(16), os.urandom(key_bits // 8), os.urandom(16)
    spins = 100_000
    start = digest(salt, password.encode("utf-16-le"))
    for n in range(spins):
        start = digest(struct.pack("<I", n), start)

    def sealed(purpose, data):
        return b64(aes(fit(digest(start, bytes.fromhex(purpose)), key_bits // 8), modes.CBC(salt), pad(data, 16)))

    content = b""
    for n, at in enumerate(range(0, len(plain), 4096)):
        vector = fit(digest(data_salt, struct.pack("<I", n)), 16)
        content += aes(key, modes.CBC(vector), pad(plain[at : at + 4096], 16))
    name = hash_name.upper()
    common = f'saltSize="16" blockSize="16" keyBits="{key_bits}" hashSize="{len(start)}" cipherAlgorithm="AES" cipherChaining="ChainingModeCBC" hashAlgorithm="{name}"'
    # The other program wants this element; nobody here looks at what it says.
    integrity = f'<dataIntegrity encryptedHmacKey="{b64(bytes(64))}" encryptedHmacValue="{b64(bytes(64))}"/>'
    info = (
        '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\r\n'
        '<encryption xmlns="http://schemas.microsoft.com/office/2006/encryption" xmlns:p="http://schemas.microsoft.com/office/2006/keyEncryptor/password">'
        f'<keyData {common} saltValue="{b64(data_salt)}"/>{integrity}'
        '<keyEncryptors><keyEncryptor uri="http://schemas.microsoft.com/office/2006/keyEncryptor/password">'
        f'<p:encryptedKey spinCount="{spins}" {common} saltValue="{b64(salt)}" encryptedVerifierHashInput="{sealed("fea7d2763b4b9e79", verifier)}"'
        f' encryptedVerifierHashValue="{sealed("d7aa0f6d3061344e", digest(verifier))}" encryptedKeyValue="{sealed("146e0be7abacd0d6", key)}"/>'
        "</keyEncryptor></keyEncryptors></encryption>"
    )
    return container(struct.pack("<HHI", 4, 4, 0x40) + info.encode(), struct.pack("<Q", len(plain)) + content)


def standard(plain, password=PASSWORD):
    """[MS-OFFCRYPTO] 2.3.4.5 to 2.3.4.9, AES-128."""
    sha1 = lambda *parts: hashlib.sha1(b"".join(parts)).digest()
    salt, verifier = os.urandom(16), os.urandom(16)
    start = sha1(salt, password.encode("utf-16-le"))
    for n in range(50_000):
        start = sha1(struct.pack("<I", n), start)
    start = sha1(start, bytes(4))
    half = lambda filler: sha1(bytes(a ^ b for a, b in zip(start.ljust(64, b"\0"), bytes([filler]) * 64)))
    key = (half(0x36) + half(0x5C))[:16]
    provider = "Microsoft Enhanced RSA and AES Cryptographic Provider\0".encode("utf-16-le")
    header = struct.pack("<IIIIIIII", 0x24, 0, 0x660E, 0x8004, 128, 0x18, 0, 0) + provider
    proof = struct.pack("<I", 16) + salt + aes(key, modes.ECB(), verifier) + struct.pack("<I", 20) + aes(key, modes.ECB(), pad(sha1(verifier), 32))
    info = struct.pack("<HHII", 3, 2, 0x24, len(header)) + header + proof
    return container(info, struct.pack("<Q", len(plain)) + aes(key, modes.ECB(), pad(plain, 16)))


def container(info, content):
    buffer = io.BytesIO()
    ECMA376Encrypted(content, info).write_to(buffer)
    return buffer.getvalue()


def opendocument(kind, body):
    """Every part by AES-256, as LibreOffice did it from 2011 on."""
    space = "urn:oasis:names:tc:opendocument:xmlns"
    content = (
        f'<?xml version="1.0"?><office:document-content xmlns:office="{space}:office:1.0" xmlns:text="{space}:text:1.0" xmlns:table="{space}:table:1.0">'
        f"<office:body>{body}</office:body></office:document-content>"
    ).encode()
    start = hashlib.sha256(PASSWORD.encode()).digest()
    salt, vector = os.urandom(16), os.urandom(16)
    key = hashlib.pbkdf2_hmac("sha1", start, salt, 100_000, 32)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(content) + packer.flush()
    filling = 16 - len(packed) % 16
    sealed = aes(key, modes.CBC(vector), packed + os.urandom(filling - 1) + bytes([filling]))
    manifest = (
        f'<?xml version="1.0"?><manifest:manifest xmlns:manifest="{space}:manifest:1.0"><manifest:file-entry manifest:full-path="/" manifest:media-type="{kind}"/>'
        f'<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml" manifest:size="{len(content)}">'
        f'<manifest:encryption-data manifest:checksum-type="{space}:manifest:1.0#sha256-1k" manifest:checksum="{b64(hashlib.sha256(packed[:1024]).digest())}">'
        f'<manifest:algorithm manifest:algorithm-name="http://www.w3.org/2001/04/xmlenc#aes256-cbc" manifest:initialisation-vector="{b64(vector)}"/>'
        f'<manifest:key-derivation manifest:key-derivation-name="PBKDF2" manifest:key-size="32" manifest:iteration-count="100000" manifest:salt="{b64(salt)}"/>'
        '<manifest:start-key-generation manifest:start-key-generation-name="http://www.w3.org/2000/09/xmldsig#sha256" manifest:key-size="32"/>'
        "</manifest:encryption-data></manifest:file-entry></manifest:manifest>"
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in [("mimetype", kind), ("content.xml", sealed), ("META-INF/manifest.xml", manifest)]:
            archive.writestr(name, data)
    return buffer.getvalue()


def archive(bits):
    buffer = io.BytesIO()
    with pyzipper.AESZipFile(buffer, "w", compression=pyzipper.ZIP_DEFLATED, encryption=pyzipper.WZ_AES) as file:
        file.setencryption(pyzipper.WZ_AES, nbits=bits)
        file.setpassword(PASSWORD.encode())
        file.writestr("notes.txt", TEXT)
    with pyzipper.AESZipFile(io.BytesIO(buffer.getvalue())) as file:
        assert file.read("notes.txt", pwd=PASSWORD.encode()) == TEXT.encode()
    return buffer.getvalue()


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    everybody = "VelvetSweatshop"
    cell = lambda text: f'<table:table-cell office:value-type="string"><text:p>{text}</text:p></table:table-cell>'
    number = '<table:table-cell office:value-type="float" office:value="3"><text:p>3</text:p></table:table-cell>'
    table = (
        f'<office:spreadsheet><table:table table:name="Rent"><table:table-row>{cell("Item")}{cell("Price")}</table:table-row>'
        f"<table:table-row>{cell('Tea')}{number}</table:table-row></table:table></office:spreadsheet>"
    )
    files = {
        "agile-sha512.docx": checked(agile(docx(), "sha512", 256), docx()),
        "agile-sha1.docx": checked(agile(docx(), "sha1", 128), docx()),
        "agile-sha256.pptx": checked(agile(pptx(), "sha256", 256), pptx()),
        "standard.xlsx": checked(standard(xlsx()), xlsx()),
        "write-protected.xlsx": checked(agile(xlsx(), "sha512", 256, everybody), xlsx(), everybody),
        "locked.odt": opendocument("application/vnd.oasis.opendocument.text", f"<office:text><text:p>{TEXT}</text:p></office:text>"),
        "locked.ods": opendocument("application/vnd.oasis.opendocument.spreadsheet", table),
        "aes256.zip": archive(256),
        "aes128.zip": archive(128),
    }
    for name, content in files.items():
        (FOLDER / name).write_bytes(content)
        print(f"{len(content):7} {name}")


if __name__ == "__main__":
    main()
