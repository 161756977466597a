//! What a constraint carries: its entries in normal form, their revision, and what the template compares.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::hex;
use crate::key::{self, Certificate, KeyErrors, PublicKey};
use crate::reference::{Compared, Image, InvalidReference, Reference};
use sha2::{Digest as _, Sha256};

// The fields are in the order of their names in JSON: a revision is made of JSON with sorted keys.
/// An entry of a constraint, in normal form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Certificates that are trusted beside the usual roots, in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// Whether the policy has a `dockerCfg` for the entry.
    #[serde(default)]
    pub credentials: bool,
    /// The keys in PEM, one each, none twice.
    pub public_keys: Vec<String>,
    /// The reference in normal form.
    pub reference: String,
    /// Whether covered images must be named by digest.
    #[serde(default)]
    pub require_digest: bool,
}

/// What the template compares to know which images to ask about: names without tag and digest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Covers {
    /// Whole names.
    pub repositories: BTreeSet<String>,
    /// Beginnings of names; the empty one is that of every name.
    pub prefixes: BTreeSet<String>,
}

/// The parameters of a constraint `D8VerifyImageSignatures`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Parameters {
    // All are required: an API server would otherwise fill in that the entries cover nothing.
    /// The name of the constraint: Gatekeeper shows a template its parameters alone.
    pub constraint: String,
    /// Names the entries: a hash of them.
    pub revision: String,
    /// What the template compares.
    pub covers: Covers,
    /// The entries, in the order of the policy.
    pub entries: Vec<Entry>,
    /// Where people who are refused can ask: each message ends with it.
    #[serde(rename = "helpUrl", default, skip_serializing_if = "Option::is_none")]
    pub help_url: Option<String>,
}

/// An entry whose reference, keys and certificates are read.
#[derive(Clone, Debug)]
pub struct ReadEntry {
    /// Which images it covers.
    pub reference: Reference,
    /// Any of them is enough.
    pub keys: Vec<PublicKey>,
    /// Trusted beside the usual roots.
    pub ca: Vec<Certificate>,
    /// Whether covered images must be named by digest.
    pub require_digest: bool,
    /// Whether the policy has a `dockerCfg` for it.
    pub credentials: bool,
}

/// Why an entry cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Its reference covers nothing.
    #[error("reference: {0}")]
    Reference(#[from] InvalidReference),
    /// Keys cannot be used.
    #[error("{0}")]
    Keys(#[from] KeyErrors),
    /// A certificate cannot be used.
    #[error("ca: {0}")]
    Ca(#[source] key::Fault),
}

impl Covers {
    /// What covers at least the images that any of the references covers.
    #[must_use]
    pub fn of<'a>(references: impl IntoIterator<Item = &'a Reference>) -> Self {
        let mut covers = Self::default();
        for reference in references {
            match reference.compared() {
                Compared::Repository(name) => covers.repositories.extend([name]),
                Compared::Prefixes(prefixes) => covers.prefixes.extend(prefixes),
            }
        }
        covers
    }
}

impl ReadEntry {
    /// Reads the fields of an entry as a policy has them. `credentials` says whether it has a `dockerCfg`.
    ///
    /// # Errors
    /// The first field that cannot be used, all keys of it by their position.
    pub fn new(
        reference: &str,
        public_keys: &[impl AsRef<str>],
        ca: Option<&str>,
        require_digest: bool,
        credentials: bool,
    ) -> Result<Self, EntryError> {
        Ok(Self {
            reference: Reference::parse(reference)?,
            keys: key::read_keys(public_keys)?,
            ca: ca.map_or(Ok(vec![]), key::read_certificates).map_err(EntryError::Ca)?,
            require_digest,
            credentials,
        })
    }

    /// The entry in normal form.
    #[must_use]
    pub fn normal(&self) -> Entry {
        let ca: String = self.ca.iter().map(Certificate::to_pem).collect();
        Entry {
            ca: (!ca.is_empty()).then_some(ca),
            credentials: self.credentials,
            public_keys: self.keys.iter().map(PublicKey::to_pem).collect(),
            reference: self.reference.to_string(),
            require_digest: self.require_digest,
        }
    }
}

impl Entry {
    /// Reads an entry of a constraint.
    ///
    /// # Errors
    /// It is not in the form that [`ReadEntry::normal`] makes.
    pub fn read(&self) -> Result<ReadEntry, EntryError> {
        ReadEntry::new(
            &self.reference,
            &self.public_keys,
            self.ca.as_deref(),
            self.require_digest,
            self.credentials,
        )
    }
}

impl Parameters {
    /// The parameters of the constraint of this name, with these entries. The revision is the first 32 hexadecimal digits of SHA-256 over the entries as
    /// JSON with sorted keys.
    ///
    /// # Errors
    /// Never for entries of ours: their texts and flags are JSON.
    pub fn new(constraint: &str, entries: &[ReadEntry]) -> Result<Self, serde_json::Error> {
        let covers = Covers::of(entries.iter().map(|entry| &entry.reference));
        let entries: Vec<_> = entries.iter().map(ReadEntry::normal).collect();
        Ok(Self {
            constraint: constraint.to_owned(),
            revision: revision(&entries)?,
            covers,
            entries,
            help_url: None,
        })
    }

    /// Whether the revision and what the template compares are those of the entries: somebody may have edited the
    /// constraint.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        let references: Result<Vec<_>, _> =
            self.entries.iter().map(|entry| Reference::parse(&entry.reference)).collect();
        references.is_ok_and(|references| Covers::of(&references) == self.covers)
            && revision(&self.entries).is_ok_and(|revision| revision == self.revision)
    }
}

fn revision(entries: &[Entry]) -> Result<String, serde_json::Error> {
    let digest = Sha256::digest(serde_json::to_vec(entries)?);
    Ok(hex(digest.first_chunk::<16>().map_or(&[], |chunk| chunk.as_slice())))
}

/// The entries that cover an image, each with its position.
pub fn covering<'a>(
    entries: &'a [ReadEntry],
    image: &'a Image,
) -> impl Iterator<Item = (usize, &'a ReadEntry)> + 'a {
    entries.iter().enumerate().filter(|(_, entry)| entry.reference.covers(image))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::key::tests::{P256, P384};

    fn entry(reference: &str) -> ReadEntry {
        ReadEntry::new(reference, &[P256], None, false, false).unwrap()
    }

    #[test]
    fn parameters_are_in_normal_form() {
        let entries = [entry("myrepo/*"), entry("nginx:1"), entry("docker.io/x*")];
        let parameters = Parameters::new("p", &entries).unwrap();
        let value = serde_json::to_value(&parameters).unwrap();
        assert_eq!(
            value["covers"],
            json!({
                "repositories": ["docker.io/library/nginx"],
                "prefixes": ["docker.io/library/x", "docker.io/myrepo/", "docker.io/x"],
            })
        );
        assert_eq!(
            value["entries"][0],
            json!({
                "reference": "docker.io/myrepo/*", "publicKeys": [P256], "requireDigest": false, "credentials": false,
            })
        );
        assert_eq!(serde_json::from_value::<Parameters>(value).unwrap(), parameters);
        assert!(parameters.is_intact());
        assert!(parameters.entries.iter().all(|entry| entry.read().unwrap().normal() == *entry));
    }

    #[test]
    fn everything_has_the_empty_prefix() {
        let covers = Covers::of(&[Reference::Everything]);
        assert_eq!(serde_json::to_value(covers).unwrap(), json!({"repositories": [], "prefixes": [""]}));
    }

    #[test]
    fn the_revision_is_made_of_sorted_json() {
        let parameters = Parameters::new("p", &[entry("*")]).unwrap();
        let sorted = format!(
            r#"[{{"credentials":false,"publicKeys":[{}],"reference":"*","requireDigest":false}}]"#,
            json!(P256)
        );
        assert_eq!(parameters.revision, hex(&Sha256::digest(sorted))[..32]);
    }

    #[test]
    fn the_revision_changes_with_what_can_refuse_and_nothing_else() {
        let revision = |entry: ReadEntry| Parameters::new("p", &[entry]).unwrap().revision;
        let plain = revision(entry("nginx"));
        let spaced = format!("my key\r\n{}\r\n", P256.replace('\n', "\r\n"));
        let twice = [P256, P256];
        for same in [
            entry("docker.io/library/nginx"),
            ReadEntry::new("nginx", &[spaced], None, false, false).unwrap(),
            ReadEntry::new("nginx", &twice, None, false, false).unwrap(),
        ] {
            assert_eq!(revision(same), plain);
        }
        for other in [
            entry("nginx:1"),
            ReadEntry::new("nginx", &[P384], None, false, false).unwrap(),
            ReadEntry::new("nginx", &[P256], None, true, false).unwrap(),
            ReadEntry::new("nginx", &[P256], None, false, true).unwrap(),
        ] {
            assert_ne!(revision(other), plain);
        }
    }

    #[test]
    fn an_entry_keeps_all_keys_and_certificates() {
        let ca = include_str!("../tests/fixtures/refused/certificate.pem");
        let read = ReadEntry::new("nginx", &[P256, P384], Some(ca), true, true).unwrap();
        let normal = read.normal();
        assert_eq!(normal.public_keys, [P256, P384]);
        assert_eq!(normal.ca.as_deref(), Some(ca));
        assert!(normal.require_digest && normal.credentials);
        let revision =
            |entry: &ReadEntry| Parameters::new("p", std::slice::from_ref(entry)).unwrap().revision;
        assert_ne!(revision(&read), revision(&ReadEntry { ca: vec![], ..read.clone() }));
    }

    #[test]
    fn faults_of_entries_name_their_field() {
        let fault =
            |reference, key, ca| ReadEntry::new(reference, &[key], ca, false, false).unwrap_err().to_string();
        assert!(fault("nginx*", P256, None).starts_with("reference: a * before"));
        assert!(fault("nginx", "", None).starts_with("publicKeys[0]: there is no PEM block"));
        assert!(fault("nginx", P256, Some(P256)).starts_with("ca: the PEM block is of another kind"));
    }

    #[test]
    fn an_edited_constraint_is_noticed() {
        let parameters = Parameters::new("p", &[entry("nginx")]).unwrap();
        let mut weaker = parameters.clone();
        weaker.entries[0].require_digest = true;
        assert!(!weaker.is_intact());
        let mut blind = parameters.clone();
        blind.covers.repositories.clear();
        assert!(!blind.is_intact());
        assert!(parameters.is_intact());
    }

    #[test]
    fn covering_entries_keep_their_positions() {
        let entries = [entry("nginx"), entry("r.io/*"), entry("*")];
        let image = Image::parse("nginx:1").unwrap();
        let positions: Vec<_> = covering(&entries, &image).map(|(position, _)| position).collect();
        assert_eq!(positions, [0, 2]);
    }
}
