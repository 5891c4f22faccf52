//! The arrows between crates that the design rules out, proved with `cargo tree`.

use std::process::Command;

use crate::run::{self, Failed};

/// Heavy dependencies, each with the one crate that may depend on it directly.
const FENCED: [(&str, &str); 11] = [
    ("candle-core", "carrel-models"),
    ("candle-nn", "carrel-models"),
    ("candle-transformers", "carrel-models"),
    ("tokenizers", "carrel-models"),
    ("llguidance", "carrel-models"),
    ("lancedb", "carrel-index"),
    ("arrow-array", "carrel-index"),
    ("tantivy", "carrel-index"),
    ("rusqlite", "carrel-index"),
    ("pdf-extract", "carrel-ingest"),
    ("notify", "carrel-ingest"),
];

/// The crates that meet only in `carrel`.
const SIBLINGS: [&str; 4] = ["carrel-models", "carrel-ingest", "carrel-index", "carrel-generate"];

/// Fails with every ruled-out arrow that `cargo tree` shows.
pub fn check() -> Result<(), Failed> {
    let mut wrong = Vec::new();
    for sibling in SIBLINGS {
        let below = dependencies(sibling, None)?;
        let others = SIBLINGS.iter().filter(|other| **other != sibling).copied().chain(["carrel", "xtask"]);
        let fenced = FENCED.iter().filter(|(_, owner)| *owner != sibling).map(|(name, _)| *name);
        wrong.extend(
            others.chain(fenced).filter(|name| below.iter().any(|b| b == name)).map(|name| (sibling, name)),
        );
    }
    let direct = dependencies("carrel", Some(1))?;
    wrong.extend(
        FENCED.iter().filter(|(name, _)| direct.iter().any(|d| d == name)).map(|(name, _)| ("carrel", *name)),
    );
    if dependencies("carrel-corpus", None)?.len() > 1 {
        wrong.push(("carrel-corpus", "anything but std"));
    }
    if wrong.is_empty() {
        println!("arrows: every crate depends only on what the design allows");
        return Ok(());
    }
    let list: Vec<String> = wrong.iter().map(|(from, to)| format!("  {from} -> {to}")).collect();
    Err(Failed::new(
        format!("the design rules out {} arrow(s):\n{}", list.len(), list.join("\n")),
        "`crates/README.md` says which crate may use what",
    ))
}

/// Names of the packages below `package` (itself included), to `depth` where given; dev-dependencies left out.
fn dependencies(package: &str, depth: Option<u32>) -> Result<Vec<String>, Failed> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args([
        "tree",
        "--package",
        package,
        "--edges",
        "normal,build",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]);
    command.current_dir(run::root());
    if let Some(depth) = depth {
        command.args(["--depth", &depth.to_string()]);
    }
    let output =
        command.output().map_err(|error| Failed::new(format!("could not run `cargo tree`: {error}"), ""))?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(Failed::new(format!("`cargo tree --package {package}` failed: {message}"), ""));
    }
    let mut names: Vec<String> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
        .collect();
    names.sort();
    names.dedup();
    Ok(names)
}
