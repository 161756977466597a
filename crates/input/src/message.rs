//! Messages of others, without what stands in the input: it may be a secret.

/// What serde says of a value that does not fit: `invalid type: string "abc", expected a sequence`. The value is taken
/// out, what kind of value it is stays.
#[must_use]
pub fn without_values(message: &str) -> String {
    const EXPECTED: &str = ", expected ";
    let of_value = ["invalid type: ", "invalid value: ", "unknown variant "]
        .into_iter()
        .find_map(|begin| Some((begin, message.strip_prefix(begin)?)));
    let Some((begin, rest)) = of_value else { return message.to_owned() };
    let Some((found, expected)) = rest.rsplit_once(EXPECTED) else {
        return begin.trim_end_matches([':', ' ']).to_owned();
    };
    let what = found.split(['`', '"']).next().unwrap_or_default().trim_end();
    let begin = if what.is_empty() { begin.trim_end_matches([':', ' ']) } else { begin };
    format!("{begin}{what}{EXPECTED}{expected}")
}

#[cfg(test)]
mod tests {
    use super::without_values;

    #[test]
    fn values_are_taken_out() {
        for (message, shown) in [
            (
                "invalid type: string \"hunter2\", expected a sequence",
                "invalid type: string, expected a sequence",
            ),
            ("invalid type: integer `5`, expected a string", "invalid type: integer, expected a string"),
            ("invalid type: map, expected a string", "invalid type: map, expected a string"),
            ("invalid type: string \"a, expected `\", expected u8", "invalid type: string, expected u8"),
            ("invalid value: integer `-1`, expected u32", "invalid value: integer, expected u32"),
            ("unknown variant `hunter2`, expected `A` or `B`", "unknown variant, expected `A` or `B`"),
            ("unknown field `naem`, expected `name`", "unknown field `naem`, expected `name`"),
            ("missing field `name`", "missing field `name`"),
        ] {
            assert_eq!(without_values(message), shown);
        }
    }
}
