//! Builds the tools that are missing or outdated: those that tests need, only those that clusters consist of or that make the
//! image, those of the tests on other versions, or those that make signatures for tests.

use std::process::ExitCode;

use gatewright_tools::{Use, install};

const USAGE: &str = "usage: gatewright-tools [cluster|versions|image|fixtures]";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let wanted = match arguments[..] {
        [] => Use::USUAL,
        ["cluster"] => &[Use::Clusters],
        ["versions"] => &[Use::Clusters, Use::Versions],
        ["image"] => &[Use::Image],
        ["fixtures"] => &[Use::Tests, Use::Image, Use::Fixtures],
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
