//! The block formats of GGUF, read one 32-column block at a time.
//!
//! Every quantised type is brought to one form: unsigned quants `q`, and per 16 columns a scale and a
//! minimum, so that a weight is `scale * (q - offset) - minimum`. Repacking and the reading of single rows
//! (token embeddings) share it. Layouts: `ggml-common.h` and `dequantize_row_*` of ggml's `ggml-quants.c`.

use crate::gguf::GgmlType;

/// Columns of a block.
pub(crate) const BLOCK: usize = 32;
/// Columns of a super-block of the K types.
pub(crate) const SUPER: usize = 256;

/// How a type stores its scales.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    /// Bits of a quant.
    pub bits: u32,
    /// What is subtracted from a quant: `1 << offset_shift`, or nothing for 0. 8-bit quants are signed.
    pub offset_shift: u32,
    /// Scales are small integers times a factor per 256 columns.
    pub nested: bool,
    /// A scale per 16 columns instead of 32.
    pub halves: bool,
    pub minimum: bool,
}

/// The format of a quantised type that there are kernels for.
pub(crate) fn format(kind: GgmlType) -> Option<Format> {
    let (bits, offset_shift, nested, halves, minimum) = match kind {
        GgmlType::Q4_0 => (4, 3, false, false, false),
        GgmlType::Q4_1 => (4, 0, false, false, true),
        GgmlType::Q5_0 => (5, 4, false, false, false),
        GgmlType::Q5_1 => (5, 0, false, false, true),
        GgmlType::Q8_0 => (8, 0, false, false, false),
        GgmlType::Q2_K => (2, 0, true, true, true),
        GgmlType::Q3_K => (3, 2, true, true, false),
        GgmlType::Q4_K => (4, 0, true, false, true),
        GgmlType::Q5_K => (5, 0, true, false, true),
        GgmlType::Q6_K => (6, 5, true, true, false),
        _ => return None,
    };
    Some(Format { bits, offset_shift, nested, halves, minimum })
}

/// One row's 32 columns.
#[derive(Clone, Copy)]
pub(crate) struct Block {
    /// Quants; of 8-bit types the bits of a signed byte.
    pub quants: [u8; BLOCK],
    /// Half-precision factor of the scales, and of the minimums.
    pub scale: u16,
    pub minimum: u16,
    /// Nested formats: integer scale and minimum of either half (signed where there is no minimum).
    pub scales: [u8; 2],
    pub minimums: [u8; 2],
}

pub(crate) const NOTHING: Block =
    Block { quants: [0; BLOCK], scale: 0, minimum: 0, scales: [0; 2], minimums: [0; 2] };

fn half_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

/// Block `index` of a row. `row` holds the whole row as the file has it.
#[inline]
pub(crate) fn block(kind: GgmlType, row: &[u8], index: usize) -> Block {
    let size = kind.block_bytes();
    if kind.block_elements() == BLOCK {
        simple(kind, &row[index * size..(index + 1) * size])
    } else {
        let (outer, inner) = (index / 8, index % 8);
        nested(kind, &row[outer * size..(outer + 1) * size], inner)
    }
}

fn nibbles(bytes: &[u8]) -> [u8; BLOCK] {
    let mut quants = [0; BLOCK];
    for (at, &byte) in bytes[..16].iter().enumerate() {
        quants[at] = byte & 15;
        quants[at + 16] = byte >> 4;
    }
    quants
}

fn simple(kind: GgmlType, bytes: &[u8]) -> Block {
    let scale = half_at(bytes, 0);
    let with_top_bits = |top: &[u8], low: &[u8]| {
        let top = u32::from_le_bytes([top[0], top[1], top[2], top[3]]);
        let mut quants = nibbles(low);
        for (at, quant) in quants.iter_mut().enumerate() {
            *quant |= ((top >> at) as u8 & 1) << 4;
        }
        quants
    };
    let (quants, minimum) = match kind {
        GgmlType::Q4_0 => (nibbles(&bytes[2..]), 0),
        GgmlType::Q4_1 => (nibbles(&bytes[4..]), half_at(bytes, 2)),
        GgmlType::Q5_0 => (with_top_bits(&bytes[2..], &bytes[6..]), 0),
        GgmlType::Q5_1 => (with_top_bits(&bytes[4..], &bytes[8..]), half_at(bytes, 2)),
        _ => (std::array::from_fn(|at| bytes[2 + at]), 0),
    };
    Block { quants, scale, minimum, ..NOTHING }
}

fn nested(kind: GgmlType, bytes: &[u8], inner: usize) -> Block {
    match kind {
        GgmlType::Q2_K => q2_k(bytes, inner),
        GgmlType::Q3_K => q3_k(bytes, inner),
        GgmlType::Q4_K => q45_k(bytes, None, &bytes[16..144], inner),
        GgmlType::Q5_K => q45_k(bytes, Some(&bytes[16..48]), &bytes[48..176], inner),
        _ => q6_k(bytes, inner),
    }
}

/// The two bits at `shift` of 32 bytes.
fn crumbs(bytes: &[u8], shift: usize) -> [u8; BLOCK] {
    std::array::from_fn(|at| (bytes[at] >> shift) & 3)
}

fn q2_k(bytes: &[u8], inner: usize) -> Block {
    let (scales, quants) = (&bytes[..16], &bytes[16 + inner / 4 * 32..]);
    Block {
        quants: crumbs(quants, inner % 4 * 2),
        scale: half_at(bytes, 80),
        minimum: half_at(bytes, 82),
        scales: [scales[inner * 2] & 15, scales[inner * 2 + 1] & 15],
        minimums: [scales[inner * 2] >> 4, scales[inner * 2 + 1] >> 4],
    }
}

fn q3_k(bytes: &[u8], inner: usize) -> Block {
    let (top, low, packed) = (&bytes[..32], &bytes[32 + inner / 4 * 32..], &bytes[96..108]);
    let mut quants = crumbs(low, inner % 4 * 2);
    for (quant, top) in quants.iter_mut().zip(top) {
        *quant |= ((top >> inner) & 1) << 2;
    }
    let scale = |at: usize| {
        let low = if at < 8 { packed[at] & 15 } else { packed[at - 8] >> 4 };
        let high = (packed[8 + at % 4] >> (at / 4 * 2)) & 3;
        (low | high << 4).wrapping_sub(32)
    };
    let scales = [scale(inner * 2), scale(inner * 2 + 1)];
    Block { quants, scale: half_at(bytes, 108), scales, ..NOTHING }
}

fn q45_k(bytes: &[u8], top: Option<&[u8]>, low: &[u8], inner: usize) -> Block {
    let packed = &bytes[4..16];
    let (scale, minimum) = if inner < 4 {
        (packed[inner] & 63, packed[inner + 4] & 63)
    } else {
        let shared = packed[inner + 4];
        ((shared & 15) | (packed[inner - 4] >> 6) << 4, (shared >> 4) | (packed[inner] >> 6) << 4)
    };
    let pair = &low[inner / 2 * 32..];
    let shift = inner % 2 * 4;
    let mut quants: [u8; BLOCK] = std::array::from_fn(|at| (pair[at] >> shift) & 15);
    if let Some(top) = top {
        for (quant, top) in quants.iter_mut().zip(top) {
            *quant |= ((top >> inner) & 1) << 4;
        }
    }
    Block {
        quants,
        scale: half_at(bytes, 0),
        minimum: half_at(bytes, 2),
        scales: [scale; 2],
        minimums: [minimum; 2],
    }
}

fn q6_k(bytes: &[u8], inner: usize) -> Block {
    let (half, part) = (inner / 4, inner % 4);
    let low = &bytes[half * 64 + part % 2 * 32..];
    let top = &bytes[128 + half * 32..];
    let (low_shift, top_shift) = (part / 2 * 4, part * 2);
    let quants = std::array::from_fn(|at| ((low[at] >> low_shift) & 15) | ((top[at] >> top_shift) & 3) << 4);
    let scales = [bytes[192 + inner * 2], bytes[192 + inner * 2 + 1]];
    Block { quants, scale: half_at(bytes, 208), scales, ..NOTHING }
}

/// Whether rows of this type can be read and multiplied.
pub fn is_supported(kind: GgmlType) -> bool {
    format(kind).is_some() || matches!(kind, GgmlType::F32 | GgmlType::F16 | GgmlType::BF16)
}

/// The row as floats. `row` holds as many bytes as the type asks for `out.len()` columns.
pub(crate) fn dequantise_row(kind: GgmlType, row: &[u8], out: &mut [f32]) {
    let Some(format) = format(kind) else { return read_floats(kind, row, out) };
    let to_f32 = |bits| half::f16::from_bits(bits).to_f32();
    for (index, out) in out.chunks_exact_mut(BLOCK).enumerate() {
        let block = block(kind, row, index);
        let offset = if format.offset_shift == 0 { 0 } else { 1 << format.offset_shift };
        for (at, out) in out.iter_mut().enumerate() {
            let quant = if format.bits == 8 {
                i32::from(block.quants[at] as i8)
            } else {
                i32::from(block.quants[at]) - offset
            };
            let (scale, minimum) = match (format.nested, format.minimum) {
                (false, _) => (to_f32(block.scale), -to_f32(block.minimum)),
                (true, true) => (
                    to_f32(block.scale) * f32::from(block.scales[at / 16]),
                    to_f32(block.minimum) * f32::from(block.minimums[at / 16]),
                ),
                (true, false) => (to_f32(block.scale) * f32::from(block.scales[at / 16] as i8), 0.0),
            };
            *out = scale * quant as f32 - minimum;
        }
    }
}

fn read_floats(kind: GgmlType, row: &[u8], out: &mut [f32]) {
    match kind {
        GgmlType::F32 => {
            for (out, bytes) in out.iter_mut().zip(row.chunks_exact(4)) {
                *out = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            }
        }
        GgmlType::F16 => {
            for (out, bytes) in out.iter_mut().zip(row.chunks_exact(2)) {
                *out = half::f16::from_bits(half_at(bytes, 0)).to_f32();
            }
        }
        _ => {
            for (out, bytes) in out.iter_mut().zip(row.chunks_exact(2)) {
                *out = f32::from_bits(u32::from(half_at(bytes, 0)) << 16);
            }
        }
    }
}
