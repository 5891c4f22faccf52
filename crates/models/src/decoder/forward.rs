//! The network, from tokens to logits.

use super::attention::attend;
use super::rope::Rope;
use super::state::State;
use super::weights::Layer;
use super::{Architecture, Decoder};
use crate::kernels::Isa;
use crate::kernels::activations::Activations;
use crate::kernels::blocks::dequantise_row;
use crate::kernels::matrix::{Matrix, Product, Rows, multiply};
use crate::kernels::pool::{Pool, SharedRows};
use crate::kernels::vector;

/// Tokens that go through the network together. Activations of so many rows stay in the caches while the
/// weights pass by.
pub(super) const BATCH: usize = 256;

/// Rows that a thread takes at a time for what is done row by row.
const STRIP: usize = 8;

/// Which positions of a batch logits are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    None,
    Last,
    All,
}

/// Memory that a pass through the network needs, kept from pass to pass.
#[derive(Default)]
pub(super) struct Buffers {
    /// The residual stream, `rows x width`.
    stream: Vec<f32>,
    normed: Vec<f32>,
    quantised: Activations,
    queries: Vec<f32>,
    keys: Vec<f32>,
    values: Vec<f32>,
    attended: Vec<f32>,
    pub(super) partials: Vec<f32>,
    gate: Vec<f32>,
    up: Vec<f32>,
    change: Vec<f32>,
    /// Cosines and sines of the batch's positions, for each rotation.
    angles: Vec<(Vec<f32>, Vec<f32>)>,
    pub(super) logits: Vec<f32>,
}

impl Buffers {
    fn reset(&mut self, architecture: &Architecture, rows: usize) {
        let queries = architecture.heads * architecture.head_dimension;
        let cached = architecture.kv_heads * architecture.head_dimension;
        for (buffer, width) in [
            (&mut self.stream, architecture.width),
            (&mut self.normed, architecture.width),
            (&mut self.change, architecture.width),
            (&mut self.queries, queries),
            (&mut self.attended, queries),
            (&mut self.keys, cached),
            (&mut self.values, cached),
            (&mut self.gate, architecture.feed_forward),
            (&mut self.up, architecture.feed_forward),
        ] {
            buffer.resize(rows * width, 0.0);
        }
    }

    fn set_angles(&mut self, ropes: &[Rope], start: usize, rows: usize) {
        self.angles.resize_with(ropes.len(), Default::default);
        for (rope, (cos, sin)) in ropes.iter().zip(&mut self.angles) {
            cos.clear();
            sin.clear();
            (start..start + rows).for_each(|position| rope.angles(position, cos, sin));
        }
    }
}

/// Does something for each strip of rows, on all threads where there are several.
fn by_strips(pool: &Pool, rows: usize, work: &(dyn Fn(std::ops::Range<usize>) + Sync)) {
    pool.run(rows.div_ceil(STRIP), &|strip| work(strip * STRIP..rows.min((strip + 1) * STRIP)));
}

/// `out = RMSNorm(values)`, quantised as well.
fn normalise(
    decoder: &Decoder,
    values: &[f32],
    weight: &[f32],
    out: &mut [f32],
    quantised: &mut Activations,
) {
    let (isa, width, epsilon) = (decoder.isa, weight.len(), decoder.architecture.epsilon);
    let rows = values.len() / width;
    quantised.reset(rows, width);
    let (out, places) = (SharedRows::new(out, width), quantised.places());
    by_strips(&decoder.pool, rows, &|strip| {
        // SAFETY: strips do not overlap, and both buffers outlive the step.
        unsafe {
            let out = out.rows(strip.clone());
            vector::rms_norm(isa, &values[strip.start * width..strip.end * width], weight, epsilon, out);
            places.quantise(isa, strip.start, out);
        }
    });
}

/// Quantises rows of `width` values.
fn quantise(pool: &Pool, isa: Isa, values: &[f32], width: usize, quantised: &mut Activations) {
    let rows = values.len() / width;
    quantised.reset(rows, width);
    let places = quantised.places();
    by_strips(pool, rows, &|strip| {
        // SAFETY: strips do not overlap, and the buffer outlives the step.
        unsafe { places.quantise(isa, strip.start, &values[strip.start * width..strip.end * width]) }
    });
}

impl Decoder {
    /// Reads up to [`BATCH`] tokens. Logits of the wanted positions are then in the state's buffers.
    pub(super) fn forward(&self, state: &mut State, tokens: &[u32], wanted: Wanted) {
        let start = state.len();
        state.extend(tokens);
        let mut buffers = std::mem::take(&mut state.buffers);
        buffers.reset(&self.architecture, tokens.len());
        buffers.set_angles(&self.architecture.ropes, start, tokens.len());
        self.embed(tokens, &mut buffers.stream);
        let mut first = 0;
        for (index, layer) in self.weights.layers.iter().enumerate() {
            let last = index + 1 == self.weights.layers.len();
            self.project(state, &mut buffers, index, layer, start);
            // After the last layer's keys and values, only the wanted positions matter.
            first = match (last, wanted) {
                (true, Wanted::None) => break,
                (true, Wanted::Last) => tokens.len() - 1,
                _ => 0,
            };
            self.attention(state, &mut buffers, index, layer, start, first);
            self.feed_forward(&mut buffers, layer, first);
        }
        match wanted {
            Wanted::None => {}
            Wanted::Last | Wanted::All => self.logits(&mut buffers, first),
        }
        state.buffers = buffers;
    }

    /// Rows of the embedding matrix. Those of a prompt lie all over it, and are not kept in memory.
    fn embed(&self, tokens: &[u32], stream: &mut [f32]) {
        let width = self.architecture.width;
        let scale = self.architecture.embedding_scale;
        let rows = SharedRows::new(stream, width);
        by_strips(&self.pool, tokens.len(), &|strip| {
            for index in strip {
                // SAFETY: each row is written by one thread.
                let row = unsafe { rows.rows(index..index + 1) };
                let (kind, bytes) = self.embedding_row(tokens[index]);
                dequantise_row(kind, bytes, row);
                row.iter_mut().for_each(|value| *value *= scale);
            }
        });
        if tokens.len() > STRIP {
            self.gguf.give_back(self.embedding.1.clone());
        }
    }

    /// Queries, keys and values of the batch; the latter two go into the cache.
    fn project(&self, state: &mut State, buffers: &mut Buffers, index: usize, layer: &Layer, start: usize) {
        let b = buffers;
        normalise(self, &b.stream, &layer.attention_norm, &mut b.normed, &mut b.quantised);
        let input = Rows { floats: &b.normed, quantised: &b.quantised };
        multiply(
            &self.pool,
            self.isa,
            input,
            &mut [
                Product { matrix: &layer.query, out: &mut b.queries },
                Product { matrix: &layer.key, out: &mut b.keys },
                Product { matrix: &layer.value, out: &mut b.values },
            ],
        );
        let rows = b.stream.len() / self.architecture.width;
        let rope = self.architecture.layer_kinds[index].rope;
        let angles = rope.map(|rope| (&self.architecture.ropes[rope], &b.angles[rope]));
        let (queries, keys) =
            (SharedRows::new(&mut b.queries, layer.query.rows), SharedRows::new(&mut b.keys, layer.key.rows));
        let (places, width) = (state.places(index, start), layer.key.rows);
        by_strips(&self.pool, rows, &|strip| {
            for row in strip {
                // SAFETY: each row is changed by one thread.
                let (query, key) = unsafe { (queries.rows(row..row + 1), keys.rows(row..row + 1)) };
                self.place(row, query, layer.query_norm.as_deref(), angles);
                self.place(row, key, layer.key_norm.as_deref(), angles);
                query.iter_mut().for_each(|value| *value *= self.architecture.attention_scale);
                let value = &b.values[row * width..(row + 1) * width];
                // SAFETY: each position is written by one thread.
                unsafe { places.write(self.isa, start + row, key, value) };
            }
        });
    }

    /// Normalises (where the family does) and rotates the heads of one position.
    fn place(&self, row: usize, heads: &mut [f32], norm: Option<&[f32]>, angles: Option<Angles<'_>>) {
        if let Some(norm) = norm {
            vector::rms_norm_in_place(self.isa, heads, norm, self.architecture.epsilon);
        }
        let Some((rope, (cos, sin))) = angles else { return };
        let range = row * rope.pairs()..(row + 1) * rope.pairs();
        for head in heads.chunks_exact_mut(self.architecture.head_dimension) {
            vector::rotate(self.architecture.pairing, head, &cos[range.clone()], &sin[range.clone()]);
        }
    }

    fn attention(
        &self,
        state: &State,
        buffers: &mut Buffers,
        index: usize,
        layer: &Layer,
        start: usize,
        first: usize,
    ) {
        let (width, queries) = (self.architecture.width, layer.query.rows);
        attend(self, state, buffers_of(buffers), index, start, first);
        let b = buffers;
        let attended = &b.attended[first * queries..];
        quantise(&self.pool, self.isa, attended, queries, &mut b.quantised);
        let out = &mut b.change[first * width..];
        self.apply(&layer.attention_out, attended, &b.quantised, out);
        self.add(&mut b.stream[first * width..], out, layer.attention_post_norm.as_deref());
    }

    fn feed_forward(&self, buffers: &mut Buffers, layer: &Layer, first: usize) {
        let (width, hidden) = (self.architecture.width, self.architecture.feed_forward);
        let b = buffers;
        let (stream, normed) = (&mut b.stream[first * width..], &mut b.normed[first * width..]);
        normalise(self, stream, &layer.feed_forward_norm, normed, &mut b.quantised);
        let input = Rows { floats: normed, quantised: &b.quantised };
        let (gate, up) = (&mut b.gate[first * hidden..], &mut b.up[first * hidden..]);
        multiply(
            &self.pool,
            self.isa,
            input,
            &mut [Product { matrix: &layer.gate, out: gate }, Product { matrix: &layer.up, out: up }],
        );
        self.gate(gate, up, &mut b.quantised);
        let out = &mut b.change[first * width..];
        self.apply(&layer.down, gate, &b.quantised, out);
        self.add(stream, out, layer.feed_forward_post_norm.as_deref());
    }

    /// `gate = activation(gate) * up`, quantised as well.
    fn gate(&self, gate: &mut [f32], up: &[f32], quantised: &mut Activations) {
        let hidden = self.architecture.feed_forward;
        let rows = gate.len() / hidden;
        quantised.reset(rows, hidden);
        let (gate, places) = (SharedRows::new(gate, hidden), quantised.places());
        by_strips(&self.pool, rows, &|strip| {
            // SAFETY: strips do not overlap, and both buffers outlive the step.
            unsafe {
                let gate = gate.rows(strip.clone());
                let up = &up[strip.start * hidden..strip.end * hidden];
                vector::gated(self.isa, self.architecture.gate, gate, up);
                places.quantise(self.isa, strip.start, gate);
            }
        });
    }

    fn apply(&self, matrix: &Matrix, floats: &[f32], quantised: &Activations, out: &mut [f32]) {
        multiply(&self.pool, self.isa, Rows { floats, quantised }, &mut [Product { matrix, out }]);
    }

    /// Adds what a sublayer gives to the stream, after the norm that some families put there.
    fn add(&self, stream: &mut [f32], change: &mut [f32], norm: Option<&[f32]>) {
        let width = self.architecture.width;
        let rows = stream.len() / width;
        let (stream, change) = (SharedRows::new(stream, width), SharedRows::new(change, width));
        by_strips(&self.pool, rows, &|strip| {
            // SAFETY: strips do not overlap, and both buffers outlive the step.
            let (stream, change) = unsafe { (stream.rows(strip.clone()), change.rows(strip)) };
            if let Some(norm) = norm {
                vector::rms_norm_in_place(self.isa, change, norm, self.architecture.epsilon);
            }
            vector::add_scaled(self.isa, stream, change, self.architecture.residual_scale);
        });
    }

    /// Logits of the positions from `first` on.
    fn logits(&self, buffers: &mut Buffers, first: usize) {
        let architecture = &self.architecture;
        let b = buffers;
        let stream = &b.stream[first * architecture.width..];
        let normed = &mut b.normed[first * architecture.width..];
        normalise(self, stream, &self.weights.output_norm, normed, &mut b.quantised);
        b.logits.resize(stream.len() / architecture.width * architecture.vocabulary, 0.0);
        self.apply(&self.weights.output, normed, &b.quantised, &mut b.logits);
        if architecture.logit_scale != 1.0 {
            b.logits.iter_mut().for_each(|logit| *logit *= architecture.logit_scale);
        }
        if architecture.logit_cap > 0.0 {
            let cap = architecture.logit_cap;
            b.logits.iter_mut().for_each(|logit| *logit = cap * (*logit / cap).tanh());
        }
    }
}

/// A rotation, with the cosines and sines of the batch's positions.
type Angles<'a> = (&'a Rope, &'a (Vec<f32>, Vec<f32>));

/// The buffers that attention works with.
pub(super) struct AttentionBuffers<'a> {
    pub queries: &'a [f32],
    pub out: &'a mut [f32],
    pub partials: &'a mut Vec<f32>,
}

fn buffers_of(buffers: &mut Buffers) -> AttentionBuffers<'_> {
    AttentionBuffers {
        queries: &buffers.queries,
        out: &mut buffers.attended,
        partials: &mut buffers.partials,
    }
}
