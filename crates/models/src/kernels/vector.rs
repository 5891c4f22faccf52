//! What is done to activation rows between the matrices: norms, gates, rotations.

use super::isa::{Isa, Kernel};
use super::lanes::Lanes;
use super::math;

/// The non-linearity of a gated feed-forward layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    Silu,
    Gelu,
}

/// `out = x / sqrt(mean(x^2) + epsilon) * weight` (RMSNorm), for each row of `weight.len()` values, a
/// multiple of 16.
pub(crate) fn rms_norm(isa: Isa, values: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]) {
    assert!(values.len() == out.len() && weight.len().is_multiple_of(16));
    // SAFETY: an `Isa` in use is available; lengths are checked.
    unsafe {
        isa.run(RmsNorm {
            values: values.as_ptr(),
            rows: values.len() / weight.len(),
            weight,
            epsilon,
            out: out.as_mut_ptr(),
        })
    }
}

/// [`rms_norm`] in place.
pub(crate) fn rms_norm_in_place(isa: Isa, values: &mut [f32], weight: &[f32], epsilon: f32) {
    assert!(weight.len().is_multiple_of(16) && values.len().is_multiple_of(weight.len()));
    let at = values.as_mut_ptr();
    // SAFETY: as above; every value is read before its place is written.
    unsafe { isa.run(RmsNorm { values: at, rows: values.len() / weight.len(), weight, epsilon, out: at }) }
}

struct RmsNorm<'a> {
    values: *const f32,
    rows: usize,
    weight: &'a [f32],
    epsilon: f32,
    out: *mut f32,
}

impl Kernel for RmsNorm<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let width = self.weight.len();
        // SAFETY: there are `rows * width` values and places; `width` is a multiple of 16.
        unsafe {
            for row in 0..self.rows {
                let (from, to) = (self.values.add(row * width), self.out.add(row * width));
                let mut squares = L::splat(0.0);
                for at in (0..width).step_by(16) {
                    let x = L::load(from.add(at));
                    squares = L::fma(x, x, squares);
                }
                let scale = L::splat(1.0 / (L::sum(squares) / width as f32 + self.epsilon).sqrt());
                for at in (0..width).step_by(16) {
                    let x = L::mul(L::load(from.add(at)), scale);
                    L::store(to.add(at), L::mul(x, L::load(self.weight.as_ptr().add(at))));
                }
            }
        }
    }
}

/// `gate = activation(gate) * up`, a multiple of 16 values.
pub(crate) fn gated(isa: Isa, kind: Gate, gate: &mut [f32], up: &[f32]) {
    assert!(gate.len() == up.len() && gate.len().is_multiple_of(16));
    // SAFETY: an `Isa` in use is available; lengths are checked.
    unsafe { isa.run(Gated { kind, gate, up }) }
}

struct Gated<'a> {
    kind: Gate,
    gate: &'a mut [f32],
    up: &'a [f32],
}

impl Kernel for Gated<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        for (gate, up) in self.gate.chunks_exact_mut(16).zip(self.up.chunks_exact(16)) {
            // SAFETY: chunks have 16 values.
            unsafe {
                let x = L::load(gate.as_ptr());
                let x = match self.kind {
                    Gate::Silu => math::silu::<L>(x),
                    Gate::Gelu => math::gelu::<L>(x),
                };
                L::store(gate.as_mut_ptr(), L::mul(x, L::load(up.as_ptr())));
            }
        }
    }
}

/// `values += scale * change`, a multiple of 16 values.
pub(crate) fn add_scaled(isa: Isa, values: &mut [f32], change: &[f32], scale: f32) {
    assert!(values.len() == change.len() && values.len().is_multiple_of(16));
    // SAFETY: an `Isa` in use is available; lengths are checked.
    unsafe { isa.run(AddScaled { values, change, scale }) }
}

struct AddScaled<'a> {
    values: &'a mut [f32],
    change: &'a [f32],
    scale: f32,
}

impl Kernel for AddScaled<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        for (value, change) in self.values.chunks_exact_mut(16).zip(self.change.chunks_exact(16)) {
            // SAFETY: chunks have 16 values.
            unsafe {
                let sum = L::fma(L::load(change.as_ptr()), L::splat(self.scale), L::load(value.as_ptr()));
                L::store(value.as_mut_ptr(), sum);
            }
        }
    }
}

/// Which elements of a head are rotated together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pairing {
    /// Neighbours `2i` and `2i + 1` (Llama).
    Neighbours,
    /// `i` and `i + n/2` (GPT-NeoX).
    Halves,
}

/// Rotates the first `2 * cos.len()` elements of a head (RoPE).
pub(crate) fn rotate(pairing: Pairing, head: &mut [f32], cos: &[f32], sin: &[f32]) {
    let half = cos.len();
    match pairing {
        Pairing::Neighbours => {
            for ((pair, cos), sin) in head.chunks_exact_mut(2).zip(cos).zip(sin) {
                (pair[0], pair[1]) = (pair[0] * cos - pair[1] * sin, pair[0] * sin + pair[1] * cos);
            }
        }
        Pairing::Halves => {
            let (low, rest) = head.split_at_mut(half);
            for (((a, b), cos), sin) in low.iter_mut().zip(rest).zip(cos).zip(sin) {
                (*a, *b) = (*a * cos - *b * sin, *a * sin + *b * cos);
            }
        }
    }
}
