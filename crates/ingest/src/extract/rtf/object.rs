//! Embedded objects: an OLE 1.0 object in hexadecimal ([MS-OLEDS] 2.2.5, EmbeddedObject).

use super::super::legacy;

/// The bytes that hexadecimal digits stand for, whatever stands between the digits.
pub(super) fn from_hex(text: &[u8]) -> Vec<u8> {
    let digits: Vec<u8> = text
        .iter()
        .filter_map(|&byte| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// The name and content of the file inside an object; `None` where it only links to one.
pub(super) fn unwrap(object: &[u8]) -> Option<(String, Vec<u8>)> {
    let number = |at: usize| Some(u32::from_le_bytes(object.get(at..at + 4)?.try_into().ok()?) as usize);
    if number(4)? != 2 {
        return None;
    }
    // Class, topic and item names, each after its length.
    let mut at = 8usize;
    let mut class = String::new();
    for position in 0..3 {
        let end = at.checked_add(4)?.checked_add(number(at)?)?;
        if position == 0 {
            let name = object.get(at + 4..end)?;
            class = String::from_utf8_lossy(name).trim_end_matches('\0').to_owned();
        }
        at = end;
    }
    let size = number(at)?;
    let data = object.get(at + 4..)?;
    let data = &data[..size.min(data.len())];
    match class.as_str() {
        "Package" => legacy::package(data),
        _ => Some((format!("embedded {class}").trim_end().to_owned(), data.to_vec())),
    }
}
