//! Rotary positions: frequencies and how families stretch them.

use crate::Error;
use crate::gguf::Gguf;
use crate::kernels::blocks::dequantise_row;

/// Angles per position of each pair of elements, and the factor on what is rotated.
#[derive(Clone, Debug)]
pub(crate) struct Rope {
    frequencies: Vec<f64>,
    magnitude: f64,
}

/// How the frequencies `base^(-2i/n)` are changed.
#[derive(Clone, Debug)]
pub(crate) struct Scaling {
    /// Divisors of the frequencies: Llama 3's (`rope_freqs.weight`) or LongRoPE's (`rope_factors_*.weight`).
    factors: Option<Vec<f32>>,
    /// Factor on all frequencies: 1 over how many times longer the context is.
    stretch: f64,
    magnitude: f64,
    /// YaRN: the context before it was stretched. High frequencies are then left as they are.
    yarn: Option<f64>,
}

impl Scaling {
    pub(crate) fn none() -> Scaling {
        Scaling { factors: None, stretch: 1.0, magnitude: 1.0, yarn: None }
    }

    /// What the metadata and tensors say. `context` is what will be used, `trained` what the model states.
    pub(crate) fn read(
        gguf: &Gguf,
        rotated: usize,
        trained: usize,
        context: usize,
    ) -> Result<Scaling, Error> {
        let original = gguf.usize(&gguf.key("rope.scaling.original_context_length")).unwrap_or(trained);
        let factor = gguf.f32(&gguf.key("rope.scaling.factor")).filter(|&factor| factor > 0.0);
        let factor = f64::from(factor.unwrap_or(1.0));
        let kind = gguf.string(&gguf.key("rope.scaling.type")).unwrap_or("none");
        let long = if context > original { "rope_factors_long.weight" } else { "rope_factors_short.weight" };
        let factors = match gguf.has_tensor("rope_freqs.weight") {
            true => Some(factors(gguf, "rope_freqs.weight", rotated)?),
            false if gguf.has_tensor(long) => Some(factors(gguf, long, rotated)?),
            false => None,
        };
        let magnitude = gguf.f32(&gguf.key("rope.scaling.attn_factor")).unwrap_or(1.0);
        Ok(Scaling {
            factors,
            stretch: if matches!(kind, "linear" | "yarn") { 1.0 / factor } else { 1.0 },
            magnitude: f64::from(magnitude),
            yarn: (kind == "yarn").then_some(original as f64),
        })
    }
}

trait HasTensor {
    fn has_tensor(&self, name: &str) -> bool;
}

impl HasTensor for Gguf {
    fn has_tensor(&self, name: &str) -> bool {
        self.tensor(name).is_some()
    }
}

fn factors(gguf: &Gguf, name: &str, rotated: usize) -> Result<Vec<f32>, Error> {
    let tensor = gguf.require(name)?;
    if tensor.elements() != rotated / 2 {
        let expected = vec![rotated / 2];
        return Err(Error::TensorShape { name: name.to_owned(), found: tensor.dims.clone(), expected });
    }
    let mut values = vec![0.0; rotated / 2];
    super::weights::check_type(tensor)?;
    dequantise_row(tensor.ggml_type, gguf.data(tensor), &mut values);
    Ok(values)
}

impl Rope {
    /// Frequencies of `rotated` elements, in pairs.
    pub(crate) fn new(rotated: usize, base: f64, scaling: &Scaling) -> Rope {
        let pairs = rotated / 2;
        let divisor = |pair: usize| scaling.factors.as_ref().map_or(1.0, |all| f64::from(all[pair]));
        let plain = |pair: usize| base.powf(-2.0 * pair as f64 / rotated as f64) / divisor(pair);
        let ramp = |pair| scaling.yarn.map_or(0.0, |original| yarn_ramp(pair, rotated, base, original));
        let frequencies = (0..pairs)
            .map(|pair| {
                let kept = ramp(pair);
                plain(pair) * (scaling.stretch * (1.0 - kept) + kept)
            })
            .collect();
        let yarn = if scaling.yarn.is_some() { 1.0 - 0.1 * scaling.stretch.ln() } else { 1.0 };
        Rope { frequencies, magnitude: scaling.magnitude * yarn }
    }

    /// Cosines and sines of one position, one of each for a pair.
    pub(crate) fn angles(&self, position: usize, cos: &mut Vec<f32>, sin: &mut Vec<f32>) {
        for frequency in &self.frequencies {
            let angle = position as f64 * frequency;
            cos.push((angle.cos() * self.magnitude) as f32);
            sin.push((angle.sin() * self.magnitude) as f32);
        }
    }

    pub(crate) fn pairs(&self) -> usize {
        self.frequencies.len()
    }
}

/// How much of a pair's frequency YaRN keeps (Peng et al. 2023, with its beta of 32 and 1).
fn yarn_ramp(pair: usize, rotated: usize, base: f64, original: f64) -> f64 {
    let dimension = |turns: f64| {
        rotated as f64 * (original / (turns * 2.0 * std::f64::consts::PI)).ln() / (2.0 * base.ln())
    };
    let low = dimension(32.0).floor().max(0.0);
    let high = dimension(1.0).ceil().min(rotated as f64 - 1.0);
    1.0 - ((pair as f64 - low) / (high - low).max(0.001)).clamp(0.0, 1.0)
}
