//! Running headers, footers and page numbers: what stands at the edge of most pages alike, but for its numbers.

use std::collections::HashMap;

use carrel_corpus::BlockKind;

use super::PageReading;
use super::layout::PageBlock;

/// Share of the page's height at either end in which running lines stand.
const EDGE: f32 = 0.12;
/// Fewest pages on which a line must return to be a running one.
const PAGES: usize = 4;

/// Drops running lines from all pages but the first that has them.
pub(super) fn drop_repeated(readings: &mut [PageReading]) {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for reading in readings.iter() {
        let PageReading::Read(blocks) = reading else { continue };
        let mut here: Vec<String> = blocks.iter().filter(|block| is_at_edge(block)).map(shape).collect();
        here.sort();
        here.dedup();
        for shape in here {
            *counts.entry(shape).or_default() += 1;
        }
    }
    let pages = readings.len();
    let repeated = |count: usize| count >= PAGES && count * 3 >= pages;
    let mut seen: Vec<String> = Vec::new();
    for reading in readings.iter_mut() {
        let PageReading::Read(blocks) = reading else { continue };
        let only = blocks.len() == 1;
        blocks.retain(|block| {
            if only || !is_at_edge(block) {
                return true;
            }
            let shape = shape(block);
            if !repeated(counts.get(&shape).copied().unwrap_or(0)) {
                return true;
            }
            let first = !seen.contains(&shape);
            if first {
                seen.push(shape);
            }
            first
        });
    }
}

fn is_at_edge(block: &PageBlock) -> bool {
    let short = block.lines <= 3 && block.text.len() < 300 && block.kind != BlockKind::Hidden;
    short && (block.bottom < EDGE || block.top > 1.0 - EDGE)
}

/// The text with every number as one sign.
fn shape(block: &PageBlock) -> String {
    let mut shape = String::with_capacity(block.text.len());
    for c in block.text.chars() {
        match c {
            c if c.is_ascii_digit() && shape.ends_with('#') => {}
            c if c.is_ascii_digit() => shape.push('#'),
            c if c.is_whitespace() => {}
            c => shape.extend(c.to_lowercase()),
        }
    }
    let roman = !shape.is_empty() && shape.len() < 6 && shape.chars().all(|c| "ivxlc".contains(c));
    if roman { "#".to_owned() } else { shape }
}
