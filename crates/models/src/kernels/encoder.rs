//! What an encoder computes that a decoder does not: layer norms with offsets, attention both ways over a short
//! text, and the exact GELU.

use super::isa::{Isa, Kernel};
use super::lanes::Lanes;
use super::math;

/// Lanes of a vector.
const LANES: usize = 16;

/// Query rows that attention works on at once.
const ROWS: usize = 4;

/// `values = norm(values + change) * weight + offset`, with mean 0 and variance 1 (LayerNorm), for each row of
/// `weight.len()` values, a multiple of 16.
pub(crate) fn add_and_norm(
    isa: Isa,
    values: &mut [f32],
    change: &[f32],
    (weight, offset): (&[f32], &[f32]),
    epsilon: f32,
) {
    assert!(values.len() == change.len() && weight.len() == offset.len());
    assert!(weight.len().is_multiple_of(LANES) && values.len().is_multiple_of(weight.len()));
    // SAFETY: an `Isa` in use is available; lengths are checked.
    unsafe { isa.run(AddAndNorm { values, change, weight, offset, epsilon }) }
}

struct AddAndNorm<'a> {
    values: &'a mut [f32],
    change: &'a [f32],
    weight: &'a [f32],
    offset: &'a [f32],
    epsilon: f32,
}

impl Kernel for AddAndNorm<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let width = self.weight.len();
        let rows = self.values.chunks_exact_mut(width).zip(self.change.chunks_exact(width));
        for (row, change) in rows {
            // SAFETY: all four are `width` long, a multiple of 16.
            unsafe {
                let mut sum = L::splat(0.0);
                for at in (0..width).step_by(LANES) {
                    let x = L::add(L::load(row.as_ptr().add(at)), L::load(change.as_ptr().add(at)));
                    L::store(row.as_mut_ptr().add(at), x);
                    sum = L::add(sum, x);
                }
                let mean = L::splat(L::sum(sum) / width as f32);
                let mut squares = L::splat(0.0);
                for at in (0..width).step_by(LANES) {
                    let x = L::sub(L::load(row.as_ptr().add(at)), mean);
                    squares = L::fma(x, x, squares);
                }
                let scale = L::splat(1.0 / (L::sum(squares) / width as f32 + self.epsilon).sqrt());
                for at in (0..width).step_by(LANES) {
                    let x = L::mul(L::sub(L::load(row.as_ptr().add(at)), mean), scale);
                    let weight = L::load(self.weight.as_ptr().add(at));
                    let x = L::fma(x, weight, L::load(self.offset.as_ptr().add(at)));
                    L::store(row.as_mut_ptr().add(at), x);
                }
            }
        }
    }
}

/// `x / 2 * (1 + erf(x / sqrt 2))`, a multiple of 16 values.
pub(crate) fn gelu_erf(isa: Isa, values: &mut [f32]) {
    assert!(values.len().is_multiple_of(LANES));
    // SAFETY: an `Isa` in use is available; the length is checked.
    unsafe { isa.run(GeluErf(values)) }
}

struct GeluErf<'a>(&'a mut [f32]);

impl Kernel for GeluErf<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        for values in self.0.chunks_exact_mut(LANES) {
            // SAFETY: chunks have 16 values; the caller vouches for the instructions.
            unsafe {
                let x = L::load(values.as_ptr());
                let half = L::mul(x, L::splat(0.5));
                let tail = complement::<L>(L::mul(L::abs(x), L::splat(std::f32::consts::FRAC_1_SQRT_2)));
                // With the tail 1 - erf(|x| / sqrt 2): x - tail * x / 2 above zero, tail * x / 2 below.
                let part = L::abs(L::mul(half, tail));
                L::store(values.as_mut_ptr(), L::sub(L::max(x, L::splat(0.0)), part));
            }
        }
    }
}

/// `1 - erf(x)` for `x >= 0`, to 1.5e-7 (Abramowitz and Stegun 7.1.26).
///
/// # Safety
/// The CPU has the instructions of `L`.
#[inline(always)]
unsafe fn complement<L: Lanes>(x: L::F) -> L::F {
    // SAFETY: the caller's.
    unsafe {
        let one = L::splat(1.0);
        let t = L::div(one, L::fma(x, L::splat(0.327_591_1), one));
        let mut p = L::splat(1.061_405_4);
        for coefficient in [-1.453_152, 1.421_413_8, -0.284_496_74, 0.254_829_6] {
            p = L::fma(p, t, L::splat(coefficient));
        }
        let bell = math::exp::<L>(L::sub(L::splat(0.0), L::mul(x, x)));
        L::mul(L::mul(p, t), bell)
    }
}

/// Rows of queries, keys, values and results of one text, of which one head is columns.
#[derive(Clone, Copy)]
pub(crate) struct Head {
    pub query: *const f32,
    pub key: *const f32,
    pub value: *const f32,
    pub out: *mut f32,
    /// Floats from one row to the next, in all four.
    pub stride: usize,
    /// Rows: tokens of the text.
    pub length: usize,
    /// Columns of a head, a multiple of 16.
    pub dimension: usize,
}

// SAFETY: only carried to the thread that calls `attend`, whose caller vouches for the places.
unsafe impl Send for Head {}
// SAFETY: as above.
unsafe impl Sync for Head {}

/// `out = softmax(query * key / sqrt(dimension)) * value`, every token with every token of the text.
///
/// # Safety
/// There are `length` rows of `dimension` floats at all four places, and nobody else writes to `out`'s or to what is
/// read meanwhile.
pub(crate) unsafe fn attend(isa: Isa, head: Head) {
    assert!(head.dimension.is_multiple_of(LANES));
    // SAFETY: an `Isa` in use is available; the rest is the caller's.
    unsafe { isa.run(Attend(head)) }
}

struct Attend(Head);

impl Kernel for Attend {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let head = self.0;
        let padded = head.length.next_multiple_of(LANES);
        let mut keys = vec![0f32; head.dimension * padded];
        let mut scores = vec![0f32; ROWS * padded];
        // SAFETY: rows are within `length`, columns within `dimension`; the buffers have room for `padded`.
        unsafe {
            for row in 0..head.length {
                for column in 0..head.dimension {
                    keys[column * padded + row] = *head.key.add(row * head.stride + column);
                }
            }
            let mut first = 0;
            while first < head.length {
                // The last rows are done again with the ones before them where they are fewer than four.
                let rows = std::array::from_fn(|row| (first + row).min(head.length - 1));
                score::<L>(head, &rows, &keys, &mut scores, padded);
                // No closure: one that is not inlined is not compiled for the instructions of `L`.
                let mut sums = [0.0; ROWS];
                for (sum, scores) in sums.iter_mut().zip(scores.chunks_exact_mut(padded)) {
                    *sum = soften::<L>(scores, head.length);
                }
                mix::<L>(head, &rows, &scores, sums, padded);
                first += ROWS;
            }
        }
    }
}

/// Scores of four query rows against all keys.
///
/// # Safety
/// As [`attend`]; `keys` is `dimension x padded`, `scores` `4 x padded`.
#[inline(always)]
unsafe fn score<L: Lanes>(head: Head, rows: &[usize; ROWS], keys: &[f32], scores: &mut [f32], padded: usize) {
    let scale = 1.0 / (head.dimension as f32).sqrt();
    // SAFETY: the caller's.
    unsafe {
        for at in (0..padded).step_by(LANES) {
            let mut sums = [L::splat(0.0); ROWS];
            for column in 0..head.dimension {
                let key = L::load(keys.as_ptr().add(column * padded + at));
                for (sum, row) in sums.iter_mut().zip(rows) {
                    *sum = L::fma(L::splat(*head.query.add(row * head.stride + column)), key, *sum);
                }
            }
            for (row, sum) in sums.into_iter().enumerate() {
                L::store(scores.as_mut_ptr().add(row * padded + at), L::mul(sum, L::splat(scale)));
            }
        }
    }
}

/// Scores to weights that are not yet divided by their sum, which is returned.
///
/// # Safety
/// The CPU has the instructions of `L`; `scores` is a multiple of 16 long and `length` at most that.
#[inline(always)]
unsafe fn soften<L: Lanes>(scores: &mut [f32], length: usize) -> f32 {
    scores[length..].fill(f32::MIN);
    // SAFETY: steps of 16 within the slice.
    unsafe {
        let mut largest = L::load(scores.as_ptr());
        for at in (LANES..scores.len()).step_by(LANES) {
            largest = L::max(largest, L::load(scores.as_ptr().add(at)));
        }
        let largest = L::splat(L::largest(largest));
        let mut sum = L::splat(0.0);
        for at in (0..scores.len()).step_by(LANES) {
            let weight = math::exp::<L>(L::sub(L::load(scores.as_ptr().add(at)), largest));
            L::store(scores.as_mut_ptr().add(at), weight);
            if at + LANES <= length {
                sum = L::add(sum, weight);
            }
        }
        let rest = length / LANES * LANES;
        scores[rest..length].iter().fold(L::sum(sum), |sum, weight| sum + weight)
    }
}

/// The values of all tokens, weighted, for four rows.
///
/// # Safety
/// As [`attend`]; `weights` is `4 x padded`.
#[inline(always)]
unsafe fn mix<L: Lanes>(head: Head, rows: &[usize; ROWS], weights: &[f32], sums: [f32; ROWS], padded: usize) {
    // SAFETY: the caller's.
    unsafe {
        for at in (0..head.dimension).step_by(LANES) {
            let mut mixed = [L::splat(0.0); ROWS];
            for token in 0..head.length {
                let value = L::load(head.value.add(token * head.stride + at));
                for (row, mixed) in mixed.iter_mut().enumerate() {
                    *mixed = L::fma(L::splat(*weights.as_ptr().add(row * padded + token)), value, *mixed);
                }
            }
            for (index, row) in rows.iter().enumerate() {
                let share = L::mul(mixed[index], L::splat(1.0 / sums[index]));
                L::store(head.out.add(row * head.stride + at), share);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(count: usize, seed: u32) -> Vec<f32> {
        let value = |index: u32| {
            let bits = (index.wrapping_mul(2_654_435_761) ^ seed).wrapping_mul(2_246_822_519) >> 8;
            bits as f32 / (1 << 23) as f32 - 1.0
        };
        (0..count as u32).map(value).collect()
    }

    fn close(a: &[f32], b: &[f32], within: f32) {
        assert_eq!(a.len(), b.len());
        for (index, (a, b)) in a.iter().zip(b).enumerate() {
            assert!((a - b).abs() <= within, "{index}: {a} {b}");
        }
    }

    /// The error function by its series, which converges for all `x` that are asked.
    fn erf(x: f64) -> f64 {
        let mut term = x;
        let mut sum = x;
        for n in 1..200 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        sum * 2.0 / std::f64::consts::PI.sqrt()
    }

    #[test]
    fn gelu_is_exact() {
        let inputs: Vec<f32> = (-64..64).map(|index| index as f32 / 16.0).collect();
        let exact: Vec<f32> = inputs
            .iter()
            .map(|&x| {
                (f64::from(x) / 2.0 * (1.0 + erf(f64::from(x) * std::f64::consts::FRAC_1_SQRT_2))) as f32
            })
            .collect();
        let mut plain = inputs.clone();
        gelu_erf(Isa::Plain, &mut plain);
        close(&plain, &exact, 2e-6);
        for isa in Isa::available() {
            let mut values = inputs.clone();
            gelu_erf(isa, &mut values);
            assert_eq!(values, plain, "{isa:?}");
        }
    }

    #[test]
    fn norms_are_those_of_the_formula() {
        let (width, epsilon) = (48, 1e-5);
        let (start, change) = (noise(3 * width, 1), noise(3 * width, 2));
        let (weight, offset) = (noise(width, 3), noise(width, 4));
        let mut plain = start.clone();
        add_and_norm(Isa::Plain, &mut plain, &change, (&weight, &offset), epsilon);
        for row in 0..3 {
            let x: Vec<f64> = (0..width)
                .map(|at| f64::from(start[row * width + at]) + f64::from(change[row * width + at]))
                .collect();
            let mean = x.iter().sum::<f64>() / width as f64;
            let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / width as f64;
            let expected: Vec<f32> = (0..width)
                .map(|at| {
                    let scaled = (x[at] - mean) / (variance + f64::from(epsilon)).sqrt();
                    (scaled * f64::from(weight[at]) + f64::from(offset[at])) as f32
                })
                .collect();
            close(&plain[row * width..(row + 1) * width], &expected, 1e-5);
        }
        for isa in Isa::available() {
            let mut values = start.clone();
            add_and_norm(isa, &mut values, &change, (&weight, &offset), epsilon);
            assert_eq!(values, plain, "{isa:?}");
        }
    }

    #[test]
    fn attention_is_that_of_the_formula_for_every_length() {
        for length in [1, 3, 4, 16, 17, 37] {
            let (dimension, stride) = (16, 40);
            let [q, k, v] = [5, 6, 7].map(|seed| noise(length * stride, seed));
            let run = |isa| {
                let mut out = vec![0f32; length * stride];
                let head = Head {
                    query: q.as_ptr(),
                    key: k.as_ptr(),
                    value: v.as_ptr(),
                    out: out.as_mut_ptr(),
                    stride,
                    length,
                    dimension,
                };
                // SAFETY: all four have `length` rows of `stride` floats.
                unsafe { attend(isa, head) };
                out
            };
            let plain = run(Isa::Plain);
            for row in 0..length {
                let weights: Vec<f64> = (0..length)
                    .map(|other| {
                        let dot =
                            (0..dimension).map(|at| f64::from(q[row * stride + at] * k[other * stride + at]));
                        (dot.sum::<f64>() / (dimension as f64).sqrt()).exp()
                    })
                    .collect();
                let total: f64 = weights.iter().sum();
                for at in 0..dimension {
                    let mixed: f64 =
                        (0..length).map(|other| weights[other] * f64::from(v[other * stride + at])).sum();
                    assert!((f64::from(plain[row * stride + at]) - mixed / total).abs() < 1e-5);
                }
                assert!(plain[row * stride + dimension..(row + 1) * stride].iter().all(|&x| x == 0.0));
            }
            for isa in Isa::available() {
                assert_eq!(run(isa), plain, "{isa:?} {length}");
            }
        }
    }
}
