//! Every kernel against plain arithmetic, and every instruction set against the plain one bit by bit.

use super::activations::Activations;
use super::attention::{Attend, Merge, PAGE, Query, partial_len};
use super::blocks::dequantise_row;
use super::cells::{CacheType, StorePosition};
use super::isa::Isa;
use super::matrix::{Matrix, Product, Rows, multiply};
use super::pool::Pool;
use super::vector::{self, Gate};
use crate::gguf::GgmlType;

const KINDS: [GgmlType; 13] = [
    GgmlType::F32,
    GgmlType::F16,
    GgmlType::BF16,
    GgmlType::Q4_0,
    GgmlType::Q4_1,
    GgmlType::Q5_0,
    GgmlType::Q5_1,
    GgmlType::Q8_0,
    GgmlType::Q2_K,
    GgmlType::Q3_K,
    GgmlType::Q4_K,
    GgmlType::Q5_K,
    GgmlType::Q6_K,
];

/// A small generator of the same numbers every time (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn float(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    fn floats(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.float()).collect()
    }

    /// Bytes of rows of a type: random everywhere, with scales that are small numbers.
    fn rows(&mut self, kind: GgmlType, count: usize, columns: usize) -> Vec<u8> {
        let blocks = count * columns / kind.block_elements();
        let mut bytes = Vec::new();
        for _ in 0..blocks {
            let start = bytes.len();
            bytes.extend((0..kind.block_bytes()).map(|_| self.next() as u8));
            let halves: &[usize] = match kind {
                GgmlType::F32 => {
                    bytes.truncate(start);
                    bytes.extend(self.float().to_le_bytes());
                    &[]
                }
                GgmlType::BF16 => {
                    bytes.truncate(start);
                    bytes.extend(&self.float().to_le_bytes()[2..]);
                    &[]
                }
                GgmlType::F16 | GgmlType::Q4_0 | GgmlType::Q5_0 | GgmlType::Q8_0 => &[0],
                GgmlType::Q2_K => &[80, 82],
                GgmlType::Q3_K => &[108],
                GgmlType::Q6_K => &[208],
                _ => &[0, 2],
            };
            for &at in halves {
                let half = half::f16::from_f32(self.float() / 16.0).to_le_bytes();
                bytes[start + at..start + at + 2].copy_from_slice(&half);
            }
        }
        bytes
    }
}

fn product(isa: Isa, pool: &Pool, matrix: &Matrix, values: &[f32]) -> Vec<f32> {
    let mut quantised = Activations::default();
    if matrix.wants_quantised() {
        quantised.quantise(isa, values, matrix.columns);
    }
    let mut out = vec![f32::NAN; values.len() / matrix.columns * matrix.rows];
    let input = Rows { floats: values, quantised: &quantised };
    multiply(pool, isa, input, &mut [Product { matrix, out: &mut out }]);
    out
}

/// Odd shapes: rows that leave a group unfilled, columns that are one, many, and not a round number of chunks.
const SHAPES: [(usize, usize); 4] = [(16, 256), (40, 1536), (19, 512), (33, 2304)];

#[test]
fn products_are_those_of_the_dequantised_weights() {
    let pool = Pool::new(2);
    let mut random = Random(1);
    for kind in KINDS {
        for (rows, columns) in SHAPES {
            let data = random.rows(kind, rows, columns);
            let values = random.floats(3 * columns);
            let matrix = Matrix::pack(kind, rows, columns, &data, &pool);
            let out = product(Isa::detect(), &pool, &matrix, &values);
            let mut weights = vec![0.0; columns];
            for row in 0..rows {
                let bytes = data.len() / rows;
                dequantise_row(kind, &data[row * bytes..(row + 1) * bytes], &mut weights);
                for m in 0..3 {
                    let inputs = &values[m * columns..(m + 1) * columns];
                    let exact: f64 = weights.iter().zip(inputs).map(|(w, x)| f64::from(w * x)).sum();
                    let size: f64 = weights.iter().map(|w| f64::from(w * w)).sum::<f64>().sqrt();
                    // The error of 8-bit activations: a uniform rounding of 1/254 in each of the columns.
                    let bound = if matrix.wants_quantised() { size / 254.0 * 4.0 } else { size * 1e-4 };
                    let found = f64::from(out[m * rows + row]);
                    assert!((found - exact).abs() <= bound, "{kind} {rows}x{columns}: {found} for {exact}");
                }
            }
        }
    }
}

#[test]
fn odd_widths_of_plain_blocks_are_exact_too() {
    let pool = Pool::new(1);
    let mut random = Random(2);
    for kind in [GgmlType::Q4_0, GgmlType::Q4_1, GgmlType::Q5_0, GgmlType::Q5_1, GgmlType::Q8_0] {
        let (rows, columns) = (48, 32 * 35);
        let data = random.rows(kind, rows, columns);
        let values = random.floats(6 * columns);
        let matrix = Matrix::pack(kind, rows, columns, &data, &pool);
        let reference = product(Isa::Plain, &pool, &matrix, &values);
        for isa in Isa::available() {
            assert_eq!(product(isa, &pool, &matrix, &values), reference, "{kind} {isa:?}");
        }
    }
}

#[test]
fn instruction_sets_batches_and_threads_give_the_same_bits() {
    let mut random = Random(3);
    let pools = [Pool::new(1), Pool::new(3)];
    for kind in KINDS {
        for (rows, columns) in [(40, 1536), (19, 512)] {
            let data = random.rows(kind, rows, columns);
            let mut matrix = Matrix::pack(kind, rows, columns, &data, &pools[0]);
            matrix.bias = Some(random.floats(rows));
            let values = random.floats(13 * columns);
            let reference = product(Isa::Plain, &pools[0], &matrix, &values);
            for isa in Isa::available() {
                for pool in &pools {
                    assert_eq!(product(isa, pool, &matrix, &values), reference, "{kind} {isa:?}");
                }
                for batch in 1..=5 {
                    let values = &values[..batch * columns];
                    let found = product(isa, &pools[1], &matrix, values);
                    assert_eq!(found, reference[..batch * rows], "{kind} {isa:?} batch {batch}");
                }
            }
        }
    }
}

/// Attention of two queries, of which the second sees fewer positions, over `pages` pages.
fn attention(
    isa: Isa,
    cache: CacheType,
    together: bool,
    pages: usize,
    dimension: usize,
    cap: f32,
) -> Vec<f32> {
    let mut random = Random(4);
    let queries = random.floats(2 * dimension);
    let sees = [(0, pages * PAGE - 3), (37, pages * PAGE - 70)];
    let mut parts = vec![0.0; 2 * pages * partial_len(dimension)];
    for page in 0..pages {
        let words = PAGE * cache.words(dimension);
        let (mut keys, mut values) = (vec![0; words], vec![0; words]);
        for slot in 0..PAGE {
            let (key, value) = (random.floats(dimension), random.floats(dimension));
            let (keys, values) = (keys.as_mut_ptr(), values.as_mut_ptr());
            let store = StorePosition { cache, slot, key: &key, value: &value, keys, values };
            // SAFETY: available instructions; the page is whole.
            unsafe { isa.run(store) };
        }
        let mut list = Vec::new();
        for (index, (from, to)) in sees.into_iter().enumerate() {
            let from = usize::clamp(from, page * PAGE, page * PAGE + PAGE) - page * PAGE;
            let to = usize::clamp(to, page * PAGE, page * PAGE + PAGE) - page * PAGE;
            let out = &mut parts[(index * pages + page) * partial_len(dimension)..];
            list.push(Query {
                query: queries[index * dimension..].as_ptr(),
                from,
                to,
                out: out.as_mut_ptr(),
            });
        }
        let batches: Vec<&[Query]> = if together { vec![&list[..]] } else { list.chunks(1).collect() };
        for queries in batches {
            let attend = Attend { cache, keys: &keys, values: &values, dimension, cap, queries };
            // SAFETY: available instructions; every query sees part of every page.
            unsafe { isa.run(attend) };
        }
    }
    let mut out = vec![0.0; 2 * dimension];
    for (parts, out) in parts.chunks_mut(pages * partial_len(dimension)).zip(out.chunks_mut(dimension)) {
        // SAFETY: available instructions.
        unsafe { isa.run(Merge { parts, out }) };
    }
    out
}

/// The same by the definition, in double precision.
fn attention_by_definition(cache: CacheType, pages: usize, dimension: usize, cap: f64) -> Vec<f64> {
    let mut random = Random(4);
    let queries = random.floats(2 * dimension);
    let half = |value: f32| half::f16::from_f32(value).to_f64();
    let kept = |values: Vec<f32>| -> Vec<f64> {
        if cache == CacheType::F16 {
            return values.into_iter().map(half).collect();
        }
        let blocks = values.chunks(32).map(|block| {
            let factor = half(block.iter().fold(0.0, |most, value| f32::max(most, value.abs())) / 127.0);
            block.iter().map(move |&value| (f64::from(value) / factor).round().clamp(-127.0, 127.0) * factor)
        });
        blocks.flatten().collect()
    };
    let cache: Vec<_> =
        (0..pages * PAGE).map(|_| (kept(random.floats(dimension)), kept(random.floats(dimension)))).collect();
    let mut out = Vec::new();
    for (index, (from, to)) in [(0, pages * PAGE - 3), (37, pages * PAGE - 70)].into_iter().enumerate() {
        let query = &queries[index * dimension..(index + 1) * dimension];
        let score = |key: &[f64]| -> f64 {
            let dot: f64 = key.iter().zip(query).map(|(k, q)| k * f64::from(*q)).sum();
            if cap > 0.0 { cap * (dot / cap).tanh() } else { dot }
        };
        let weights: Vec<f64> = cache[from..to].iter().map(|(key, _)| score(key).exp()).collect();
        let total: f64 = weights.iter().sum();
        for at in 0..dimension {
            let sum: f64 = cache[from..to].iter().zip(&weights).map(|((_, v), w)| v[at] * w).sum();
            out.push(sum / total);
        }
    }
    out
}

#[test]
fn attention_is_that_of_the_definition_and_the_same_everywhere() {
    // Where a number lies in the middle between two bytes, both may be right.
    for (cache, tolerance) in [(CacheType::F16, 1e-5), (CacheType::Q8, 1e-4)] {
        for (pages, dimension, cap) in [(1, 64, 0.0), (3, 96, 0.0), (2, 128, 5.0), (1, 80, 0.0)] {
            let reference = attention(Isa::Plain, cache, true, pages, dimension, cap);
            let exact = attention_by_definition(cache, pages, dimension, f64::from(cap));
            for (found, exact) in reference.iter().zip(&exact) {
                assert!((f64::from(*found) - exact).abs() < tolerance, "{cache:?}: {found} for {exact}");
            }
            for isa in Isa::available() {
                for together in [false, true] {
                    let found = attention(isa, cache, together, pages, dimension, cap);
                    assert_eq!(found, reference, "{isa:?} {cache:?} {together}");
                }
            }
        }
    }
}

#[test]
fn norms_and_gates_are_close_to_their_definitions_and_the_same_everywhere() {
    let mut random = Random(5);
    let values: Vec<f32> = random.floats(4 * 160).into_iter().map(|x| x * 12.0).collect();
    let weight = random.floats(160);
    let normed = |isa| {
        let mut out = vec![0.0; values.len()];
        vector::rms_norm(isa, &values, &weight, 1e-6, &mut out);
        out
    };
    let gate = |isa, kind| {
        let mut out = values.clone();
        vector::gated(isa, kind, &mut out, &vec![1.0; values.len()]);
        vector::add_scaled(isa, &mut out, &values, 0.25);
        out
    };
    for (row, found) in values.chunks(160).zip(normed(Isa::Plain).chunks(160)) {
        let mean: f64 = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>() / 160.0;
        for ((x, w), found) in row.iter().zip(&weight).zip(found) {
            let exact = f64::from(*x) / (mean + 1e-6).sqrt() * f64::from(*w);
            assert!((f64::from(*found) - exact).abs() < 1e-5);
        }
    }
    for (x, found) in values.iter().zip(gate(Isa::Plain, Gate::Silu)) {
        let x = f64::from(*x);
        assert!((f64::from(found) - x / (1.0 + (-x).exp()) - x / 4.0).abs() < 1e-5);
    }
    for (x, found) in values.iter().zip(gate(Isa::Plain, Gate::Gelu)) {
        let x = f64::from(*x);
        let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
        assert!((f64::from(found) - 0.5 * x * (1.0 + inner.tanh()) - x / 4.0).abs() < 1e-5);
    }
    for isa in Isa::available() {
        assert_eq!(normed(isa), normed(Isa::Plain), "{isa:?}");
        for kind in [Gate::Silu, Gate::Gelu] {
            assert_eq!(gate(isa, kind), gate(Isa::Plain, kind), "{isa:?} {kind:?}");
        }
    }
}
