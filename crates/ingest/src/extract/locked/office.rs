//! Office Open XML in an encrypted package ([MS-OFFCRYPTO]): a compound file with the package, encrypted by AES, and how
//! its key follows from the password. Agile (2.3.4.10) and standard encryption (2.3.4.5) are read.

use std::io::{Cursor, Read};

use super::super::Source;
use super::super::xml::{Node, Walk};
use super::{Hash, ROUNDS, base64, decrypt_blocks, decrypt_chained};
use crate::detect::decode;

/// The package is encrypted in pieces of this size, each with an initialisation vector of its own.
const SEGMENT: usize = 4096;
/// Most bytes of the description.
const INFO: u64 = 1 << 20;

/// The package by the first password that opens it.
pub(super) fn open<'p>(source: &Source, passwords: impl Iterator<Item = &'p str>) -> Option<Vec<u8>> {
    let mut file = cfb::CompoundFile::open(Cursor::new(source.bytes)).ok()?;
    let mut info = Vec::new();
    file.open_stream("/EncryptionInfo").ok()?.take(INFO).read_to_end(&mut info).ok()?;
    let scheme = Scheme::read(&info)?;
    let key = passwords.into_iter().find_map(|password| scheme.key(&wide(password)))?;
    let mut package = Vec::new();
    file.open_stream("/EncryptedPackage").ok()?.read_to_end(&mut package).ok()?;
    let size = usize::try_from(u64::from_le_bytes(*package.first_chunk()?)).ok()?;
    let mut content = package.split_off(8);
    drop(package);
    content.truncate(content.len() / 16 * 16);
    scheme.decrypt(&key, &mut content)?;
    content.truncate(size);
    Some(content)
}

fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

enum Scheme {
    Agile { package: Parameters, password: Parameters, verifier: Verifier, rounds: u32 },
    Standard { salt: Vec<u8>, verifier: Verifier, key_bytes: usize },
}

/// How keys and initialisation vectors are made.
struct Parameters {
    salt: Vec<u8>,
    hash: Hash,
    key_bytes: usize,
}

/// Something random and its hash, encrypted, by which a password is known to be right; and what it then opens.
struct Verifier {
    input: Vec<u8>,
    hash: Vec<u8>,
    key: Vec<u8>,
}

impl Scheme {
    fn read(info: &[u8]) -> Option<Scheme> {
        match (word(info, 0)? as u16, word(info, 0)? >> 16) {
            (4, 4) => Scheme::agile(&decode(info.get(8..)?)),
            (2..=4, 2) => Scheme::standard(info),
            _ => None,
        }
    }

    fn agile(xml: &str) -> Option<Scheme> {
        let (mut package, mut password) = (None, None);
        for node in Walk::new(xml) {
            let Node::Open(element) = node else { continue };
            let bytes = |name: &str| base64(&element.attribute(name)?);
            let number = |name: &str| element.attribute(name)?.parse::<u32>().ok();
            let parameters = || {
                let is =
                    |name: &str, value: &str| element.attribute(name).is_some_and(|found| found == value);
                let hash = match element.attribute("hashAlgorithm")?.as_str() {
                    "SHA1" | "SHA-1" => Hash::Sha1,
                    "SHA256" => Hash::Sha256,
                    "SHA384" => Hash::Sha384,
                    "SHA512" => Hash::Sha512,
                    _ => return None,
                };
                let known = is("cipherAlgorithm", "AES") && is("cipherChaining", "ChainingModeCBC");
                let key_bytes = number("keyBits")? as usize / 8;
                known.then_some(Parameters { salt: bytes("saltValue")?, hash, key_bytes })
            };
            match element.name() {
                "keyData" => package = parameters(),
                "encryptedKey" if password.is_none() => {
                    let verifier = Verifier {
                        input: bytes("encryptedVerifierHashInput")?,
                        hash: bytes("encryptedVerifierHashValue")?,
                        key: bytes("encryptedKeyValue")?,
                    };
                    password = Some((parameters()?, verifier, number("spinCount")?));
                }
                _ => {}
            }
        }
        let (password, verifier, rounds) = password?;
        Some(Scheme::Agile { package: package?, password, verifier, rounds }).filter(|_| rounds <= ROUNDS)
    }

    fn standard(info: &[u8]) -> Option<Scheme> {
        const AES: u32 = 0x20;
        let header = 12;
        let rest = header + usize::try_from(word(info, 8)?).ok()?;
        let key_bytes = usize::try_from(word(info, header + 16)?).ok()? / 8;
        let stretch =
            |at: usize, length: usize| info.get(rest.checked_add(at)?..rest.checked_add(at + length)?);
        let verifier =
            Verifier { input: stretch(20, 16)?.to_vec(), hash: stretch(40, 32)?.to_vec(), key: Vec::new() };
        let known = word(info, 4)? & AES != 0 && matches!(key_bytes, 16 | 24 | 32);
        known.then_some(Scheme::Standard { salt: stretch(4, 16)?.to_vec(), verifier, key_bytes })
    }

    /// The key of the package, where the password is right.
    fn key(&self, password: &[u8]) -> Option<Vec<u8>> {
        match self {
            Scheme::Agile { password: by, verifier, rounds, .. } => {
                let start = spin(by.hash, &by.salt, password, *rounds);
                let decrypted = |purpose: [u8; 8], data: &[u8]| {
                    let key = fitted(by.hash.of(&[&start, &purpose]), by.key_bytes);
                    let mut data = data.to_vec();
                    decrypt_chained(&key, &fitted(by.salt.clone(), 16), &mut data).map(|()| data)
                };
                // The block keys of section 2.3.4.13.
                let mut input = decrypted([0xFE, 0xA7, 0xD2, 0x76, 0x3B, 0x4B, 0x9E, 0x79], &verifier.input)?;
                input.truncate(by.salt.len());
                let hash = decrypted([0xD7, 0xAA, 0x0F, 0x6D, 0x30, 0x61, 0x34, 0x4E], &verifier.hash)?;
                if !hash.starts_with(&by.hash.of(&[&input])) {
                    return None;
                }
                let key = decrypted([0x14, 0x6E, 0x0B, 0xE7, 0xAB, 0xAC, 0xD0, 0xD6], &verifier.key)?;
                Some(fitted(key, by.key_bytes))
            }
            Scheme::Standard { salt, verifier, key_bytes } => {
                let start = Hash::Sha1.of(&[&spin(Hash::Sha1, salt, password, 50_000), &[0; 4]]);
                let half = |pad: u8| {
                    let mut block = [pad; 64];
                    block.iter_mut().zip(&start).for_each(|(byte, hash)| *byte ^= hash);
                    Hash::Sha1.of(&[&block])
                };
                let key = fitted([half(0x36), half(0x5C)].concat(), *key_bytes);
                let (mut input, mut hash) = (verifier.input.clone(), verifier.hash.clone());
                decrypt_blocks(&key, &mut input)?;
                decrypt_blocks(&key, &mut hash)?;
                hash.starts_with(&Hash::Sha1.of(&[&input])).then_some(key)
            }
        }
    }

    fn decrypt(&self, key: &[u8], content: &mut [u8]) -> Option<()> {
        let Scheme::Agile { package, .. } = self else { return decrypt_blocks(key, content) };
        for (number, segment) in (0u32..).zip(content.chunks_mut(SEGMENT)) {
            let vector = fitted(package.hash.of(&[&package.salt, &number.to_le_bytes()]), 16);
            decrypt_chained(key, &vector, segment)?;
        }
        Some(())
    }
}

/// Salt and password, hashed so often that guessing takes its time.
fn spin(hash: Hash, salt: &[u8], password: &[u8], rounds: u32) -> Vec<u8> {
    (0..rounds).fold(hash.of(&[salt, password]), |last, round| hash.of(&[&round.to_le_bytes(), &last]))
}

/// Cut or filled up to a length, as section 2.3.4.11 has it.
fn fitted(mut bytes: Vec<u8>, length: usize) -> Vec<u8> {
    bytes.resize(length.min(64), 0x36);
    bytes
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}
