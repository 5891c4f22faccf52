//! Developer commands. Only spawns things: what a command does is said by the programs that it starts.
//!
//! Everything is built with one profile and one set of flags, so that no two commands compile the
//! dependencies differently. `PROTOC`, which the vector store needs at build time, comes from a crate.

mod arrows;
mod run;

use std::process::ExitCode;

use run::{Failed, Step};

const HELP: &str = "\
Developer commands of Carrel

Usage: cargo xtask <COMMAND>

Commands:
  demo [ARGS…]    Build, fetch the default models, read `sample-docs` and serve it; prints the address.
                  ARGS go to `carrel serve` (--port 4400, --model smollm2:135m, another FOLDER…)
  test [FILTER]   The whole test suite: Rust, then the page in a real browser
  lint            rustfmt and clippy, without compiling the dependencies again
  arrows          Prove with `cargo tree` that no crate depends on what the design rules out
  ci              test, lint, arrows
  build           Build the workspace (sets PROTOC, then `cargo build`)
  web             Build the page into `web/dist` (needs Node 20)
  bench [ARGS…]   `carrel bench`; with `--peer llama.cpp` beside llama.cpp in the same run
  eval DIR…       `carrel eval` on each folder

Everything is compiled once, into `target` or $CARGO_TARGET_DIR, with the `dev` profile, which is optimised.";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let result = match command.as_str() {
        "demo" => demo(&rest),
        "test" => test(&rest),
        "lint" => lint(),
        "arrows" => arrows::check(),
        "ci" => test(&[]).and_then(|()| lint()).and_then(|()| arrows::check()),
        "build" => build(),
        "web" => web(),
        "bench" => bench(&rest),
        "eval" => eval(&rest),
        "" | "help" | "--help" | "-h" => {
            println!("{HELP}");
            Ok(())
        }
        other => Err(Failed::new(format!("there is no command `{other}`"), "`cargo xtask help` lists them")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("{failed}");
            ExitCode::FAILURE
        }
    }
}

/// The models of `demo`: what the page asks by default.
const DEMO_MODELS: [&str; 2] = ["all-minilm-l6-v2", "qwen2.5-coder:1.5b"];
/// The models of the test suite: small, so that a machine without a fast network can run it.
const TEST_MODELS: [&str; 2] = ["all-minilm-l6-v2", "smollm2:135m"];

fn build() -> Result<(), Failed> {
    Step::cargo(&["build", "--workspace"]).run("build the workspace")
}

fn pull(models: &[&str]) -> Result<(), Failed> {
    for model in models {
        Step::carrel(&["models", "pull", model]).run(&format!("fetch the model {model}"))?;
    }
    Ok(())
}

fn demo(serve: &[String]) -> Result<(), Failed> {
    eprintln!("The first build compiles about 800 crates: 30 to 60 minutes on two cores, once.");
    build()?;
    let named = serve.iter().position(|argument| argument == "--model").and_then(|at| serve.get(at + 1));
    match named {
        Some(model) => pull(&[DEMO_MODELS[0], model])?,
        None => pull(&DEMO_MODELS)?,
    }
    eprintln!("\nFrom now on this is all you need:\n    {} serve FOLDER…\n", run::carrel_path().display());
    Step::carrel(&["serve", "sample-docs"]).args(serve).run("serve `sample-docs`")
}

fn test(filter: &[String]) -> Result<(), Failed> {
    Step::cargo(&["build", "--workspace", "--all-targets"]).run("build the workspace and its tests")?;
    // Without models the suite still runs; it names what it leaves out.
    if let Err(failed) = pull(&TEST_MODELS) {
        eprintln!("{failed}\nThe tests that need a model will be left out; they say so.");
    }
    Step::cargo(&["test", "--workspace", "--no-fail-fast"])
        .env("CARREL_BIN", run::carrel_path())
        .args(filter)
        .run("run the Rust tests")?;
    if filter.is_empty() { browser() } else { Ok(()) }
}

/// The page in a real browser. Says which tests are left out where the tools for them are missing.
fn browser() -> Result<(), Failed> {
    let root = run::root();
    let missing: Vec<&str> = [
        ("Node", run::finds("node")),
        ("Chromium", run::chromium().is_some()),
        ("`npm ci` in `web`", root.join("web/node_modules/playwright-core").is_dir()),
    ]
    .into_iter()
    .filter(|(_, there)| !there)
    .map(|(name, _)| name)
    .collect();
    if !missing.is_empty() {
        eprintln!("LEFT OUT: the browser tests in `tests/browser`, for want of {}", missing.join(", "));
        return Ok(());
    }
    let mut files: Vec<String> = std::fs::read_dir(root.join("tests/browser"))
        .map_err(|error| Failed::new(format!("could not list `tests/browser`: {error}"), ""))?
        .filter_map(|entry| entry.ok()?.path().to_str().map(str::to_owned))
        .filter(|path| path.ends_with(".test.mjs"))
        .collect();
    files.sort();
    let mut step = Step::new("node", &["--test"]).args(&files).env("CARREL_BIN", run::carrel_path());
    if let Some(chromium) = run::chromium() {
        step = step.env("CHROMIUM", chromium);
    }
    step.run("test the page in a browser")
}

/// `cargo clippy` would check every dependency anew; as a wrapper around the ordinary build, clippy sees
/// only the workspace's own crates and takes the dependencies as they were compiled for the tests.
fn lint() -> Result<(), Failed> {
    Step::cargo(&["fmt", "--all", "--check"]).run("check the formatting (`cargo fmt` mends it)")?;
    let linted = Step::cargo(&["build", "--workspace", "--all-targets", "--quiet", "--keep-going"])
        .env("RUSTC_WORKSPACE_WRAPPER", "clippy-driver")
        .env("CLIPPY_ARGS", "-Dwarnings__CLIPPY_HACKERY__-Copt-level=0__CLIPPY_HACKERY__-Cdebug-assertions=off__CLIPPY_HACKERY__")
        .run("lint with clippy");
    // The wrapper's build is not optimised, and has put its program in the place of the ordinary one.
    build()?;
    linted
}

fn web() -> Result<(), Failed> {
    let web = run::root().join("web");
    Step::new("npm", &["ci"]).at(&web).run("install the page's packages")?;
    Step::new("npm", &["run", "build"]).at(&web).run("build the page")
}

fn bench(arguments: &[String]) -> Result<(), Failed> {
    build()?;
    match arguments.iter().position(|argument| argument == "--peer") {
        None => Step::carrel(&["bench"]).args(arguments).run("run the benchmark"),
        Some(at) => {
            let mut rest = arguments.to_vec();
            rest.drain(at..(at + 2).min(rest.len()));
            Step::new("python3", &["tests/scripts/bench_peer.py"])
                .args(&rest)
                .env("CARREL_BIN", run::carrel_path())
                .run("measure beside llama.cpp")
        }
    }
}

fn eval(arguments: &[String]) -> Result<(), Failed> {
    build()?;
    let (sets, options): (Vec<_>, Vec<_>) =
        arguments.iter().cloned().partition(|argument| std::path::Path::new(argument).is_dir());
    if sets.is_empty() {
        return Err(Failed::new(
            "no folder to evaluate",
            "pass one or more, each with `docs` and `queries.jsonl`",
        ));
    }
    for set in &sets {
        Step::carrel(&["eval", set]).args(&options).run(&format!("evaluate `{set}`"))?;
    }
    Ok(())
}
