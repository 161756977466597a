//! Reads versions from `go.mod`.

/// The version of `module` in the `require` lines of a `go.mod`.
pub fn required_version<'a>(go_mod: &'a str, module: &str) -> Option<&'a str> {
    let required = |line: &'a str| {
        let line = line.trim();
        let mut words = line.strip_prefix("require ").unwrap_or(line).split_whitespace();
        let found = words.next() == Some(module);
        words.next().filter(|word| found && word.starts_with('v'))
    };
    go_mod.lines().find_map(required)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GO_MOD: &str = "\
module example.com/tools

go 1.26.0

replace example.com/a => example.com/a v0.9.0

tool (
\texample.com/a
\texample.com/b/v3
)

require example.com/c v0.1.0

require (
\texample.com/a v1.2.3 // indirect
\texample.com/b/v3 v3.0.0-beta.1
)
";

    #[test]
    fn finds_versions_in_blocks_and_single_lines() {
        let cases = [
            ("example.com/a", Some("v1.2.3")),
            ("example.com/b/v3", Some("v3.0.0-beta.1")),
            ("example.com/c", Some("v0.1.0")),
            ("example.com/b", None),
            ("example.com/d", None),
        ];
        for (module, expected) in cases {
            assert_eq!(required_version(GO_MOD, module), expected, "{module}");
        }
    }
}
