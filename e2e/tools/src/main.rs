//! Builds the tools that are missing or outdated: all, or those that clusters consist of or that make the image.

use std::process::ExitCode;

use gatewright_tools::{Use, install};

const USAGE: &str = "usage: gatewright-tools [cluster|image]";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let wanted = match arguments[..] {
        [] => Use::ALL,
        ["cluster"] => &[Use::Clusters],
        ["image"] => &[Use::Image],
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    // The chain of causes in one line; with a backtrace nobody would see it.
    install(wanted, &mut std::io::stderr()).map_or_else(
        |error| {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}
