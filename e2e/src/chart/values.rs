//! The chart's values as `values.yaml` has them: defaults, with a comment above each that says what it is. A line `@schema` of
//! the comment says what the value may be.

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// A value of the chart.
#[derive(Clone, Debug, PartialEq)]
pub struct ChartValue {
    /// Its path, the names joined by dots.
    pub path: String,
    /// What holds without it.
    pub default: Value,
    /// What it is.
    pub description: String,
    /// What stands after `@schema`.
    pub schema: Option<String>,
}

/// All values of a `values.yaml`, in its order.
///
/// # Errors
/// It is not YAML of the simple form that is read here, or a value has no comment.
pub fn read(text: &str) -> Result<Vec<ChartValue>> {
    let defaults: Value = serde_saphyr::from_str(text)?;
    let mut reader = Reader::default();
    for (number, line) in (1..).zip(text.lines()) {
        reader.line(line, &defaults).with_context(|| format!("values.yaml:{number}"))?;
    }
    Ok(reader.values)
}

#[derive(Default)]
struct Reader {
    /// The names above this line, each with its indentation.
    above: Vec<(usize, String)>,
    comment: Vec<String>,
    values: Vec<ChartValue>,
}

impl Reader {
    fn line(&mut self, line: &str, defaults: &Value) -> Result<()> {
        let text = line.trim_start();
        let depth = line.len() - text.len();
        if let Some(comment) = text.strip_prefix('#') {
            self.comment.push(comment.trim().to_owned());
            return Ok(());
        }
        let comment = std::mem::take(&mut self.comment);
        let Some((name, _)) = text.split_once(':').filter(|_| !text.starts_with('-')) else { return Ok(()) };
        self.above.retain(|(of, _)| *of < depth);
        self.above.push((depth, name.to_owned()));
        let path: Vec<_> = self.above.iter().map(|(_, name)| name.as_str()).collect();
        let path = path.join(".");
        if comment.is_empty() {
            self.without_comment(&path, defaults)
        } else {
            self.value(path, &comment, defaults)
        }
    }

    fn value(&mut self, path: String, comment: &[String], defaults: &Value) -> Result<()> {
        let default = lookup(defaults, &path).with_context(|| format!("{path} has no default"))?.clone();
        let (schema, words): (Vec<_>, Vec<_>) =
            comment.iter().map(String::as_str).partition(|line| line.starts_with("@schema "));
        let schema = schema.first().map(|line| line.trim_start_matches("@schema ").to_owned());
        self.values.push(ChartValue { path, default, description: words.join(" "), schema });
        Ok(())
    }

    /// A section, or a part of a value that stands above.
    fn without_comment(&self, path: &str, defaults: &Value) -> Result<()> {
        let is_part = self.values.iter().any(|value| path.starts_with(&format!("{}.", value.path)));
        if !is_part && !lookup(defaults, path).is_some_and(Value::is_object) {
            bail!("{path} has no comment that says what it is");
        }
        Ok(())
    }
}

fn lookup<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |value, name| value.get(name))
}

/// A table of the values in Markdown.
#[must_use]
pub fn table(values: &[ChartValue]) -> String {
    let row = |value: &ChartValue| {
        let default = value.default.to_string().replace('|', "\\|");
        format!("| `{}` | `{default}` | {} |\n", value.path, value.description.replace('|', "\\|"))
    };
    let head = "| value | default | |\n|---|---|---|\n".to_owned();
    head + &values.iter().map(row).collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_read_with_their_comments() {
        let text = "# The head.\n\nimage:\n  # Where.\n  # It is.\n  # @schema {\"minLength\": 1}\n  repository: \"\"\n# Some.\nlabels: {a: b}\n\
                    # Parts.\nresources:\n  requests: {cpu: 1}\n";
        let value = |path: &str, default, description: &str, schema: Option<&str>| ChartValue {
            path: path.to_owned(),
            default,
            description: description.to_owned(),
            schema: schema.map(str::to_owned),
        };
        let expected = [
            value("image.repository", json!(""), "Where. It is.", Some(r#"{"minLength": 1}"#)),
            value("labels", json!({"a": "b"}), "Some.", None),
            value("resources", json!({"requests": {"cpu": 1}}), "Parts.", None),
        ];
        assert_eq!(read(text).unwrap(), expected);
        assert!(table(&expected).contains("| `labels` | `{\"a\":\"b\"}` | Some. |\n"));
    }

    #[test]
    fn a_value_without_a_comment_is_refused() {
        let error = read("image:\n  tag: x\n").unwrap_err();
        assert_eq!(format!("{error:#}"), "values.yaml:2: image.tag has no comment that says what it is");
    }
}
