//! Packs the image, for `make image`.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Parser;
use gatewright_e2e::image;

/// Packs binaries as an image: an OCI layout
#[derive(Parser)]
struct Arguments {
    /// The folder of the layout, which is written anew
    #[arg(long)]
    layout: PathBuf,
    /// The time of everything in the image, in seconds since 1970
    #[arg(long, env = "SOURCE_DATE_EPOCH", default_value_t = 0)]
    epoch: u64,
    /// The binaries: amd64=PATH, arm64=PATH
    #[arg(required = true)]
    binaries: Vec<String>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let binary = |text: &String| {
        let (platform, path) =
            text.split_once('=').with_context(|| format!("{text} is not PLATFORM=PATH"))?;
        Ok((platform.to_owned(), PathBuf::from(path)))
    };
    let binaries = arguments.binaries.iter().map(binary).collect::<Result<image::Binaries>>()?;
    image::pack(&binaries, env!("CARGO_PKG_VERSION"), arguments.epoch, &arguments.layout)
}
