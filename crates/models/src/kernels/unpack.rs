//! From packed blocks to what the dot products read: bytes, and scales as floats.

use super::lanes::Lanes;

/// Blocks that are unpacked at a time when many rows share them, of one group or of two: 28 KB of bytes. Two groups of a
/// width of 896 are one chunk, so that their results are not written and read in between.
pub(crate) const CHUNK: usize = 56;

/// Room for a chunk of a group.
#[repr(align(64))]
pub(crate) struct Tile {
    /// 512 bytes a block: eight steps of 64.
    pub bytes: [u8; CHUNK * 512],
    /// Sixteen a part; one or two parts a block.
    pub scales: [f32; CHUNK * 32],
    /// What is added for each unit of the activations' sum.
    pub minimums: [f32; CHUNK * 32],
}

/// Where one unpacked block lies.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// 512 bytes.
    pub bytes: *mut u8,
    /// Sixteen floats a part.
    pub scales: *mut f32,
    pub minimums: *mut f32,
}

impl Tile {
    /// The place of block `slot`, of one or two parts.
    ///
    /// # Safety
    /// `tile` is a tile, and `slot < CHUNK`.
    #[inline(always)]
    pub(crate) unsafe fn place(tile: *mut Tile, slot: usize, parts: usize) -> Place {
        // SAFETY: the caller's.
        unsafe {
            Place {
                bytes: (&raw mut (*tile).bytes).cast::<u8>().add(slot * 512),
                scales: (&raw mut (*tile).scales).cast::<f32>().add(slot * parts * 16),
                minimums: (&raw mut (*tile).minimums).cast::<f32>().add(slot * parts * 16),
            }
        }
    }
}

impl Place {
    /// The place of the block `count` further, of one or two parts.
    ///
    /// # Safety
    /// It is within the same tile.
    #[inline(always)]
    pub(crate) unsafe fn after(self, count: usize, parts: usize) -> Place {
        // SAFETY: the caller's.
        unsafe {
            Place {
                bytes: self.bytes.add(count * 512),
                scales: self.scales.add(count * parts * 16),
                minimums: self.minimums.add(count * parts * 16),
            }
        }
    }
}

/// Room for one block, small enough to stay in registers.
#[repr(align(64))]
pub(crate) struct Single {
    bytes: [u8; 512],
    scales: [f32; 32],
    minimums: [f32; 32],
}

impl Single {
    /// The place of the block.
    ///
    /// # Safety
    /// `single` points to memory of that size.
    #[inline(always)]
    pub(crate) unsafe fn place(single: *mut Single) -> Place {
        // SAFETY: the caller's.
        unsafe {
            Place {
                bytes: (&raw mut (*single).bytes).cast(),
                scales: (&raw mut (*single).scales).cast(),
                minimums: (&raw mut (*single).minimums).cast(),
            }
        }
    }
}

/// A walk over the packed blocks of a group.
pub(crate) struct Reader<L: Lanes> {
    at: *const u8,
    scale: L::F,
    minimum: L::F,
}

/// How far ahead of the walk memory is asked for.
const AHEAD: usize = 4096;

impl<L: Lanes> Reader<L> {
    /// # Safety
    /// `at` points at a packed group; the CPU has the instructions of `L`.
    #[inline(always)]
    pub(crate) unsafe fn new(at: *const u8) -> Reader<L> {
        // SAFETY: the caller's.
        unsafe { Reader { at, scale: L::splat(0.0), minimum: L::splat(0.0) } }
    }

    /// Unpacks block `index` of the group into `place`. Blocks are taken in order.
    ///
    /// # Safety
    /// The group has a block `index` and it is the next one; its format is that of the parameters; there is
    /// room at `place`; the CPU has the instructions of `L`.
    #[inline(always)]
    pub(crate) unsafe fn next<
        const BITS: u32,
        const OFFSET: u32,
        const NESTED: bool,
        const HALVES: bool,
        const MINIMUM: bool,
    >(
        &mut self,
        index: usize,
        place: Place,
    ) {
        // SAFETY: the caller's; a block is as long as `Format` says.
        unsafe {
            let parts = if HALVES { 2 } else { 1 };
            let Place { bytes, scales, minimums } = place;
            let zero = L::splat(0.0);
            if NESTED && index.is_multiple_of(8) {
                self.scale = L::load_f16(self.at.cast());
                self.at = self.at.add(32);
                if MINIMUM {
                    self.minimum = L::sub(zero, L::load_f16(self.at.cast()));
                    self.at = self.at.add(32);
                }
            }
            if NESTED {
                for part in 0..parts {
                    let small = if MINIMUM { L::load_u8(self.at) } else { L::load_i8(self.at.cast()) };
                    L::store(scales.add(part * 16), L::mul(self.scale, small));
                    self.at = self.at.add(16);
                }
                if MINIMUM {
                    for part in 0..parts {
                        let small = L::load_u8(self.at);
                        L::store(minimums.add(part * 16), L::mul(self.minimum, small));
                        self.at = self.at.add(16);
                    }
                }
            } else {
                L::store(scales, L::load_f16(self.at.cast()));
                self.at = self.at.add(32);
                if MINIMUM {
                    L::store(minimums, L::load_f16(self.at.cast()));
                    self.at = self.at.add(32);
                }
            }
            for line in 0..BITS as usize + 1 {
                L::prefetch(self.at.wrapping_add(AHEAD + line * 64));
            }
            planes::<L, BITS, OFFSET>(self.at, bytes);
            self.at = self.at.add(BITS as usize * 64);
        }
    }
}

/// Expands the planes of one block to eight steps of 64 bytes.
///
/// # Safety
/// `from` has `BITS * 64` bytes, `to` has room for 512; the CPU has the instructions of `L`.
#[inline(always)]
unsafe fn planes<L: Lanes, const BITS: u32, const OFFSET: u32>(from: *const u8, to: *mut u8) {
    // SAFETY: the caller's.
    unsafe {
        let vector = |index: usize| L::load_i(from.add(index * 64));
        let store = |step: usize, value: L::I| L::store_i(to.add(step * 64), value);
        match BITS {
            2 | 3 => {
                let (low, high) = (crumbs::<L>(vector(0)), crumbs::<L>(vector(1)));
                let mut steps = [low[0], low[1], low[2], low[3], high[0], high[1], high[2], high[3]];
                if BITS == 3 {
                    let top = single_bits::<L>(vector(2));
                    for step in 0..8 {
                        steps[step] = L::or(steps[step], L::raise::<2>(top[step]));
                    }
                }
                for (step, value) in steps.into_iter().enumerate() {
                    store(step, value);
                }
            }
            4 => {
                for step in 0..4 {
                    let pair = vector(step);
                    store(step, L::bits::<0, 15>(pair));
                    store(step + 4, L::bits::<4, 15>(pair));
                }
            }
            5 => {
                let top = single_bits::<L>(vector(4));
                for step in 0..4 {
                    let pair = vector(step);
                    store(step, L::or(L::bits::<0, 15>(pair), L::raise::<4>(top[step])));
                    store(step + 4, L::or(L::bits::<4, 15>(pair), L::raise::<4>(top[step + 4])));
                }
            }
            6 => {
                let (low, high) = (crumbs::<L>(vector(4)), crumbs::<L>(vector(5)));
                for step in 0..4 {
                    let pair = vector(step);
                    store(step, L::or(L::bits::<0, 15>(pair), L::raise::<4>(low[step])));
                    store(step + 4, L::or(L::bits::<4, 15>(pair), L::raise::<4>(high[step])));
                }
            }
            _ => {
                for step in 0..8 {
                    let bytes = vector(step);
                    store(step, if OFFSET == 7 { L::flip(bytes) } else { bytes });
                }
            }
        }
    }
}

/// # Safety
/// The CPU has the instructions of `L`.
#[inline(always)]
unsafe fn crumbs<L: Lanes>(vector: L::I) -> [L::I; 4] {
    // SAFETY: the caller's.
    unsafe {
        [L::bits::<0, 3>(vector), L::bits::<2, 3>(vector), L::bits::<4, 3>(vector), L::bits::<6, 3>(vector)]
    }
}

/// # Safety
/// The CPU has the instructions of `L`.
#[inline(always)]
unsafe fn single_bits<L: Lanes>(vector: L::I) -> [L::I; 8] {
    // SAFETY: the caller's.
    unsafe {
        [
            L::bits::<0, 1>(vector),
            L::bits::<1, 1>(vector),
            L::bits::<2, 1>(vector),
            L::bits::<3, 1>(vector),
            L::bits::<4, 1>(vector),
            L::bits::<5, 1>(vector),
            L::bits::<6, 1>(vector),
            L::bits::<7, 1>(vector),
        ]
    }
}
