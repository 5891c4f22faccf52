//! What a password opens besides PDF: packages of Office and OpenDocument, and members of zip archives.
//!
//! The ciphers, hashes and modes are those of the RustCrypto crates; here is only where each format keeps its salts, keys
//! and counts. A file may ask for any number of rounds of hashing, so that every count is bounded.

mod member;
mod office;
mod opendocument;

use aes::cipher::block_padding::NoPadding;
use aes::cipher::consts::U16;
use aes::cipher::{BlockCipher, BlockDecrypt, BlockDecryptMut, BlockSizeUser, KeyInit, KeyIvInit};
use aes::{Aes128, Aes192, Aes256};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Source;
use crate::detect::Kind;

pub(super) use member::open as open_member;

/// Most rounds of hashing that a file may ask for: ten times what Office and LibreOffice do.
const ROUNDS: u32 = 1_000_000;

/// The file that the source is once it is decrypted; `None` where it is not encrypted or no password opens it.
pub(super) fn open(source: &Source, kind: &Kind) -> Option<Vec<u8>> {
    let open: fn(&Source, &str) -> Option<Vec<u8>> = match kind {
        Kind::EncryptedOffice => {
            // What Excel encrypts a workbook with that anybody may read but not everybody change.
            return office::open(
                source,
                source.passwords.iter().map(|p| p.text()).chain(["VelvetSweatshop"]),
            );
        }
        Kind::OpenDocument | Kind::Sheets if source.bytes.starts_with(b"PK") => opendocument::open,
        _ => return None,
    };
    source.passwords.iter().find_map(|password| open(source, password.text()))
}

/// Decrypts whole blocks in place (AES in CBC mode). `None` for a key, initialisation vector or data of a wrong length.
fn decrypt_chained(key: &[u8], vector: &[u8], data: &mut [u8]) -> Option<()> {
    fn run<C>(key: &[u8], vector: &[u8], data: &mut [u8]) -> Option<()>
    where
        C: BlockCipher + BlockDecryptMut + KeyInit,
        cbc::Decryptor<C>: KeyIvInit + BlockDecryptMut,
    {
        let decryptor = cbc::Decryptor::<C>::new_from_slices(key, vector).ok()?;
        decryptor.decrypt_padded_mut::<NoPadding>(data).ok().map(drop)
    }
    match key.len() {
        16 => run::<Aes128>(key, vector, data),
        24 => run::<Aes192>(key, vector, data),
        32 => run::<Aes256>(key, vector, data),
        _ => None,
    }
}

/// The same block by block (ECB mode).
fn decrypt_blocks(key: &[u8], data: &mut [u8]) -> Option<()> {
    fn run<C: BlockDecrypt + KeyInit + BlockSizeUser<BlockSize = U16>>(
        key: &[u8],
        data: &mut [u8],
    ) -> Option<()> {
        let cipher = C::new_from_slice(key).ok()?;
        for block in data.chunks_exact_mut(16) {
            cipher.decrypt_block(block.into());
        }
        Some(())
    }
    match key.len() {
        16 => run::<Aes128>(key, data),
        24 => run::<Aes192>(key, data),
        32 => run::<Aes256>(key, data),
        _ => None,
    }
}

/// A hash function that a file names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hash {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    /// Of all parts one after the other.
    fn of(self, parts: &[&[u8]]) -> Vec<u8> {
        fn run<D: sha1::Digest>(parts: &[&[u8]]) -> Vec<u8> {
            parts.iter().fold(D::new(), |hash, part| hash.chain_update(part)).finalize().to_vec()
        }
        match self {
            Hash::Sha1 => run::<sha1::Sha1>(parts),
            Hash::Sha256 => run::<sha2::Sha256>(parts),
            Hash::Sha384 => run::<sha2::Sha384>(parts),
            Hash::Sha512 => run::<sha2::Sha512>(parts),
        }
    }
}

/// Bytes in base 64, as XML has them.
fn base64(text: &str) -> Option<Vec<u8>> {
    let letters: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    STANDARD.decode(letters).ok()
}

#[cfg(test)]
mod tests {
    use super::super::tests::read_with;
    use super::base64;
    use crate::Password;

    /// Files that `tests/scripts/locked_files.py` made, all with this password.
    const PASSWORD: &str = "Grüße 7";

    /// The outcome and the text by these passwords.
    fn opened(name: &str, passwords: &[&str]) -> (String, String) {
        let path = format!("{}/../../tests/data/locked/{name}", env!("CARGO_MANIFEST_DIR"));
        let bytes = std::fs::read(path).expect("a file of the test data");
        let passwords: Vec<Password> = passwords.iter().map(|text| Password::new(text)).collect();
        let document = read_with(name, &bytes, &passwords);
        let text = document.members.first().map_or(&document.text, |(_, member)| &member.text);
        (document.outcome.to_string(), text.clone())
    }

    fn check(name: &str, locked: &str, text: &str) {
        assert_eq!(opened(name, &[]), (locked.into(), String::new()), "{name} without a password");
        assert_eq!(opened(name, &["Grüße 8", ""]), (locked.into(), String::new()), "{name} with wrong ones");
        let read = opened(name, &["Grüße 8", PASSWORD]);
        assert_eq!(read, ("indexed".into(), text.into()), "{name} with the right one");
    }

    #[test]
    fn office_packages_are_opened_by_their_password() {
        check("agile-sha512.docx", "encrypted", "The rent is due monthly.");
        check("agile-sha1.docx", "encrypted", "The rent is due monthly.");
        check("agile-sha256.pptx", "encrypted", "The rent is due monthly.");
        check("standard.xlsx", "encrypted", "Rent\n\nItem | Price\nTea | 3");
    }

    #[test]
    fn a_workbook_that_is_only_write_protected_is_read() {
        assert_eq!(opened("write-protected.xlsx", &[]).0, "indexed");
    }

    #[test]
    fn opendocument_packages_are_opened_by_their_password() {
        check("locked.odt", "encrypted", "The rent is due monthly.");
        check("locked.ods", "encrypted", "Rent\n\nItem | Price\nTea | 3");
    }

    #[test]
    fn members_of_archives_are_opened_by_their_password() {
        check("aes256.zip", "encrypted", "The rent is due monthly.");
        check("aes128.zip", "encrypted", "The rent is due monthly.");
    }

    #[test]
    fn a_damaged_file_stays_locked() {
        for name in ["agile-sha512.docx", "standard.xlsx", "locked.odt", "aes256.zip"] {
            let path = format!("{}/../../tests/data/locked/{name}", env!("CARGO_MANIFEST_DIR"));
            let bytes = std::fs::read(path).expect("a file of the test data");
            for at in (0..bytes.len()).step_by(bytes.len() / 40 + 1) {
                let mut damaged = bytes.clone();
                damaged[at] ^= 0x55;
                let passwords = [Password::new(PASSWORD)];
                read_with(name, &damaged, &passwords);
                read_with(name, &bytes[..at], &passwords);
            }
        }
    }

    #[test]
    fn base_64_is_read() {
        assert_eq!(base64("UmVu dA==").as_deref(), Some(b"Rent".as_slice()));
        assert_eq!(base64("a*"), None);
    }
}
