//! The pages of `docs/rules/`, made from the catalogue: what each rule checks, its fields, messages and examples.

mod example;
mod field;
mod metadata;
mod rule;
mod standards;

use std::fmt::Write as _;

use crate::cases::Cases;
use crate::docs::metadata::Metadata;
use crate::{pod_security_standard, templates};

/// One page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The name of the file.
    pub file: String,
    /// The text, in Markdown.
    pub text: String,
}

/// A page that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of the templates' folder cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file, below the templates' folder.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A text is not the YAML that it should be.
    #[error("{what} is not as it should be")]
    Yaml {
        /// Which text.
        what: String,
        /// Why.
        source: serde_saphyr::Error,
    },
    /// A value cannot be written as YAML.
    #[error("an example cannot be written as YAML")]
    Example(#[from] serde_saphyr::SerializeError),
    /// A rule's cases have no example of this.
    #[error("rule {rule} has no case that {what}")]
    Missing {
        /// The rule.
        rule: &'static str,
        /// What is missing.
        what: &'static str,
    },
    /// A condition of a standard's control for which the page has no words.
    #[error("control {control} depends on {condition:?}, for which there are no words")]
    Condition {
        /// The control.
        control: String,
        /// The line of Rego.
        condition: String,
    },
}

/// All pages: an index, one for each policy kind, one for the standards. `read` gives the content of a file below the
/// templates' folder.
///
/// # Errors
///
/// If a file cannot be read, or does not say what a page needs.
pub fn pages(read: &dyn Fn(&str) -> std::io::Result<String>) -> Result<Vec<Page>, Error> {
    let mut index = String::from(
        "# The rules\n\nMade from the catalogue by `make generated`. What a policy is, what it applies to and how updates \
         are judged stands in [What a policy means](../policies.md).\n",
    );
    let mut pages = vec![];
    for (template, kind) in templates().iter().zip(&field::KINDS) {
        let file = format!("{}.md", kind.folder);
        let _ = write!(index, "\n## [{}]({file})\n\n| rule | fields |\n|---|---|\n", kind.name);
        let mut text = format!(
            "# {}: the rules\n\nThe fields stand under `spec.policies`. [All rules](README.md).\n",
            kind.name
        );
        for rule in template.rules {
            let metadata = Metadata::of(rule)?;
            let fields: Vec<_> = rule.checks.iter().map(|check| format!("`{}`", check.field)).collect();
            let title = &metadata.title;
            let _ = writeln!(index, "| [{title}]({file}#{}) | {} |", anchor(title), fields.join(", "));
            let path = format!("{}/{}/cases.yaml", kind.folder, rule.name);
            let cases: Cases = parse(&path, &load(read, &path)?)?;
            text.push_str(&rule::section(kind, rule, &metadata, &cases.cases)?);
        }
        pages.push(Page { file, text });
    }
    index.push_str("\n## [Pod Security Standards](pod-security-standards.md)\n\nThe controls of both levels, for namespaces with the label.\n");
    pages.push(standards::page(&pod_security_standard::TEMPLATE, read)?);
    pages.insert(0, Page { file: "README.md".to_owned(), text: index });
    Ok(pages)
}

fn load(read: &dyn Fn(&str) -> std::io::Result<String>, path: &str) -> Result<String, Error> {
    read(path).map_err(|source| Error::Read { path: path.to_owned(), source })
}

fn parse<T: serde::de::DeserializeOwned>(what: &str, text: &str) -> Result<T, Error> {
    serde_saphyr::from_str(text).map_err(|source| Error::Yaml { what: what.to_owned(), source })
}

/// The name by which a heading is linked to.
fn anchor(title: &str) -> String {
    let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// The distinct messages, one of each shape: names in quotes and numbers do not make another message.
fn distinct<'a>(messages: impl Iterator<Item = &'a String>) -> Vec<&'a str> {
    let mut seen = std::collections::BTreeSet::new();
    messages.filter(|message| seen.insert(shape(message))).map(String::as_str).collect()
}

/// A message without what is quoted, without numbers, and with one word for every sort of container.
fn shape(message: &str) -> String {
    let unquoted: String = message.split('"').step_by(2).collect();
    let plain: String = unquoted.chars().filter(|c| !c.is_ascii_digit()).collect();
    plain.replace("init container", "container").replace("ephemeral container", "container")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `make generated` writes them.
    #[test]
    fn committed_pages_are_those_of_the_catalogue() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
        let pages = pages(&|path| std::fs::read_to_string(format!("{root}/templates/{path}"))).unwrap();
        for page in &pages {
            let committed =
                std::fs::read_to_string(format!("{root}/docs/rules/{}", page.file)).unwrap_or_default();
            assert_eq!(committed, page.text, "{}: run `make generated`", page.file);
        }
        let committed = std::fs::read_dir(format!("{root}/docs/rules")).unwrap().count();
        assert_eq!(committed, pages.len(), "a page of no template");
    }

    #[test]
    fn messages_of_one_shape_are_told_once() {
        let messages =
            [r#"a: container "x" takes port 80"#, r#"a: init container "y" takes port 81"#, "a: none"];
        let messages = messages.map(str::to_owned);
        assert_eq!(distinct(messages.iter()), [messages[0].as_str(), "a: none"]);
    }
}
