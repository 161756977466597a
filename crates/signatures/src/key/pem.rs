//! PEM blocks in a text.

use pem_rfc7468::{Decoder, LineEnding};

use super::Fault;

const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";

/// A block, not yet decoded.
pub(super) struct Block<'a> {
    pub(super) label: &'a str,
    /// Its base64 in one line.
    body: String,
}

/// Whether a text holds a private key, also one that is damaged.
pub(super) fn has_private_key(text: &str) -> bool {
    text.to_ascii_uppercase().contains("PRIVATE KEY")
}

/// The blocks of a text; what stands around them is skipped.
///
/// # Errors
/// A block has no end.
pub(super) fn blocks(text: &str) -> Result<Vec<Block<'_>>, Fault> {
    let mut blocks = vec![];
    let mut lines = text.split(['\n', '\r']).map(str::trim);
    while let Some(line) = lines.next() {
        let Some(begun) = line.strip_prefix(BEGIN) else {
            // All in one line, as folded YAML makes it.
            if line.contains(BEGIN) {
                return Err(Fault::Unreadable);
            }
            continue;
        };
        let label = begun.strip_suffix(DASHES).ok_or(Fault::Unreadable)?;
        let end = format!("-----END {label}-----");
        let mut body = String::new();
        loop {
            match lines.next() {
                Some(line) if line == end => break,
                Some(line) => body.push_str(line),
                None => return Err(Fault::Unreadable),
            }
        }
        blocks.push(Block { label, body });
    }
    Ok(blocks)
}

impl Block<'_> {
    /// What is in the block.
    ///
    /// # Errors
    /// It is not base64.
    pub(super) fn decode(&self) -> Result<Vec<u8>, Fault> {
        let Self { label, body } = self;
        let text = format!("{BEGIN}{label}{DASHES}\n{body}\n-----END {label}{DASHES}\n");
        let mut der = vec![];
        Decoder::new_detect_wrap(text.as_bytes())
            .and_then(|mut decoder| decoder.decode_to_end(&mut der).map(|_| ()))
            .map_err(|_| Fault::Unreadable)?;
        Ok(der)
    }
}

/// A block in PEM, with line feeds.
///
/// # Errors
/// It is too large for PEM.
pub(super) fn encode(label: &str, der: &[u8]) -> Result<String, Fault> {
    pem_rfc7468::encode_string(label, LineEnding::LF, der).map_err(|_| Fault::Unreadable)
}
