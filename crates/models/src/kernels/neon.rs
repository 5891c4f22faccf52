//! The lanes as four 128-bit registers: NEON with the dot product instructions.

use std::arch::aarch64::*;

use super::lanes::Lanes;

#[derive(Clone, Copy)]
pub(crate) struct Neon;

#[derive(Clone, Copy)]
pub(crate) struct Ints([uint8x16_t; 4]);

#[derive(Clone, Copy)]
pub(crate) struct Floats([float32x4_t; 4]);

#[inline(always)]
fn ints(f: impl Fn(usize) -> uint8x16_t) -> Ints {
    Ints([f(0), f(1), f(2), f(3)])
}

#[inline(always)]
fn floats(f: impl Fn(usize) -> float32x4_t) -> Floats {
    Floats([f(0), f(1), f(2), f(3)])
}

impl Neon {
    /// [`Lanes::dots`] of one tile.
    ///
    /// # Safety
    /// As there.
    #[inline(always)]
    unsafe fn dots_of_tile<const M: usize, const STEPS: usize, const BITS: u32>(
        start: [Ints; M],
        tile: *const u8,
        rows: &[*const i8; M],
    ) -> [Ints; M] {
        unsafe {
            let mut sums = start.map(|start| start.0.map(|part| vreinterpretq_s32_u8(part)));
            for step in 0..STEPS {
                let weights = Self::load_i(tile.add(step * 64));
                for m in 0..M {
                    let inputs = vdupq_n_s32(rows[m].add(step * 4).cast::<i32>().read_unaligned());
                    let inputs = vreinterpretq_s8_s32(inputs);
                    for i in 0..4 {
                        sums[m][i] = dot(sums[m][i], vreinterpretq_s8_u8(weights.0[i]), inputs);
                    }
                }
            }
            sums.map(|sums| Ints(sums.map(|part| vreinterpretq_u8_s32(part))))
        }
    }
}

impl Lanes for Neon {
    type F = Floats;
    type I = Ints;
    const SIGNED_BYTES: bool = true;
    const WIDE: bool = false;

    // SAFETY of all that follows: the caller vouches for NEON and for the pointers.
    #[inline(always)]
    unsafe fn zero_i() -> Ints {
        unsafe { ints(|_| vdupq_n_u8(0)) }
    }
    #[inline(always)]
    unsafe fn load_i(from: *const u8) -> Ints {
        unsafe { ints(|i| vld1q_u8(from.add(i * 16))) }
    }
    #[inline(always)]
    unsafe fn store_i(to: *mut u8, value: Ints) {
        for (i, part) in value.0.into_iter().enumerate() {
            unsafe { vst1q_u8(to.add(i * 16), part) };
        }
    }
    #[inline(always)]
    unsafe fn or(a: Ints, b: Ints) -> Ints {
        unsafe { ints(|i| vorrq_u8(a.0[i], b.0[i])) }
    }
    #[inline(always)]
    unsafe fn bits<const SHIFT: u32, const MASK: i8>(value: Ints) -> Ints {
        unsafe {
            let (count, mask) = (vdupq_n_s8(-(SHIFT as i8)), vdupq_n_u8(MASK as u8));
            ints(|i| vandq_u8(vshlq_u8(value.0[i], count), mask))
        }
    }
    #[inline(always)]
    unsafe fn raise<const SHIFT: u32>(value: Ints) -> Ints {
        unsafe { ints(|i| vshlq_u8(value.0[i], vdupq_n_s8(SHIFT as i8))) }
    }
    #[inline(always)]
    unsafe fn flip(value: Ints) -> Ints {
        unsafe { ints(|i| veorq_u8(value.0[i], vdupq_n_u8(0x80))) }
    }
    #[inline(always)]
    unsafe fn splat_i(value: i32) -> Ints {
        unsafe {
            let value = vreinterpretq_u8_s32(vdupq_n_s32(value));
            ints(|_| value)
        }
    }

    #[inline(always)]
    unsafe fn dots<const G: usize, const M: usize, const STEPS: usize, const BITS: u32>(
        start: [Ints; M],
        tiles: [*const u8; G],
        rows: &[*const i8; M],
    ) -> [[Ints; M]; G] {
        let mut sums = [start; G];
        for (sums, tile) in sums.iter_mut().zip(tiles) {
            *sums = unsafe { Self::dots_of_tile::<M, STEPS, BITS>(start, tile, rows) };
        }
        sums
    }

    #[inline(always)]
    unsafe fn to_f(value: Ints) -> Floats {
        unsafe { floats(|i| vcvtq_f32_s32(vreinterpretq_s32_u8(value.0[i]))) }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Floats {
        unsafe { floats(|_| vdupq_n_f32(value)) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Floats {
        unsafe { floats(|i| vld1q_f32(from.add(i * 4))) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: Floats) {
        for (i, part) in value.0.into_iter().enumerate() {
            unsafe { vst1q_f32(to.add(i * 4), part) };
        }
    }
    #[inline(always)]
    unsafe fn add(a: Floats, b: Floats) -> Floats {
        unsafe { floats(|i| vaddq_f32(a.0[i], b.0[i])) }
    }
    #[inline(always)]
    unsafe fn sub(a: Floats, b: Floats) -> Floats {
        unsafe { floats(|i| vsubq_f32(a.0[i], b.0[i])) }
    }
    #[inline(always)]
    unsafe fn mul(a: Floats, b: Floats) -> Floats {
        unsafe { floats(|i| vmulq_f32(a.0[i], b.0[i])) }
    }
    #[inline(always)]
    unsafe fn div(a: Floats, b: Floats) -> Floats {
        unsafe { floats(|i| vdivq_f32(a.0[i], b.0[i])) }
    }
    #[inline(always)]
    unsafe fn fma(a: Floats, b: Floats, c: Floats) -> Floats {
        unsafe { floats(|i| vfmaq_f32(c.0[i], a.0[i], b.0[i])) }
    }
    #[inline(always)]
    unsafe fn min(a: Floats, b: Floats) -> Floats {
        unsafe { floats(|i| vbslq_f32(vcltq_f32(a.0[i], b.0[i]), a.0[i], b.0[i])) }
    }
    #[inline(always)]
    unsafe fn max(a: Floats, b: Floats) -> Floats {
        unsafe { floats(|i| vbslq_f32(vcgtq_f32(a.0[i], b.0[i]), a.0[i], b.0[i])) }
    }
    #[inline(always)]
    unsafe fn abs(a: Floats) -> Floats {
        unsafe { floats(|i| vabsq_f32(a.0[i])) }
    }
    #[inline(always)]
    unsafe fn round(a: Floats) -> Ints {
        unsafe { ints(|i| vreinterpretq_u8_s32(vcvtnq_s32_f32(a.0[i]))) }
    }
    #[inline(always)]
    unsafe fn power_of_two(value: Ints) -> Floats {
        unsafe {
            floats(|i| {
                let biased = vaddq_s32(vreinterpretq_s32_u8(value.0[i]), vdupq_n_s32(127));
                vreinterpretq_f32_s32(vshlq_n_s32::<23>(biased))
            })
        }
    }
    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> Floats {
        unsafe { floats(|i| widen(vld1_u16(from.add(i * 4)))) }
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> Floats {
        unsafe { floats(|i| vreinterpretq_f32_u32(vshll_n_u16::<16>(vld1_u16(from.add(i * 4))))) }
    }
    #[inline(always)]
    unsafe fn load_u8(from: *const u8) -> Floats {
        unsafe {
            let bytes = vld1q_u8(from);
            let (low, high) = (vmovl_u8(vget_low_u8(bytes)), vmovl_u8(vget_high_u8(bytes)));
            let wide = |half: uint16x4_t| vcvtq_f32_u32(vmovl_u16(half));
            Floats([
                wide(vget_low_u16(low)),
                wide(vget_high_u16(low)),
                wide(vget_low_u16(high)),
                wide(vget_high_u16(high)),
            ])
        }
    }
    #[inline(always)]
    unsafe fn load_i8(from: *const i8) -> Floats {
        unsafe {
            let bytes = vld1q_s8(from);
            let (low, high) = (vmovl_s8(vget_low_s8(bytes)), vmovl_s8(vget_high_s8(bytes)));
            let wide = |half: int16x4_t| vcvtq_f32_s32(vmovl_s16(half));
            Floats([
                wide(vget_low_s16(low)),
                wide(vget_high_s16(low)),
                wide(vget_low_s16(high)),
                wide(vget_high_s16(high)),
            ])
        }
    }
    #[inline(always)]
    unsafe fn store_i8(to: *mut i8, value: Ints) {
        unsafe {
            let part = |i: usize| vmovn_s32(vreinterpretq_s32_u8(value.0[i]));
            let low = vmovn_s16(vcombine_s16(part(0), part(1)));
            let high = vmovn_s16(vcombine_s16(part(2), part(3)));
            vst1q_s8(to, vcombine_s8(low, high));
        }
    }
    #[inline(always)]
    unsafe fn prefetch(_from: *const u8) {}
}

/// `sums + ` the dot products of four neighbouring bytes (SDOT).
///
/// # Safety
/// The CPU has the dot product instructions.
#[inline(always)]
unsafe fn dot(mut sums: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    // SAFETY: the caller's; nothing but the registers is touched.
    unsafe {
        std::arch::asm!(
            ".arch_extension dotprod",
            "sdot {sums:v}.4s, {a:v}.16b, {b:v}.16b",
            sums = inout(vreg) sums, a = in(vreg) a, b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    sums
}

/// Half precision to single (FCVTL).
///
/// # Safety
/// The CPU has NEON.
#[inline(always)]
unsafe fn widen(halves: uint16x4_t) -> float32x4_t {
    let out: float32x4_t;
    // SAFETY: nothing but the registers is touched.
    unsafe {
        std::arch::asm!(
            "fcvtl {out:v}.4s, {halves:v}.4h",
            out = out(vreg) out, halves = in(vreg) halves,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    out
}

/// Single precision to half, to the nearest, ties to even (FCVTN).
///
/// # Safety
/// The CPU has NEON.
#[inline(always)]
unsafe fn narrow(value: float32x4_t) -> uint16x4_t {
    let out: uint16x4_t;
    // SAFETY: nothing but the registers is touched.
    unsafe {
        std::arch::asm!(
            "fcvtn {out:v}.4h, {value:v}.4s",
            out = out(vreg) out, value = in(vreg) value,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    out
}
