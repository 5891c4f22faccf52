//! Members of zip archives that are encrypted by AES, as WinZip began with (AE-1 and AE-2).

use std::io::Read;

use aes::cipher::{KeyIvInit, StreamCipher};
use aes::{Aes128, Aes192, Aes256};
use hmac::{Hmac, Mac};
use sha1::Sha1;

/// Rounds of hashing; the format has no other number.
const ROUNDS: u32 = 1000;
/// Length of the code by which the data are known to be whole.
const CODE: usize = 10;

/// The bytes of a member by a password, at most `limit` of them. `header` is where its local header stands in `archive`,
/// `data` where its data do. `None` where it is encrypted otherwise or the password is wrong.
pub(in super::super) fn open(
    archive: &[u8],
    header: usize,
    data: std::ops::Range<usize>,
    password: &str,
    limit: u64,
) -> Option<Vec<u8>> {
    let (strength, method) = method(archive.get(header..data.start)?)?;
    let (salt, key_bytes) = match strength {
        1 => (8, 16),
        2 => (12, 24),
        3 => (16, 32),
        _ => return None,
    };
    let (salt, rest) = archive.get(data)?.split_at_checked(salt)?;
    let (check, rest) = rest.split_at_checked(2)?;
    let (sealed, code) = rest.split_at_checked(rest.len().checked_sub(CODE)?)?;
    let mut keys = vec![0; 2 * key_bytes + 2];
    pbkdf2::pbkdf2::<Hmac<Sha1>>(password.as_bytes(), salt, ROUNDS, &mut keys).ok()?;
    let (key, keys) = keys.split_at(key_bytes);
    let (code_key, expected) = keys.split_at(key_bytes);
    // Two bytes turn most wrong passwords away, the code all others.
    if check != expected {
        return None;
    }
    let mac = Hmac::<Sha1>::new_from_slice(code_key).ok()?.chain_update(sealed);
    mac.verify_truncated_left(code).ok()?;
    let mut plain = sealed.to_vec();
    decrypt(key, &mut plain)?;
    let mut bytes = Vec::new();
    match method {
        0 => plain.as_slice().take(limit).read_to_end(&mut bytes).ok()?,
        8 => flate2::read::DeflateDecoder::new(plain.as_slice()).take(limit).read_to_end(&mut bytes).ok()?,
        _ => return None,
    };
    Some(bytes)
}

/// Strength of the key and the compression, from the extra field 0x9901 of a local header.
fn method(header: &[u8]) -> Option<(u8, u16)> {
    let short = |bytes: &[u8], at: usize| Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let mut fields = header.get(30 + usize::from(short(header, 26)?)..)?;
    while let (Some(tag), Some(length)) = (short(fields, 0), short(fields, 2)) {
        let field = fields.get(4..4 + usize::from(length))?;
        if tag == 0x9901 {
            return Some((*field.get(4)?, short(field, 5)?));
        }
        fields = &fields[4 + usize::from(length)..];
    }
    None
}

/// AES in counter mode, the counter beginning at 1 with its lowest byte first.
fn decrypt(key: &[u8], data: &mut [u8]) -> Option<()> {
    let counter = 1u128.to_le_bytes();
    match key.len() {
        16 => ctr::Ctr128LE::<Aes128>::new_from_slices(key, &counter).ok()?.apply_keystream(data),
        24 => ctr::Ctr128LE::<Aes192>::new_from_slices(key, &counter).ok()?.apply_keystream(data),
        _ => ctr::Ctr128LE::<Aes256>::new_from_slices(key, &counter).ok()?.apply_keystream(data),
    }
    Some(())
}
