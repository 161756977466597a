//! The expressions, and the objects that they are asked about.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use gatewright_e2e::generate;
use serde::Deserialize;
use serde_json::{Value, json};

/// What is said of one expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It does not compile.
    Refused(String),
    /// The message for each object that fails.
    Messages(BTreeMap<String, String>),
}

/// All there is to ask.
pub struct Cases {
    pub cases: Vec<Case>,
    pub objects: Vec<Value>,
}

/// An expression.
#[derive(Clone, Debug)]
pub struct Case {
    pub expression: String,
    /// Its place among all.
    pub number: usize,
    /// Whether its value is printed; otherwise it is a condition.
    pub printed: bool,
}

#[derive(Deserialize)]
struct Object {
    name: String,
    spec: Value,
}

/// What stands for a placeholder, beside the field of its name.
const POOLS: [(&str, &[&str]); 15] = [
    (
        "{s}",
        &[
            "'abc'",
            "dyn('é')",
            "''",
            "object.metadata.name",
            "object.spec.n",
            "object.spec.l",
            "object.spec.z",
        ],
    ),
    ("{n}", &["2", "dyn(0)", "-1", "object.spec.s", "object.spec.f", "object.spec.z", "object.spec.missing"]),
    ("{f}", &["2.5", "dyn(-0.5)", "1e300", "object.spec.n", "object.spec.s", "object.spec.b"]),
    ("{b}", &["true", "dyn(false)", "object.spec.z", "object.spec.n", "object.spec.missing.x"]),
    ("{l}", &["[1, 2]", "dyn([])", "dyn([3, 'a'])", "object.spec.t", "object.spec.m", "object.spec.z"]),
    ("{t}", &["['x', 'y']", "dyn(['a', 1])", "object.spec.l", "object.spec.s"]),
    ("{m}", &["{'a': 3}", "dyn({})", "object.spec", "object.spec.l", "object.spec.n"]),
    ("{d}", &["'90s'", "dyn('1d')", "'-1h'", "object.spec.s", "object.spec.n"]),
    ("{ts}", &["'2024-02-29T00:00:00Z'", "dyn('2024-02-30T00:00:00Z')", "object.spec.n", "object.spec.d"]),
    ("{q}", &["'10Mi'", "dyn('-1.5k')", "'0'", "object.spec.s", "object.spec.n"]),
    ("{u}", &["'http://a/b?c#d'", "dyn('a:b')", "object.spec.s", "object.spec.n"]),
    ("{ip}", &["'10.0.0.1'", "dyn('fe80::1')", "object.spec.s", "object.spec.n"]),
    ("{c}", &["'192.168.0.0/16'", "dyn('::/0')", "object.spec.ip", "object.spec.n"]),
    ("{v}", &["'10.0.1'", "dyn('1.2.3+b')", "object.spec.s", "object.spec.n"]),
    ("{r}", &["'[a-z]+'", "dyn('(')", "object.spec.s", "object.spec.n"]),
];

impl Cases {
    /// Each shape with the fields of the objects, and with other things in their place: so many times, or as often as
    /// `GATEWRIGHT_CASES` expressions need.
    ///
    /// # Errors
    /// The files are not there.
    pub fn read(variants: usize) -> Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gatekeeper/cel");
        let shapes = fs::read_to_string(folder.join("shapes.txt"))?;
        let objects = fs::read_to_string(folder.join("objects.yaml"))?;
        let objects: Vec<Object> = serde_saphyr::from_str(&objects).context("objects.yaml")?;
        let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ generate::seed()?);
        let mut cases: Vec<Case> = vec![];
        let shapes: Vec<_> =
            shapes.lines().filter(|line| !line.is_empty() && !line.starts_with("# ")).collect();
        let variants = generate::cases(variants * shapes.len())? / shapes.len();
        for shape in &shapes {
            for variant in 0..=variants {
                let case = Case::new(cases.len(), shape, (variant > 0).then_some(&mut random));
                if !cases.iter().any(|known| known.expression == case.expression) {
                    cases.push(case);
                }
            }
        }
        let object = |Object { name, spec }: Object| {
            let metadata = json!({"name": name, "namespace": "default"});
            json!({"apiVersion": "cel.example.com/v1", "kind": "Thing", "metadata": metadata, "spec": spec})
        };
        Ok(Self { cases, objects: objects.into_iter().map(object).collect() })
    }
}

impl Case {
    fn new(number: usize, shape: &str, mut random: Option<&mut Random>) -> Self {
        let (printed, mut rest) = shape.strip_prefix("= ").map_or((false, shape), |shape| (true, shape));
        let mut expression = String::new();
        while let Some(at) = rest.find('{') {
            let (before, from) = rest.split_at(at);
            expression.push_str(before);
            let Some((name, pool)) = POOLS.iter().find(|(name, _)| from.starts_with(name)) else {
                expression.push('{');
                rest = &from[1..];
                continue;
            };
            let field = format!("object.spec.{}", &name[1..name.len() - 1]);
            let other = random.as_mut().and_then(|random| pool.get(random.below(pool.len() + 1)));
            expression.push_str(other.copied().unwrap_or(&field));
            rest = &from[name.len()..];
        }
        Self { expression: expression + rest, number, printed }
    }

    /// The validation that asks for it.
    pub fn validation(&self) -> Value {
        if !self.printed {
            return json!({"expression": self.expression});
        }
        let number = self.number;
        json!({
            "expression": self.condition(),
            "messageExpression": format!("'#{number} is (%s)'.format([{}])", self.expression),
        })
    }

    /// The condition of that validation.
    pub fn condition(&self) -> String {
        if self.printed {
            format!("dyn({}) == dyn('never')", self.expression)
        } else {
            self.expression.clone()
        }
    }
}

/// Variables that expressions may name.
pub fn variables() -> Vec<Value> {
    let variable = |name: &str, expression: &str| json!({"name": name, "expression": expression});
    vec![
        variable("text", "object.spec.s"),
        variable("bad", "object.spec.no.such.key"),
        variable("good", "3"),
        variable("nested", "variables.bad == 1 || size(variables.text) > 3"),
    ]
}

/// Numbers that are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or_default() % end
    }
}
