//! What a decoder looks like, read from a model's metadata.
//!
//! The families differ in a dozen numbers and switches, all of them here; the network that is computed from
//! them is one. Keys: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>; what the families make of them:
//! llama.cpp's `llama-model.cpp`.

use super::rope::{Rope, Scaling};
use crate::Error;
use crate::gguf::Gguf;
use crate::kernels::vector::{Gate, Pairing};

/// The shape of a decoder and the constants of its family.
#[derive(Clone, Debug)]
pub struct Architecture {
    /// `general.architecture`.
    pub family: String,
    pub layers: usize,
    /// Length of the residual stream's vectors.
    pub width: usize,
    pub heads: usize,
    /// Heads of the key-value cache; a divisor of `heads`.
    pub kv_heads: usize,
    pub head_dimension: usize,
    pub feed_forward: usize,
    pub vocabulary: usize,
    /// Positions that the model was trained for.
    pub context_length: usize,
    pub(crate) epsilon: f32,
    pub(crate) gate: Gate,
    pub(crate) pairing: Pairing,
    /// Rotations in use; layers name one of them.
    pub(crate) ropes: Vec<Rope>,
    pub(crate) layer_kinds: Vec<LayerKind>,
    pub(crate) embedding_scale: f32,
    pub(crate) residual_scale: f32,
    /// What logits are multiplied with.
    pub(crate) logit_scale: f32,
    pub(crate) attention_scale: f32,
    /// Soft caps `c tanh(x / c)`; none for 0.
    pub(crate) attention_cap: f32,
    pub(crate) logit_cap: f32,
}

/// What differs from layer to layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LayerKind {
    /// Index of the rotation; none for layers without positions.
    pub rope: Option<usize>,
    /// Number of last positions that a query sees; all for none.
    pub window: Option<usize>,
}

const FAMILIES: [&str; 8] = ["llama", "qwen2", "qwen3", "phi3", "gemma2", "gemma3", "granite", "smollm3"];

impl Architecture {
    /// Reads the metadata. `context` is the number of positions that will be used: rotations that are
    /// stretched for long contexts depend on it.
    ///
    /// # Errors
    /// [`Error::Architecture`] for a family that is not known, and errors that name the key for settings that
    /// are missing or that no decoder can have.
    pub fn read(gguf: &Gguf, context: usize) -> Result<Architecture, Error> {
        let family = gguf.architecture()?;
        if !FAMILIES.contains(&family) {
            return Err(Error::Architecture(family.to_owned()));
        }
        let count = |name: &str| positive(gguf, name);
        let (layers, width, heads) =
            (count("block_count")?, count("embedding_length")?, count("attention.head_count")?);
        let optional = |name: &str| gguf.f32(&gguf.key(name));
        let kv_heads = match gguf.has(&gguf.key("attention.head_count_kv")) {
            true => count("attention.head_count_kv")?,
            false => heads,
        };
        let head_dimension = match gguf.has(&gguf.key("attention.key_length")) {
            true => count("attention.key_length")?,
            false => width / heads,
        };
        let gemma = family.starts_with("gemma");
        let mut architecture = Architecture {
            family: family.to_owned(),
            layers,
            width,
            heads,
            kv_heads,
            head_dimension,
            feed_forward: count("feed_forward_length")?,
            vocabulary: gguf.require("token_embd.weight")?.rows(),
            context_length: count("context_length")?,
            epsilon: gguf.require_f32(&gguf.key("attention.layer_norm_rms_epsilon"))?,
            gate: if gemma { Gate::Gelu } else { Gate::Silu },
            pairing: match family {
                "llama" | "granite" | "smollm3" => Pairing::Neighbours,
                _ => Pairing::Halves,
            },
            ropes: Vec::new(),
            layer_kinds: Vec::new(),
            embedding_scale: match gemma {
                true => (width as f32).sqrt(),
                false => optional("embedding_scale").unwrap_or(1.0),
            },
            residual_scale: optional("residual_scale").unwrap_or(1.0),
            logit_scale: 1.0 / optional("logit_scale").unwrap_or(1.0),
            attention_scale: attention_scale(
                family,
                layers,
                width,
                heads,
                head_dimension,
                optional("attention.scale"),
            ),
            attention_cap: optional("attn_logit_softcapping").unwrap_or(0.0),
            logit_cap: optional("final_logit_softcapping").unwrap_or(0.0),
        };
        architecture.check(gguf)?;
        architecture.set_positions(gguf, context)?;
        Ok(architecture)
    }

    /// What the kernels take for granted.
    fn check(&self, gguf: &Gguf) -> Result<(), Error> {
        let bad = |name: &str, reason: String| Err(Error::BadValue { key: gguf.key(name), reason });
        if !self.heads.is_multiple_of(self.kv_heads) {
            return bad("attention.head_count_kv", format!("it does not divide {} heads", self.heads));
        }
        if !self.head_dimension.is_multiple_of(16) || self.head_dimension > 1024 {
            return bad("attention.key_length", format!("heads of {} elements", self.head_dimension));
        }
        if !self.width.is_multiple_of(32) || !self.feed_forward.is_multiple_of(32) {
            return bad("embedding_length", "it is not a multiple of 32".to_owned());
        }
        match gguf.usize(&gguf.key("attention.value_length")) {
            Some(length) if length != self.head_dimension => {
                bad("attention.value_length", "keys and values differ in length".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// Rotations and windows.
    fn set_positions(&mut self, gguf: &Gguf, context: usize) -> Result<(), Error> {
        let base = gguf.f32(&gguf.key("rope.freq_base")).unwrap_or(10_000.0);
        let rotated = gguf.usize(&gguf.key("rope.dimension_count")).unwrap_or(self.head_dimension);
        if rotated == 0 || rotated > self.head_dimension || !rotated.is_multiple_of(2) {
            let reason = format!("{rotated} of {} elements", self.head_dimension);
            return Err(Error::BadValue { key: gguf.key("rope.dimension_count"), reason });
        }
        let scaling = Scaling::read(gguf, rotated, self.context_length, context)?;
        self.ropes.push(Rope::new(rotated, f64::from(base), &scaling));
        if self.family == "gemma3" {
            let local = gguf.f32(&gguf.key("rope.freq_base_swa")).unwrap_or(10_000.0);
            self.ropes.push(Rope::new(rotated, f64::from(local), &Scaling::none()));
        }
        let window = match self.family.as_str() {
            "gemma2" | "gemma3" => gguf.usize(&gguf.key("attention.sliding_window")).filter(|&size| size > 0),
            _ => None,
        };
        self.layer_kinds = (0..self.layers).map(|layer| self.layer_kind(layer, window)).collect();
        Ok(())
    }

    fn layer_kind(&self, layer: usize, window: Option<usize>) -> LayerKind {
        match self.family.as_str() {
            // Every second, every sixth layer sees everything.
            "gemma2" => LayerKind { rope: Some(0), window: window.filter(|_| layer.is_multiple_of(2)) },
            "gemma3" if layer % 6 < 5 => LayerKind { rope: Some(1), window },
            // Every fourth layer has no positions.
            "smollm3" if layer % 4 == 3 => LayerKind { rope: None, window: None },
            _ => LayerKind { rope: Some(0), window: None },
        }
    }
}

fn positive(gguf: &Gguf, name: &str) -> Result<usize, Error> {
    let key = gguf.key(name);
    match gguf.require_usize(&key)? {
        value @ 1..=0x00ff_ffff => Ok(value),
        value => Err(Error::BadValue { key, reason: format!("{value} is out of range") }),
    }
}

fn attention_scale(
    family: &str,
    layers: usize,
    width: usize,
    heads: usize,
    head_dimension: usize,
    stated: Option<f32>,
) -> f32 {
    // The 27B models of both Gemma generations scale by the width of a head that they do not have.
    let by_width = matches!((family, layers), ("gemma2", 46) | ("gemma3", 62));
    let dimension = if by_width { width / heads } else { head_dimension };
    stated.filter(|&scale| scale > 0.0).unwrap_or(1.0 / (dimension as f32).sqrt())
}
