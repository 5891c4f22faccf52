//! Progress on stderr: a bar in a terminal, now and then a line elsewhere.

use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use carrel_generate::tasks::Visited;
use indicatif::{ProgressBar, ProgressStyle};

use crate::interrupt;
use crate::library::{Phase, Progress};

/// Nothing is shown of what takes less.
const PATIENCE: Duration = Duration::from_millis(700);
/// Where there is no terminal, a line this often.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Shows how far one piece of work has come.
pub struct Meter {
    bar: ProgressBar,
    terminal: bool,
    began: Instant,
    shown: Instant,
}

impl Meter {
    pub fn new() -> Meter {
        let now = Instant::now();
        Meter {
            bar: ProgressBar::hidden(),
            terminal: std::io::stderr().is_terminal(),
            began: now,
            shown: now,
        }
    }

    /// `done` of `total` (0 when it is not known), in words.
    pub fn show(&mut self, what: &str, done: u64, total: u64, seconds_left: Option<f64>) {
        if self.began.elapsed() < PATIENCE {
            return;
        }
        let left = seconds_left.map_or(String::new(), |seconds| format!(", {} left", duration(seconds)));
        if self.terminal {
            if self.bar.is_hidden() {
                self.bar = ProgressBar::new(total);
            }
            self.bar.set_style(style(total));
            self.bar.set_length(total);
            self.bar.set_position(done);
            self.bar.set_message(format!("{what}{left}"));
            self.bar.tick();
        } else if self.shown.elapsed() >= LINE_EVERY {
            self.shown = Instant::now();
            match total {
                0 => eprintln!("{what}{left}"),
                _ => eprintln!("{what}: {done} of {total}{left}"),
            }
        }
    }

    /// What the library says of itself.
    pub fn show_library(&mut self, progress: &Progress) {
        let left = progress.seconds_left;
        match progress.phase {
            Phase::Scanning => self.show("looking at the folders", 0, 0, None),
            Phase::Reading => {
                self.show("reading files", progress.files_done as u64, progress.files_total as u64, left);
            }
            Phase::Embedding | Phase::Idle | Phase::Paused => {
                let (done, total) = (progress.chunks_done as u64, progress.chunks_total as u64);
                self.show("making vectors", done, total, left);
            }
        }
    }

    /// Shows each step of work over whole documents; after Ctrl-C it ends the work.
    pub fn watch(&mut self) -> impl FnMut(Visited<'_>) -> ControlFlow<()> {
        let began = Instant::now();
        move |visited: Visited<'_>| {
            self.step(visited, began);
            if interrupt::interrupted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    }

    /// Shows one step of work that began at `began`.
    pub fn step(&mut self, visited: Visited<'_>, began: Instant) {
        let each = began.elapsed().as_secs_f64() / visited.done.max(1) as f64;
        let left = each * visited.total.saturating_sub(visited.done) as f64;
        self.show(visited.path, visited.done as u64, visited.total as u64, Some(left));
    }

    /// Takes the bar away.
    pub fn clear(&mut self) {
        self.bar.finish_and_clear();
        self.bar = ProgressBar::hidden();
        self.began = Instant::now();
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn style(total: u64) -> ProgressStyle {
    let template = if total == 0 { "{spinner} {wide_msg}" } else { "{bar:24} {pos}/{len} {wide_msg}" };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// A time as a person reads it: `45 s`, `3 min`, `2 h 10 min`.
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 90.0 => format!("{} s", s.ceil()),
        s if s < 5400.0 => format!("{} min", (s / 60.0).round()),
        s => format!("{} h {} min", (s / 3600.0).floor(), ((s % 3600.0) / 60.0).round()),
    }
}

/// A number of bytes as a person reads it: `1.1 GB`.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// `text` on one line, cut after `limit` characters.
pub fn one_line(text: &str, limit: usize) -> String {
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match flat.char_indices().nth(limit) {
        Some((at, _)) => format!("{}…", &flat[..at]),
        None => flat,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(duration(3.2), "4 s");
        assert_eq!(duration(200.0), "3 min");
        assert_eq!(duration(7800.0), "2 h 10 min");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1_117_320_736), "1.1 GB");
    }
}
