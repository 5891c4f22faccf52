//! Which instructions this CPU has, and how a kernel is run with them.

use super::lanes::{Lanes, Plain};

/// An instruction set that kernels exist for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// Ordinary Rust: everywhere, slowly.
    Plain,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX2 with dot products: Intel's laptops since 2021 and AMD's since 2024.
    #[cfg(target_arch = "x86_64")]
    AvxVnni,
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
    #[cfg(target_arch = "aarch64")]
    NeonDot,
}

/// A computation that is written once for all instruction sets.
pub(crate) trait Kernel {
    type Output;

    /// Does the work. Implementations are `#[inline(always)]`, and so is what they call, so that all of it
    /// is compiled for the instructions of `L`.
    ///
    /// # Safety
    /// The CPU has the instructions of `L`.
    unsafe fn run<L: Lanes>(self) -> Self::Output;
}

impl Isa {
    /// All that this CPU can run, the best one last.
    pub fn available() -> Vec<Isa> {
        let mut found = vec![Isa::Plain];
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("f16c");
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vnni");
            found.extend(avx2.then_some(Isa::Avx2));
            found.extend((avx2 && is_x86_feature_detected!("avxvnni")).then_some(Isa::AvxVnni));
            found.extend((avx2 && avx512).then_some(Isa::Avx512Vnni));
        }
        #[cfg(target_arch = "aarch64")]
        found.extend(std::arch::is_aarch64_feature_detected!("dotprod").then_some(Isa::NeonDot));
        found
    }

    /// The best that this CPU can run.
    pub fn detect() -> Isa {
        Isa::available().pop().unwrap_or(Isa::Plain)
    }

    /// Runs a kernel with these instructions.
    ///
    /// # Safety
    /// `self` is one of [`Isa::available`].
    #[inline]
    pub(crate) unsafe fn run<K: Kernel>(self, kernel: K) -> K::Output {
        // SAFETY: the caller vouches for the instructions.
        unsafe {
            match self {
                Isa::Plain => kernel.run::<Plain>(),
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2 => with_avx2(kernel),
                #[cfg(target_arch = "x86_64")]
                Isa::AvxVnni => with_avx_vnni(kernel),
                #[cfg(target_arch = "x86_64")]
                Isa::Avx512Vnni => with_avx512(kernel),
                #[cfg(target_arch = "aarch64")]
                Isa::NeonDot => with_neon(kernel),
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn with_avx2<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the caller vouches for the instructions.
    unsafe { kernel.run::<super::avx2::Avx2<false>>() }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,avxvnni")]
unsafe fn with_avx_vnni<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the caller vouches for the instructions.
    unsafe { kernel.run::<super::avx2::Avx2<true>>() }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx2,fma,f16c")]
unsafe fn with_avx512<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the caller vouches for the instructions.
    unsafe { kernel.run::<super::avx512::Avx512>() }
}

#[cfg(target_arch = "aarch64")]
#[target_feature(enable = "neon,dotprod")]
unsafe fn with_neon<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the caller vouches for the instructions.
    unsafe { kernel.run::<super::neon::Neon>() }
}
