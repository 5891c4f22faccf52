//! A measurement beside an earlier one of the same set, and whether it is worse.

use std::fmt;

use serde_json::Value;

/// Figures that are better when they are lower.
const LOWER: [&str; 5] =
    ["false_refusal", "unsupported", "attack_success", "attack_success_alone", "attack_followed"];
/// Figures of speed: they depend on what else the machine does, and are shown but not judged.
const SPEED: [&str; 3] = ["search_ms", "ttft_s", "tokens_per_s"];
/// Parts of a report that are judged; `bm25` and `vector` alone are there to compare with.
const JUDGED: [&str; 2] = ["hybrid", "answers"];

/// The figures of two reports side by side.
#[derive(Clone, Debug, PartialEq)]
pub struct SideBySide {
    lines: Vec<Line>,
    tolerance: f64,
}

#[derive(Clone, Debug, PartialEq)]
struct Line {
    name: String,
    before: f64,
    now: f64,
    /// By how much it is worse; none where it is not judged.
    worse: Option<f64>,
}

impl SideBySide {
    /// Compares reports of `carrel eval --json`. A figure is worse when it has lost more than `tolerance`. None where they
    /// are not of the same questions.
    pub fn new(before: &Value, now: &Value, tolerance: f64) -> Option<SideBySide> {
        let same = ["set", "questions"].iter().all(|key| before[key] == now[key]);
        if !same {
            return None;
        }
        let mut lines = Vec::new();
        for part in JUDGED {
            for (key, value) in now[part].as_object().into_iter().flatten() {
                let (Some(before), Some(now)) = (before[part][key].as_f64(), value.as_f64()) else {
                    continue;
                };
                if key == "questions" {
                    continue;
                }
                let lost = if LOWER.contains(&key.as_str()) { now - before } else { before - now };
                let worse = (!SPEED.contains(&key.as_str())).then_some(lost);
                lines.push(Line { name: format!("{part} {key}"), before, now, worse });
            }
        }
        Some(SideBySide { lines, tolerance })
    }

    pub fn is_worse(&self) -> bool {
        self.lines.iter().any(|line| self.lost(line))
    }

    fn lost(&self, line: &Line) -> bool {
        line.worse.is_some_and(|lost| lost > self.tolerance)
    }
}

impl fmt::Display for SideBySide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<28} {:>9} {:>9} {:>9}", "", "before", "now", "change")?;
        for line in &self.lines {
            let mark = if self.lost(line) { "  worse" } else { "" };
            let Line { name, before, now, .. } = line;
            writeln!(f, "{name:<28} {before:>9.3} {now:>9.3} {:>+9.3}{mark}", now - before)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(recall: f64, false_refusal: f64, milliseconds: f64) -> Value {
        json!({
            "set": "mine", "questions": 20, "hybrid": {"recall_at_5": recall, "search_ms": milliseconds},
            "bm25": {"recall_at_5": 0.0}, "answers": {"questions": 20, "false_refusal": false_refusal},
        })
    }

    fn check(now: &Value, expected: bool) {
        let compared = SideBySide::new(&report(0.9, 0.1, 5.0), now, 0.01).expect("the same questions");
        assert_eq!(compared.is_worse(), expected, "{compared}");
    }

    #[test]
    fn a_loss_beyond_the_tolerance_is_worse_and_slowness_is_not_judged() {
        check(&report(0.9, 0.1, 50.0), false);
        check(&report(0.895, 0.1, 5.0), false);
        check(&report(0.8, 0.1, 5.0), true);
        check(&report(0.95, 0.2, 5.0), true);
        check(&report(0.95, 0.0, 5.0), false);
        let other = json!({"set": "mine", "questions": 21});
        assert_eq!(SideBySide::new(&report(0.9, 0.1, 5.0), &other, 0.01), None);
    }
}
