//! The functions of one variable, in lanes, from operations that give the same bits everywhere.

use super::lanes::Lanes;

/// `e^x` to about one unit in the last place, for `x` in -87..=88; beyond, the value there. Cephes' `expf`.
///
/// # Safety
/// The CPU has the instructions of `L`.
#[inline(always)]
pub(crate) unsafe fn exp<L: Lanes>(x: L::F) -> L::F {
    // SAFETY: the caller's; the rounded exponent is in -126..=127.
    unsafe {
        let x = L::max(L::min(x, L::splat(88.0)), L::splat(-87.0));
        let n = L::round(L::mul(x, L::splat(std::f32::consts::LOG2_E)));
        let whole = L::to_f(n);
        let r = L::fma(whole, L::splat(-0.693_359_4), x);
        let r = L::fma(whole, L::splat(2.121_944_4e-4), r);
        let mut p = L::splat(1.987_569_1e-4);
        for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
            p = L::fma(p, r, L::splat(coefficient));
        }
        let p = L::add(L::fma(p, L::mul(r, r), r), L::splat(1.0));
        L::mul(p, L::power_of_two(n))
    }
}

/// `1 / (1 + e^-x)`.
///
/// # Safety
/// The CPU has the instructions of `L`.
#[inline(always)]
pub(crate) unsafe fn sigmoid<L: Lanes>(x: L::F) -> L::F {
    // SAFETY: the caller's.
    unsafe {
        let one = L::splat(1.0);
        L::div(one, L::add(one, exp::<L>(L::sub(L::splat(0.0), x))))
    }
}

/// Hyperbolic tangent, as `2 sigmoid(2x) - 1`.
///
/// # Safety
/// The CPU has the instructions of `L`.
#[inline(always)]
pub(crate) unsafe fn tanh<L: Lanes>(x: L::F) -> L::F {
    // SAFETY: the caller's.
    unsafe { L::fma(L::splat(2.0), sigmoid::<L>(L::add(x, x)), L::splat(-1.0)) }
}

/// `x sigmoid(x)`.
///
/// # Safety
/// The CPU has the instructions of `L`.
#[inline(always)]
pub(crate) unsafe fn silu<L: Lanes>(x: L::F) -> L::F {
    // SAFETY: the caller's.
    unsafe { L::mul(x, sigmoid::<L>(x)) }
}

/// The tanh approximation of GELU: `x sigmoid(2 sqrt(2/pi) (x + 0.044715 x^3))`.
///
/// # Safety
/// The CPU has the instructions of `L`.
#[inline(always)]
pub(crate) unsafe fn gelu<L: Lanes>(x: L::F) -> L::F {
    // SAFETY: the caller's.
    unsafe {
        let cubic = L::mul(L::mul(L::mul(x, x), x), L::splat(0.044_715));
        let inner = L::mul(L::add(x, cubic), L::splat(1.595_769));
        L::mul(x, sigmoid::<L>(inner))
    }
}
