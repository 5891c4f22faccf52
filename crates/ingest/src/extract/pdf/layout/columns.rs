//! Reading order: stretches of a page where text is set in columns, found by the left edges that columns share.

use super::Segment;

/// Fewest lines on either side of a gutter.
const LINES: usize = 4;
/// Deepest nesting of columns in columns.
const DEPTH: usize = 6;

/// Calls `region` with the segments of each part of the page in reading order; inside a region, lines follow each
/// other from top to bottom. `segments` are sorted by line, then from left to right.
pub(in super::super) fn in_order(segments: Vec<Segment>, region: &mut dyn FnMut(Vec<Segment>)) {
    order(segments, DEPTH, region);
}

fn order(segments: Vec<Segment>, depth: usize, region: &mut dyn FnMut(Vec<Segment>)) {
    let band = if depth == 0 || segments.len() < 2 * LINES { None } else { best_band(&segments) };
    let Some(band) = band else {
        if !segments.is_empty() {
            region(segments);
        }
        return;
    };
    let mut above = Vec::new();
    let (mut left, mut right) = (Vec::new(), Vec::new());
    let mut below = Vec::new();
    for segment in segments {
        if segment.base < band.top {
            above.push(segment);
        } else if segment.base > band.bottom {
            below.push(segment);
        } else if segment.left < band.gutter {
            left.push(segment);
        } else {
            right.push(segment);
        }
    }
    order(above, depth - 1, region);
    order(left, depth - 1, region);
    order(right, depth - 1, region);
    order(below, depth - 1, region);
}

/// A stretch of the page where nothing crosses the gutter.
struct Band {
    gutter: f32,
    top: f32,
    bottom: f32,
    segments: usize,
}

/// The band that holds the most lines.
fn best_band(segments: &[Segment]) -> Option<Band> {
    let mut edges: Vec<f32> = segments.iter().map(|segment| segment.left).collect();
    edges.sort_by(f32::total_cmp);
    let mut best: Option<Band> = None;
    let mut at = 0;
    while at < edges.len() {
        let edge = edges[at];
        let same = edges[at..].iter().take_while(|&&other| other - edge < 3.0).count();
        at += same;
        if same >= LINES && edge > edges[0] + 20.0 {
            let band = longest_band(segments, edge - 0.5);
            if let Some(band) =
                band.filter(|band| best.as_ref().is_none_or(|best| band.segments > best.segments))
            {
                best = Some(band);
            }
        }
    }
    best
}

/// The longest stretch without a segment across the gutter that has columns of prose on both sides.
fn longest_band(segments: &[Segment], gutter: f32) -> Option<Band> {
    let mut best: Option<Band> = None;
    let mut start = 0;
    for end in 0..=segments.len() {
        let crosses =
            segments.get(end).is_none_or(|segment| segment.left < gutter && segment.right > gutter - 2.0);
        if !crosses {
            continue;
        }
        let longer = best.as_ref().is_none_or(|best| end - start > best.segments);
        if longer && let Some(band) = band(&segments[start..end], gutter) {
            best = Some(band);
        }
        start = end + 1;
    }
    best
}

fn band(segments: &[Segment], gutter: f32) -> Option<Band> {
    let (left, right): (Vec<&Segment>, Vec<&Segment>) =
        segments.iter().partition(|segment| segment.left < gutter);
    if left.len() < LINES || right.len() < LINES {
        return None;
    }
    // Lines that stand beside no line of the other side at the ends do not belong to the columns.
    let top = |side: &[&Segment]| side.iter().map(|segment| segment.base).fold(f32::INFINITY, f32::min);
    let bottom =
        |side: &[&Segment]| side.iter().map(|segment| segment.base).fold(f32::NEG_INFINITY, f32::max);
    let overlap = bottom(&left).min(bottom(&right)) - top(&left).max(top(&right));
    let size = segments[0].size.max(1.0);
    if overlap < 2.0 * size || !is_prose(&left) || !is_prose(&right) {
        return None;
    }
    Some(Band {
        gutter,
        top: top(&left).min(top(&right)) - 0.1,
        bottom: bottom(&left).max(bottom(&right)) + 0.1,
        segments: segments.len(),
    })
}

/// Whether lines fill their column, as those of a table do not.
fn is_prose(side: &[&Segment]) -> bool {
    let left = side.iter().map(|segment| segment.left).fold(f32::INFINITY, f32::min);
    let right = side.iter().map(|segment| segment.right).fold(f32::NEG_INFINITY, f32::max);
    let width = (right - left).max(1.0);
    let full = side.iter().filter(|segment| segment.right - segment.left > 0.6 * width).count();
    let words: usize = side.iter().map(|segment| segment.words.len()).sum();
    let letters: usize =
        side.iter().flat_map(|segment| &segment.words).map(|word| word.text.chars().count()).sum();
    full * 2 >= side.len() && (words >= 3 * side.len() || letters >= 15 * side.len())
}
