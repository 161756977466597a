//! What is known of namespaces: from manifests, from the command line, or nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use serde_json::{Value, json};

use crate::foreign::Foreign;
use crate::input::Location;

/// The label that the API server puts on every namespace.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// The labels of a namespace, as given on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceLabels {
    name: String,
    labels: BTreeMap<String, String>,
}

impl NamespaceLabels {
    /// The namespace.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for NamespaceLabels {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, labels) = text.split_once(':').ok_or("write NAMESPACE:key=value,key=value")?;
        if name.is_empty() {
            return Err("the namespace's name is missing before the colon".to_owned());
        }
        let pairs = labels.split(',').filter(|pair| !pair.is_empty()).map(|pair| {
            let (key, value) =
                pair.split_once('=').ok_or_else(|| format!("{pair:?} is not of the form key=value"))?;
            if key.is_empty() {
                Err(format!("{pair:?} has no key"))
            } else {
                Ok((key.to_owned(), value.to_owned()))
            }
        });
        Ok(Self { name: name.to_owned(), labels: pairs.collect::<Result<_, _>>()? })
    }
}

/// What the command line says of namespaces.
#[derive(Clone, Copy, Debug)]
pub struct CommandLine<'a> {
    /// Their labels.
    pub labels: &'a [NamespaceLabels],
    /// Which one objects are in that name none.
    pub default: Option<&'a str>,
}

/// All namespaces that objects of the input stand in.
#[derive(Debug, Default)]
pub struct Namespaces {
    known: BTreeMap<String, Value>,
    /// Where their manifests stand.
    places: BTreeMap<String, Location>,
    assumed: BTreeSet<String>,
}

impl Namespaces {
    /// Those of the manifests, with the labels of the command line, which win.
    pub fn new(manifests: Vec<(Location, Value)>, given: &[NamespaceLabels]) -> Self {
        let mut all = Self::default();
        for (location, manifest) in manifests {
            let name = manifest["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            all.places.insert(name.clone(), location);
            all.known.insert(name, manifest);
        }
        for NamespaceLabels { name, labels } in given {
            let namespace = all.known.entry(name.clone()).or_insert_with(|| bare(name));
            if !namespace["metadata"]["labels"].is_object() {
                namespace["metadata"]["labels"] = json!({});
            }
            for (key, value) in labels {
                namespace["metadata"]["labels"][key] = json!(value);
            }
        }
        for (name, namespace) in &mut all.known {
            named(name, namespace);
        }
        all
    }

    /// Takes a namespace that an object stands in and that the input does not have for one without labels.
    pub fn assume(&mut self, name: &str) {
        if !self.known.contains_key(name) {
            let mut namespace = bare(name);
            named(name, &mut namespace);
            self.known.insert(name.to_owned(), namespace);
            self.assumed.insert(name.to_owned());
        }
    }

    /// All namespaces, as objects.
    pub fn objects(&self) -> impl Iterator<Item = &Value> {
        self.known.values()
    }

    /// Whether a namespace's labels are an assumption.
    pub fn is_assumed(&self, name: &str) -> bool {
        self.assumed.contains(name)
    }

    /// The namespaces whose labels are an assumption.
    pub fn assumed(&self) -> impl Iterator<Item = Foreign> {
        self.assumed.iter().map(|name| name.as_str().into())
    }

    /// Where a namespace is described: in a manifest, or on the command line.
    pub fn place(&self, name: &str) -> String {
        self.places.get(name).map_or_else(|| "--namespace-labels".to_owned(), ToString::to_string)
    }

    /// The labels of a namespace.
    pub fn labels(&self, name: &str) -> BTreeMap<String, String> {
        let labels = self.known.get(name).and_then(|namespace| namespace["metadata"]["labels"].as_object());
        let text = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
        labels.into_iter().flatten().filter_map(text).collect()
    }

    /// The names of all namespaces.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.known.keys().map(String::as_str)
    }

    /// A label of a namespace.
    pub fn label(&self, name: &str, key: &str) -> Option<&str> {
        self.known.get(name)?["metadata"]["labels"].get(key)?.as_str()
    }
}

fn bare(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

fn named(name: &str, namespace: &mut Value) {
    if !namespace["metadata"]["labels"].is_object() {
        namespace["metadata"]["labels"] = json!({});
    }
    namespace["metadata"]["labels"][NAME_LABEL] = json!(name);
}

#[cfg(test)]
mod tests {
    use super::{Location, NamespaceLabels, Namespaces};
    use serde_json::json;

    #[test]
    fn labels_from_the_command_line() {
        for (text, expected) in [
            ("shop:a=b,c=d", Ok(vec![("a", "b"), ("c", "d")])),
            ("shop:", Ok(vec![])),
            ("shop:a=", Ok(vec![("a", "")])),
            ("shop", Err("write NAMESPACE:key=value,key=value")),
            (":a=b", Err("the namespace's name is missing before the colon")),
            ("shop:a", Err("\"a\" is not of the form key=value")),
            ("shop:=b", Err("\"=b\" has no key")),
        ] {
            let found = text.parse::<NamespaceLabels>().map(|found| found.labels);
            let expected = expected.map_err(str::to_owned);
            let expected =
                expected.map(|pairs| pairs.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect());
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn what_is_told_wins_and_the_rest_is_assumed() {
        let manifest = json!({"metadata": {"name": "shop", "labels": {"a": "1", "b": "1"}}});
        let place = Location { file: "a.yaml".into(), line: 3 };
        let mut all = Namespaces::new(
            vec![(place, manifest)],
            &["shop:a=2".parse().unwrap(), "till:".parse().unwrap()],
        );
        all.assume("shop");
        all.assume("elsewhere");
        assert_eq!(all.assumed().collect::<Vec<_>>(), ["elsewhere".into()]);
        assert_eq!(all.label("shop", "a"), Some("2"));
        assert_eq!(all.label("shop", "b"), Some("1"));
        assert_eq!((all.place("shop"), all.place("till")), ("a.yaml:3".into(), "--namespace-labels".into()));
        for name in ["shop", "till", "elsewhere"] {
            assert_eq!(all.label(name, "kubernetes.io/metadata.name"), Some(name));
        }
    }
}
