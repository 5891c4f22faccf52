//! Decides where a document is cut, by the least sum of penalties over all ways to cut it.

use std::ops::Range;

use super::ChunkConfig;
use super::unit::{Gap, Unit};

/// What it costs that a chunk joins the two sides of a gap. The unit is the cost of an empty chunk.
fn joining(gap: Gap) -> f32 {
    match gap {
        Gap::None | Gap::Sentence | Gap::HeadingAbove => 0.0,
        Gap::Item => 0.01,
        Gap::Paragraph => 0.02,
        Gap::Page => 0.3,
        Gap::Heading => 0.35,
        Gap::Section => 0.8,
        Gap::Wall => f32::INFINITY,
    }
}

/// What it costs that a chunk ends in a gap.
fn cutting(gap: Gap) -> f32 {
    match gap {
        Gap::None => 0.8,
        Gap::Sentence => 0.12,
        Gap::HeadingAbove => 4.0,
        Gap::Item => 0.04,
        Gap::Paragraph | Gap::Page | Gap::Heading | Gap::Section | Gap::Wall => 0.0,
    }
}

/// The cost of a unit that is larger than a chunk may be.
const TOO_LARGE: f32 = 4.0;

/// What it costs that a chunk has so many tokens; infinite above the maximum.
fn size(tokens: usize, config: &ChunkConfig) -> f32 {
    if tokens > config.max_tokens {
        return f32::INFINITY;
    }
    let off = tokens as f32 / config.target_tokens as f32 - 1.0;
    match off > 0.0 {
        true => 2.0 * off * off,
        false => off * off,
    }
}

/// The chunks, as consecutive ranges of `units` that cover all of them.
pub(super) fn pack(units: &[Unit], config: &ChunkConfig) -> Vec<Range<usize>> {
    // best[end] is the least cost of cutting units[..end], and from[end] where the last chunk of that begins.
    let mut best = vec![f32::INFINITY; units.len() + 1];
    let mut from = vec![0; units.len() + 1];
    best[0] = 0.0;
    for end in 1..=units.len() {
        let (mut tokens, mut joined) = (0, 0.0);
        for start in (0..end).rev() {
            tokens += units[start].tokens + usize::from(start + 1 < end);
            let context = units[start].context.as_ref().map_or(0, |(_, tokens)| *tokens);
            let mut cost = best[start] + joined + size(tokens + context, config);
            if start + 1 == end && cost.is_infinite() {
                cost = best[start] + TOO_LARGE; // it cannot be cut
            }
            if start > 0 {
                cost += cutting(units[start].gap);
            }
            if cost < best[end] {
                best[end] = cost;
                from[end] = start;
            }
            joined += joining(units[start].gap);
            if tokens > config.max_tokens || joined.is_infinite() {
                break;
            }
        }
    }
    let (mut ranges, mut end) = (Vec::new(), units.len());
    while end > 0 {
        ranges.push(from[end]..end);
        end = from[end];
    }
    ranges.reverse();
    ranges
}
