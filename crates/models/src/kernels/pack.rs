//! Weights in the order in which the matrix kernels read them.
//!
//! Sixteen rows are interleaved into a group, so that the lanes of a vector are rows and no kernel ever adds
//! across lanes. A group is a run of 32-column blocks; a block is its scales and then its quants cut into
//! planes of bits. Sizes stay within three percent of the file's (Q2_K: a fifth more).
//!
//! ```text
//! group   = block*                      plain formats
//!         | (factors block{8})*         nested formats: f16 scale factor x16 [, f16 minimum factor x16]
//! block   = scales planes
//! scales  = f16 scale x16 [, f16 minimum x16]                       plain formats
//!         | u8 scale x16 per part [, u8 minimum x16 per part]       nested formats; one or two parts
//! planes  = for 4 bits: 4 vectors of 64 bytes, low nibbles step p, high nibbles step p + 4
//!           2 more bits: 2 vectors of crumbs, 1 more bit: 1 vector of bits, 8 bits: 8 vectors
//! ```
//! A step is four neighbouring columns of each row: byte `4 * row + column` of a vector. Floats are
//! `columns x 16` elements as they are.

use super::blocks::{BLOCK, Block, Format, NOTHING, SUPER, block, format};
use crate::gguf::GgmlType;

/// Rows of a group.
pub(crate) const GROUP: usize = 16;

impl Format {
    pub(crate) const fn parts(self) -> usize {
        if self.halves { 2 } else { 1 }
    }

    pub(crate) const fn planes_bytes(self) -> usize {
        self.bits as usize * 64
    }

    /// Bytes of the factors in front of eight blocks of a nested format.
    pub(crate) const fn factors_bytes(self) -> usize {
        match (self.nested, self.minimum) {
            (false, _) => 0,
            (true, false) => 32,
            (true, true) => 64,
        }
    }

    pub(crate) const fn scales_bytes(self) -> usize {
        let kinds = if self.minimum { 2 } else { 1 };
        if self.nested { self.parts() * 16 * kinds } else { 32 * kinds }
    }

    pub(crate) const fn block_bytes(self) -> usize {
        self.scales_bytes() + self.planes_bytes()
    }
}

/// Bytes of a packed group of sixteen rows.
pub(crate) fn group_bytes(kind: GgmlType, columns: usize) -> usize {
    match format(kind) {
        Some(format) => columns / BLOCK * format.block_bytes() + columns / SUPER * format.factors_bytes(),
        None => columns * GROUP * kind.block_bytes(),
    }
}

/// Packs up to sixteen rows, each as the file has it, into `out` of [`group_bytes`] bytes. Rows that are
/// missing become zeros.
pub(crate) fn pack_group(kind: GgmlType, columns: usize, rows: &[&[u8]], out: &mut [u8]) {
    match format(kind) {
        Some(format) => pack_quantised(kind, format, columns, rows, out),
        None => pack_floats(kind.block_bytes(), rows, out),
    }
}

fn pack_floats(size: usize, rows: &[&[u8]], out: &mut [u8]) {
    out.fill(0);
    for (lane, row) in rows.iter().enumerate() {
        for (column, value) in row.chunks_exact(size).enumerate() {
            out[(column * GROUP + lane) * size..][..size].copy_from_slice(value);
        }
    }
}

fn pack_quantised(kind: GgmlType, format: Format, columns: usize, rows: &[&[u8]], mut out: &mut [u8]) {
    for index in 0..columns / BLOCK {
        let mut blocks = [NOTHING; GROUP];
        for (to, row) in blocks.iter_mut().zip(rows) {
            *to = block(kind, row, index);
        }
        if format.nested && index % 8 == 0 {
            let (factors, rest) = out.split_at_mut(format.factors_bytes());
            put_halves(format, &blocks, factors);
            out = rest;
        }
        let (scales, rest) = out.split_at_mut(format.scales_bytes());
        let (planes, rest) = rest.split_at_mut(format.planes_bytes());
        if format.nested {
            put_small_scales(format, &blocks, scales);
        } else {
            put_halves(format, &blocks, scales);
        }
        put_planes(format.bits, &blocks, planes);
        out = rest;
    }
}

fn put_halves(format: Format, blocks: &[Block; GROUP], out: &mut [u8]) {
    for (lane, block) in blocks.iter().enumerate() {
        out[lane * 2..][..2].copy_from_slice(&block.scale.to_le_bytes());
        if format.minimum {
            out[32 + lane * 2..][..2].copy_from_slice(&block.minimum.to_le_bytes());
        }
    }
}

fn put_small_scales(format: Format, blocks: &[Block; GROUP], out: &mut [u8]) {
    let parts = format.parts();
    for (lane, block) in blocks.iter().enumerate() {
        for part in 0..parts {
            out[part * 16 + lane] = block.scales[part];
            if format.minimum {
                out[(parts + part) * 16 + lane] = block.minimums[part];
            }
        }
    }
}

/// Writes the quants as planes; every plane is made of words of four columns of one row.
fn put_planes(bits: u32, blocks: &[Block; GROUP], out: &mut [u8]) {
    for (lane, block) in blocks.iter().enumerate() {
        let words: [u32; 8] = std::array::from_fn(|step| {
            let at = step * 4;
            let quants = &block.quants;
            u32::from_le_bytes([quants[at], quants[at + 1], quants[at + 2], quants[at + 3]])
        });
        let mut vector = 0;
        let mut put = |word: u32| {
            out[vector * 64 + lane * 4..][..4].copy_from_slice(&word.to_le_bytes());
            vector += 1;
        };
        let nibbles = |step: usize| words[step] & 0x0f0f_0f0f;
        let crumbs = |from: usize, shift: u32| {
            (0..4).fold(0, |all, step| all | ((words[from + step] >> shift) & 0x0303_0303) << (2 * step))
        };
        let top_bits = |shift: u32| {
            (0..8).fold(0, |all, step: usize| all | ((words[step] >> shift) & 0x0101_0101) << step)
        };
        if bits == 8 {
            words.into_iter().for_each(&mut put);
        }
        if matches!(bits, 4..=6) {
            (0..4).for_each(|step| put(nibbles(step) | nibbles(step + 4) << 4));
        }
        match bits {
            2 | 3 => [0, 4].into_iter().for_each(|from| put(crumbs(from, 0))),
            6 => [0, 4].into_iter().for_each(|from| put(crumbs(from, 4))),
            _ => {}
        }
        match bits {
            3 => put(top_bits(2)),
            5 => put(top_bits(4)),
            _ => {}
        }
    }
}
