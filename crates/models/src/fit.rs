//! Whether a model fits into memory, before it is loaded.

use std::fs;

use crate::Error;
use crate::decoder::CacheType;
use crate::gguf::Gguf;

/// What a loaded model takes, and what there is, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fit {
    pub weights: u64,
    /// The cache of one conversation over the whole context.
    pub cache: u64,
    /// Activations, logits and the tokenizer.
    pub scratch: u64,
    /// What the system and a limit on this process leave; `None` where neither can be read.
    pub available: Option<u64>,
}

impl Fit {
    pub fn needed(&self) -> u64 {
        self.weights + self.cache + self.scratch
    }

    pub fn fits(&self) -> bool {
        self.available.is_none_or(|available| self.needed() <= available)
    }

    /// # Errors
    /// [`Error::DoesNotFit`] with both numbers.
    pub fn check(&self, name: &str) -> Result<(), Error> {
        match self.available.filter(|_| !self.fits()) {
            Some(available) => {
                Err(Error::DoesNotFit { name: name.to_owned(), needed: self.needed(), available })
            }
            None => Ok(()),
        }
    }
}

/// Works out what a model takes at a context length, with keys and values of a type.
///
/// # Errors
/// [`Error::MissingKey`] where the file does not say enough of its shape.
pub fn fit(gguf: &Gguf, context_tokens: usize, cache: CacheType) -> Result<Fit, Error> {
    let number = |name: &str| gguf.require_usize(&gguf.key(name)).map(|value| value as u64);
    let layers = number("block_count")?;
    let width = number("embedding_length")?;
    let heads = number("attention.head_count")?.max(1);
    // Models may have another number for each layer; the largest is safe.
    let kv_key = gguf.key("attention.head_count_kv");
    let listed = || gguf.u32s(&kv_key).and_then(|numbers| numbers.into_iter().max()).map(u64::from);
    let kv_heads = gguf.u64(&kv_key).or_else(listed).unwrap_or(heads);
    let head = gguf.u64(&gguf.key("attention.key_length")).unwrap_or(width / heads);
    let vocabulary = gguf.array_len("tokenizer.ggml.tokens").unwrap_or(0) as u64;
    let feed_forward = gguf.u64(&gguf.key("feed_forward_length")).unwrap_or(4 * width);
    let bytes_of_keys_and_values = 2 * size_of::<u16>() * cache.words(head as usize);
    // Activations of a batch of prompt tokens, twice over for their quantised form, and the logits.
    let batch = 512 * (6 * width + 3 * feed_forward) * 4;
    Ok(Fit {
        weights: gguf.tensors().iter().map(|tensor| tensor.range.len() as u64).sum(),
        cache: layers
            .saturating_mul(kv_heads)
            .saturating_mul(bytes_of_keys_and_values as u64)
            .saturating_mul(context_tokens as u64),
        scratch: batch.saturating_add(vocabulary.saturating_mul(4 + 120)).saturating_add(32 << 20),
        available: available(),
    })
}

/// Bytes that this process may still take.
fn available() -> Option<u64> {
    let system = fs::read_to_string("/proc/meminfo").ok().and_then(|text| from_meminfo(&text));
    let group = from_cgroup("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current").or_else(|| {
        from_cgroup(
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        )
    });
    match (system, group) {
        (Some(system), Some(group)) => Some(system.min(group)),
        (one, other) => one.or(other),
    }
}

fn from_meminfo(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

fn from_cgroup(limit: &str, usage: &str) -> Option<u64> {
    let number = |path: &str| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    // Cached files count as usage but give way, so only the limit itself is certain where usage is near it.
    let (limit, usage) = (number(limit)?, number(usage)?);
    let reclaimable = fs::read_to_string("/sys/fs/cgroup/memory.stat").ok();
    let cached = reclaimable.as_deref().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("file "))?;
        line.trim().parse::<u64>().ok()
    });
    Some(limit.saturating_sub(usage.saturating_sub(cached.unwrap_or(0))))
}

/// A number of bytes as a person reads it: `1.1 GB`.
pub fn bytes(count: u64) -> String {
    match count {
        0..1_000 => format!("{count} bytes"),
        1_000..1_000_000 => format!("{:.1} kB", count as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", count as f64 / 1e6),
        _ => format!("{:.1} GB", count as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gguf::testing::Builder;

    #[test]
    fn the_cache_grows_with_the_context() {
        let gguf = Builder::new("llama")
            .u32("llama.block_count", 4)
            .u32("llama.embedding_length", 64)
            .u32("llama.attention.head_count", 4)
            .u32("llama.attention.head_count_kv", 2)
            .tensor_f32("token_embd.weight", &[64, 2], &[0.0; 128])
            .build();
        let gguf = Gguf::from_bytes(gguf).unwrap();
        let bytes = |cache| fit(&gguf, 1000, cache).unwrap().cache;
        let fit = fit(&gguf, 1000, CacheType::F16).unwrap();
        assert_eq!(fit.weights, 512);
        assert_eq!(fit.cache, 4 * 2 * 16 * 2 * 2 * 1000);
        assert_eq!(bytes(CacheType::Q8), 4 * 2 * (16 + 2) * 2 * 1000);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_numbers() {
        let fit = Fit { weights: 5_000_000_000, cache: 0, scratch: 0, available: Some(2_000_000_000) };
        let message = fit.check("big:7b").unwrap_err().to_string();
        assert_eq!(message, "model `big:7b` needs 5.0 GB of memory, 2.0 GB is available");
        assert!(Fit { available: None, ..fit }.check("big:7b").is_ok());
    }

    #[test]
    fn memory_is_read_from_the_system() {
        assert_eq!(from_meminfo("MemTotal: 9 kB\nMemAvailable:   1024 kB\n"), Some(1 << 20));
        assert_eq!(from_meminfo("nothing"), None);
    }
}
