//! The pages of `docs/rules/`, made from the catalogue: what each rule checks, its fields, messages and examples.
//!
//! A rule of a policy kind, and a control of the standards, is on its page as soon as it has METADATA and cases. A
//! template of another sort has a section in the index, made of the METADATA of its entry; for a page of its own, match
//! it in [`pages`].

mod example;
mod field;
mod message;
mod metadata;
mod notes;
mod rule;
mod standards;

use std::fmt::Write as _;

use crate::docs::metadata::Metadata;
use crate::{Definition, Owner, Template};

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
    #[error("cannot read {path}, below the folder of the templates")]
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
        source: Box<serde_saphyr::Error>,
    },
    /// A value cannot be written as YAML.
    #[error("an example cannot be written as YAML")]
    Example(#[from] Box<serde_saphyr::SerializeError>),
    /// No case passes, or none is refused by a check.
    #[error("the cases of {rule} show no two objects under one policy of which {field} refuses one")]
    Missing {
        /// The rule, or the template.
        rule: &'static str,
        /// The check's field, or the control.
        field: String,
    },
}

/// Gives the content of a file below the templates' folder.
type Read<'a> = &'a dyn Fn(&str) -> std::io::Result<String>;

/// All pages: an index, one for each policy kind, one for the standards. `read` gives the content of a file below the
/// templates' folder.
///
/// # Errors
///
/// If a file cannot be read, or does not say what a page needs.
pub fn pages(read: &dyn Fn(&str) -> std::io::Result<String>) -> Result<Vec<Page>, Error> {
    let mut index = "# The rules\n\nWhat every rule checks, with its messages and examples. [What a policy \
                     means](../policies.md) describes what a policy is, what it applies to and how updates are judged. \
                     `make generated` makes these pages from the rules themselves.\n"
        .to_owned();
    let mut pages = vec![];
    for template in Template::ALL.iter().map(|template| template.definition()) {
        let (page, section) = match template.owner {
            Owner::Policy(kind) => {
                rule::page(template, kind, read).map(|(page, section)| (Some(page), section))?
            }
            Owner::Standards => {
                standards::page(template, read).map(|(page, section)| (Some(page), section))?
            }
            Owner::ExecGuard => (None, other(template, "[More about exec](../exec.md).")?),
            Owner::Signatures => (None, other(template, SIGNATURES)?),
        };
        index.push_str(&section);
        pages.extend(page);
    }
    pages.insert(0, Page { file: "README.md".to_owned(), text: index });
    Ok(pages)
}

/// Where more is said of signatures.
const SIGNATURES: &str = "The field is `verifyImageSignatures` of a SecurityPolicy. [Its page](../image-signatures.md) \
                          has its parts, an example, and what is refused.";

/// The section of a template that has no page here, with where its page is.
fn other(template: &Definition, more: &str) -> Result<String, Error> {
    let metadata = Metadata::of(template.kind, &template.entry())?;
    let mut text = format!("\n## {}\n\n{}\n\n{more}\n", metadata.title, metadata.description.trim());
    let _ = write!(text, "\nThe template is `{}`.\n{}", template.name(), metadata.related(None));
    Ok(text)
}

fn load(read: Read<'_>, path: &str) -> Result<String, Error> {
    read(path).map_err(|source| Error::Read { path: path.to_owned(), source })
}

fn parse<T: serde::de::DeserializeOwned>(what: &str, text: &str) -> Result<T, Error> {
    serde_saphyr::from_str(text)
        .map_err(|source| Error::Yaml { what: what.to_owned(), source: Box::new(source) })
}

/// The name by which a heading is linked to.
fn anchor(title: &str) -> String {
    let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

    fn made() -> Vec<Page> {
        pages(&|path| std::fs::read_to_string(format!("{ROOT}/templates/{path}"))).unwrap()
    }

    /// `make generated` writes them.
    #[test]
    fn committed_pages_are_those_of_the_catalogue() {
        let pages = made();
        for page in &pages {
            let committed =
                std::fs::read_to_string(format!("{ROOT}/docs/rules/{}", page.file)).unwrap_or_default();
            assert_eq!(committed, page.text, "{}: run `make generated`", page.file);
        }
        let committed = std::fs::read_dir(format!("{ROOT}/docs/rules")).unwrap().count();
        assert_eq!(committed, pages.len(), "a page of no template");
    }

    fn headings(text: &str) -> Vec<String> {
        let mut code = false;
        let lines = text.lines().filter(|line| {
            code ^= line.starts_with("```");
            !code
        });
        let titles =
            lines.filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches(['#', ' ']));
        titles.map(|title| anchor(title.split("](").next().unwrap_or_default())).collect()
    }

    /// Of two equal headings only the first could be linked to.
    #[test]
    fn headings_are_unique_and_links_lead_to_them() {
        let mut pages: BTreeMap<_, _> = made().into_iter().map(|page| (page.file, page.text)).collect();
        for other in ["../policies.md", "../standards.md", "../exec.md", "../image-signatures.md"] {
            let text = std::fs::read_to_string(format!("{ROOT}/docs/rules/{other}")).unwrap();
            pages.insert(other.to_owned(), text);
        }
        let known: BTreeMap<_, _> =
            pages.iter().map(|(file, text)| (file.as_str(), headings(text))).collect();
        for (file, text) in pages.iter().filter(|(file, _)| !file.starts_with("..")) {
            assert_eq!(
                known[file.as_str()].iter().collect::<BTreeSet<_>>().len(),
                known[file.as_str()].len(),
                "{file}"
            );
            for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
                let (target, heading) = link.split_once('#').unwrap_or((link, ""));
                let target = if target.is_empty() { file } else { target };
                let found = known
                    .get(target)
                    .is_some_and(|all| heading.is_empty() || all.iter().any(|known| known == heading));
                assert!(found || link.starts_with("https:"), "{file}: {link}");
            }
        }
    }
}
