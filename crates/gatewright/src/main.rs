//! The gatewright binary.

fn main() -> anyhow::Result<()> {
    for crd in gatewright_api::crds() {
        println!("---");
        print!("{}", serde_saphyr::to_string(&crd)?);
    }
    Ok(())
}
