//! Writes what is generated of the Helm chart and from it, for `make generated`.

use anyhow::Result;
use gatewright_e2e::chart;

fn main() -> Result<()> {
    for file in chart::offline()? {
        file.write()?;
    }
    // After the chart's own files, which helm reads.
    for file in chart::rendered()? {
        file.write()?;
    }
    Ok(())
}
