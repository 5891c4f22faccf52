//! Integer matrix kernels and what else a decoder computes.
//!
//! Weights are packed once into groups of sixteen interleaved rows ([`pack`]) and multiplied with
//! activations in 8-bit blocks ([`multiply`]). Each kernel is written once, over sixteen lanes ([`lanes`]), and
//! compiled for every instruction set ([`isa`]); integer sums are exact and float operations come in one fixed order,
//! so results are the same bits on every instruction set, for every number of threads and every batch.

pub(crate) mod activations;
pub(crate) mod attention;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
pub(crate) mod blocks;
pub(crate) mod cells;
pub(crate) mod encoder;
pub(crate) mod isa;
mod lanes;
mod math;
pub(crate) mod matrix;
mod multiply;
#[cfg(target_arch = "aarch64")]
mod neon;
mod pack;
pub(crate) mod pool;
mod unpack;
pub(crate) mod vector;

pub use isa::Isa;

#[cfg(test)]
mod tests;
