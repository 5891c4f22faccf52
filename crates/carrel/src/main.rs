use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    carrel::cli::report(carrel::cli::run(carrel::cli::Args::parse()))
}
