//! OpenDocument packages whose parts are encrypted one by one (ODF 1.2, part 3, section 3.4): AES in CBC mode by a key
//! that PBKDF2 makes of the password. Neither Blowfish, as before 2011, nor the whole-package encryption by Argon2 that
//! LibreOffice began with in 2024 is read.

use std::io::{Cursor, Read, Write};

use hmac::Hmac;
use sha1::Sha1;
use zip::write::SimpleFileOptions;

use super::super::Source;
use super::super::office::Package;
use super::super::xml::{Element, Node, Walk};
use super::{Hash, ROUNDS, base64, decrypt_chained};

const MANIFEST: &str = "META-INF/manifest.xml";

/// How a part is encrypted.
#[derive(Default)]
struct Part {
    name: String,
    vector: Vec<u8>,
    salt: Vec<u8>,
    rounds: u32,
    key_bytes: usize,
    /// Whether cipher, derivation of the key and hash of the password are those that are read here.
    known: [bool; 3],
}

/// The package with its XML parts decrypted; others, such as pictures, are left out.
pub(super) fn open(source: &Source, password: &str) -> Option<Vec<u8>> {
    let mut package = Package::open(source.bytes).ok()?;
    let parts = encrypted_parts(&package.text(MANIFEST)?);
    let start = Hash::Sha256.of(&[password.as_bytes()]);
    // The one that is always there shows whether the password is right.
    let (content, others): (Vec<Part>, Vec<Part>) =
        parts.into_iter().partition(|part| part.name == "content.xml");
    let mut room = source.limits.file_bytes;
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let mut add = |name: &str, bytes: &[u8]| {
        writer.start_file(name, SimpleFileOptions::default()).ok()?;
        writer.write_all(bytes).ok()
    };
    add("mimetype", &package.read("mimetype")?)?;
    let first = content.into_iter().next()?;
    add(&first.name, &first.open(&mut package, &start, &mut room)?)?;
    for part in others.iter().filter(|part| part.name.ends_with(".xml")) {
        if let Some(bytes) = part.open(&mut package, &start, &mut room) {
            add(&part.name, &bytes)?;
        }
    }
    add(MANIFEST, b"<manifest/>")?;
    Some(writer.finish().ok()?.into_inner())
}

fn encrypted_parts(manifest: &str) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut name = String::new();
    for node in Walk::new(manifest) {
        let Node::Open(element) = node else { continue };
        match (element.name(), parts.last_mut()) {
            ("file-entry", _) => name = element.attribute("full-path").unwrap_or_default(),
            ("encryption-data", _) => parts.push(Part { name: name.clone(), ..Part::default() }),
            (_, Some(part)) => part.note(&element),
            _ => {}
        }
    }
    parts
}

impl Part {
    fn note(&mut self, element: &Element) {
        let names = |attribute: &str, ending: &str| {
            element.attribute(attribute).is_some_and(|value| value.to_ascii_lowercase().ends_with(ending))
        };
        let bytes = |attribute: &str| element.attribute(attribute).and_then(|text| base64(&text));
        let number = |attribute: &str| element.attribute(attribute).and_then(|text| text.parse::<u32>().ok());
        match element.name() {
            "algorithm" => {
                self.vector = bytes("initialisation-vector").unwrap_or_default();
                self.known[0] = names("algorithm-name", "-cbc");
            }
            "key-derivation" => {
                self.salt = bytes("salt").unwrap_or_default();
                self.rounds = number("iteration-count").unwrap_or(0);
                self.key_bytes = number("key-size").unwrap_or(16) as usize;
                self.known[1] = names("key-derivation-name", "pbkdf2");
            }
            "start-key-generation" => self.known[2] = names("start-key-generation-name", "sha256"),
            _ => {}
        }
    }

    /// The part as it was before it was packed. A wrong key shows in that it is no XML.
    fn open(&self, package: &mut Package, start: &[u8], room: &mut u64) -> Option<Vec<u8>> {
        let bounded = (1..=ROUNDS).contains(&self.rounds) && matches!(self.key_bytes, 16 | 24 | 32);
        if !bounded || self.known.contains(&false) {
            return None;
        }
        let mut data = package.read(&self.name)?;
        let mut key = [0; 32];
        let key = &mut key[..self.key_bytes];
        pbkdf2::pbkdf2::<Hmac<Sha1>>(start, &self.salt, self.rounds, key).ok()?;
        decrypt_chained(key, &self.vector, &mut data)?;
        let padding = usize::from(*data.last()?);
        data.truncate(data.len().checked_sub(padding)?);
        let mut bytes = Vec::new();
        flate2::read::DeflateDecoder::new(data.as_slice()).take(*room).read_to_end(&mut bytes).ok()?;
        *room -= bytes.len() as u64;
        let begins =
            bytes.iter().find(|byte| !byte.is_ascii_whitespace() && !matches!(byte, 0xEF | 0xBB | 0xBF));
        (begins == Some(&b'<')).then_some(bytes)
    }
}
