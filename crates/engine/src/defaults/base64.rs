//! Base64 as Kubernetes writes bytes: the standard alphabet, padded.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(super) fn encode(bytes: &[u8]) -> String {
    bytes.chunks(3).flat_map(group).collect()
}

/// One to three bytes as four characters.
fn group(bytes: &[u8]) -> [char; 4] {
    let byte = |index: usize| u32::from(bytes.get(index).copied().unwrap_or(0));
    let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
    let mut characters = ['='; 4];
    for (index, character) in characters.iter_mut().enumerate().take(bytes.len() + 1) {
        *character = char::from(ALPHABET[(bits >> (18 - 6 * index)) as usize & 63]);
    }
    characters
}

#[cfg(test)]
mod tests {
    #[test]
    fn padding() {
        let texts = ["", "f", "fo", "foo", "foob", "ÿ"];
        let encoded = texts.map(|text| super::encode(text.as_bytes()));
        assert_eq!(encoded, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "w78="]);
    }
}
