//! `gatewright check` against `gator test`.
pub fn run() -> anyhow::Result<()> {
    Ok(())
}
