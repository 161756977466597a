//! What must hold of whatever people write. Each function takes an input of any bytes and panics where it does not.
//!
//! `fuzz/` has a target for each of them, which `make fuzz` gives random inputs. Inputs that are worth keeping are in
//! `fuzz/corpus`, and the tests of this crate give them the same functions.
#![expect(clippy::missing_panics_doc, reason = "every function panics where something does not hold")]

mod signatures;

use std::io::Cursor;
use std::time::Duration;

use gatewright_api::{OperationPolicy, POLICY_API_VERSION};
use gatewright_compiler::{Settings, compile};
use gatewright_engine::{Engine, Options, Request};
use gatewright_input::{Envelope, Limit, Reading, read_bytes};
use gatewright_re2::Pattern;
use gatewright_rego::{Modules, Program, RegoVersion, Trust};
use serde_json::{Value, json};
pub use signatures::{blobs, challenges, docker_configs, images, keys, manifests, requests};

/// A target: its name, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// All targets. The name is that of the folder of kept inputs, too.
pub const TARGETS: [Target; 11] = [
    ("readers", readers),
    ("rego", rego),
    ("cel", cel),
    ("references", references),
    ("images", images),
    ("manifests", manifests),
    ("blobs", blobs),
    ("docker_configs", docker_configs),
    ("challenges", challenges),
    ("keys", keys),
    ("requests", requests),
];

/// How much is read, in bytes.
const MOST: u64 = 1 << 20;

/// How long something may be compiled or evaluated.
const LIMIT: Duration = Duration::from_secs(1);

/// A manifest: each document is an object on a line of the file, and an error names such a line.
pub fn readers(input: &[u8]) {
    let reading = Reading::new(Limit::of_bytes(MOST), Envelope::Full);
    let lines = input.iter().filter(|byte| **byte == b'\n' || **byte == b'\r').count() + 1;
    for document in read_bytes("input", Cursor::new(input.to_vec()), &reading) {
        let location = match &document {
            Ok(document) => &document.location,
            Err(error) => &error.location,
        };
        assert!(location.line <= lines, "{location} is not a line of the input");
        let Ok(document) = document else { continue };
        assert!(document.value().is_object(), "a document is not an object");
        assert!(!document.header.kind.is_empty(), "an object without a kind");
        let within = document.locate("/metadata/name");
        assert!((1..=lines).contains(&within.line), "{within} is not a line of the input");
        let json: Result<Value, _> = serde_json::from_str(&document.into_json());
        assert!(json.is_ok(), "a document is not JSON");
    }
}

/// A module of Rego in both dialects: it compiles, or each error names a line of it.
pub fn rego(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let lines = text.lines().count() + 1;
    for version in [RegoVersion::V0, RegoVersion::V1] {
        let modules = Modules { version, entry: text, libs: &[] };
        let Err(errors) = Program::compile(&modules, Trust::Checked, LIMIT) else { continue };
        assert!(!errors.is_empty(), "refused without a reason");
        for error in errors {
            assert!(error.line <= lines, "line {} of {lines}: {error}", error.line);
            assert!(!error.message.is_empty(), "refused without words");
        }
    }
}

/// An expression in CEL: the template is refused with words, or judges a Pod twice alike.
pub fn cel(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let mut engine = Engine::new(Options { time_limit: LIMIT, ..Options::default() });
    if let Err(errors) = engine.add_template(&template_of(text)) {
        assert!(errors.iter().all(|error| !error.message.is_empty()), "refused without words");
        return;
    }
    let constraint = json!({
        "apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "Fuzzed", "metadata": {"name": "fuzzed"},
        "spec": {"parameters": {"list": ["a", "b"], "number": 3}},
    });
    assert!(engine.add_constraint(&constraint).is_ok(), "the constraint is refused");
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "b", "labels": {"c": "d"}},
        "spec": {"containers": [{"name": "app", "image": "registry.example.com/app:1"}]},
    });
    let judged = || engine.review(&Request::create(pod.clone())).map_err(|error| error.to_string());
    if let (Ok(first), Ok(second)) = (judged(), judged()) {
        assert_eq!(first, second);
    }
}

fn template_of(expression: &str) -> Value {
    let source = json!({"validations": [{"expression": expression, "message": "no"}]});
    json!({
        "apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate", "metadata": {"name": "fuzzed"},
        "spec": {
            "crd": {"spec": {"names": {"kind": "Fuzzed"}, "validation": {"openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true,
            }}}},
            "targets": [{
                "target": "admission.k8s.gatekeeper.sh",
                "code": [{"engine": "K8sNativeValidation", "source": source}],
            }],
        },
    })
}

/// A regular expression and an entry of `allowedRepos`: where something else is to be written, that is accepted.
pub fn references(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    pattern(text);
    if let Err(message) = accepted(text)
        && let Some((_, meant)) = message.rsplit_once(": write ")
    {
        let again = accepted(meant);
        assert!(again.is_ok(), "{text:?} is refused and {meant:?}, which it should be, too: {again:?}");
    }
}

/// The first line is a pattern for the whole text.
fn pattern(text: &str) {
    let Ok(pattern) = Pattern::new(text.lines().next().unwrap_or_default()) else { return };
    let found: Vec<_> = pattern.find_iter(text).take(1000).collect();
    assert_eq!(pattern.is_match(text), !found.is_empty());
    assert!(found.windows(2).all(|two| two[0].end <= two[1].start), "matches overlap: {found:?}");
    assert!(found.iter().all(|range| range.end <= text.len()), "a match ends after the text: {found:?}");
}

/// Whether an entry of `allowedRepos` is accepted; else what is said of it.
fn accepted(entry: &str) -> Result<(), String> {
    let policy: OperationPolicy = serde_json::from_value(json!({
        "apiVersion": POLICY_API_VERSION, "kind": "OperationPolicy", "metadata": {"name": "fuzzed"},
        "spec": {
            "match": {"namespaceSelector": {"matchNames": ["shop"]}}, "policies": {"allowedRepos": [entry]},
        },
    }))
    .map_err(|error| error.to_string())?;
    compile(&policy, &Settings::default()).map(|_| ()).map_err(|invalid| invalid.to_string())
}
