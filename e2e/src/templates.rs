//! Random templates as people write them: both dialects of Rego, helpers, libraries, comprehensions, names that shadow
//! others or are keywords elsewhere, and the mistakes that people make. The same seed makes the same ones.

mod judge;
mod rule;
mod term;

pub use judge::{Difference, Trial, Verdicts, compare, object};

use std::fmt::Write;

/// The modules of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// `v1`, or nothing for the older dialect.
    pub version: &'static str,
    /// The entry module.
    pub entry: String,
    /// The libraries.
    pub libs: Vec<String>,
}

impl Template {
    /// Whether a number stands in it that is not written in its shortest way.
    #[must_use]
    pub fn spells_numbers(&self) -> bool {
        let modules = std::iter::once(&self.entry).chain(&self.libs);
        modules
            .flat_map(|module| ["1.0", "1e2", "1e3"].map(|number| module.contains(number)))
            .any(|found| found)
    }
}

/// A template by number: each seed has as many as anyone asks for.
#[must_use]
pub fn template(seed: u64, number: u64) -> Template {
    let mut author = Author::new(seed.wrapping_mul(0x1_0000_0001).wrapping_add(number));
    author.template()
}

/// Names of variables: usual ones, and those that mean something elsewhere.
const NAMES: [&str; 18] = [
    "x",
    "y",
    "val",
    "name",
    "c",
    "container",
    "hits",
    "ok",
    "allowed",
    "i",
    "msg",
    "label",
    "contains",
    "in",
    "every",
    "if",
    "count",
    "names",
];

/// Names of rules and functions.
const RULES: [&str; 14] = [
    "helper",
    "is_bad",
    "get",
    "names",
    "allowed",
    "containers",
    "contains",
    "has_field",
    "any_of",
    "in",
    "x",
    "startswith",
    "every",
    "limit",
];

/// Who writes a template.
struct Author {
    state: u64,
    v1: bool,
    /// `contains`, `every`, `if` and `in` are keywords.
    keywords: bool,
    /// The variables that have a value here and what it is, the innermost body last.
    scope: Vec<Vec<(String, term::Sort)>>,
    /// What may be called: a name, and how many arguments it takes.
    functions: Vec<(String, usize)>,
    /// Rules that are no functions.
    rules: Vec<String>,
    depth: usize,
}

impl Author {
    fn new(seed: u64) -> Self {
        let mut author = Self {
            state: seed,
            v1: false,
            keywords: false,
            scope: vec![],
            functions: vec![],
            rules: vec![],
            depth: 0,
        };
        author.v1 = author.one_in(3);
        author.keywords = author.v1 || author.one_in(3);
        author
    }

    /// A number below another: splitmix64.
    fn below(&mut self, bound: usize) -> usize {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % bound.max(1) as u64).unwrap_or(0)
    }

    fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }

    fn template(&mut self) -> Template {
        let libs: Vec<_> = if self.one_in(3) { vec![self.library()] } else { vec![] };
        let mut entry = format!("package {}\n\n", self.of(&["k8sprobe", "probe", "template", "foo.bar"]));
        entry.push_str(self.imports());
        if !libs.is_empty() {
            entry.push_str(self.of(&["import data.lib.shared\n", "import data.lib.shared as s\n"]));
            let name = if entry.contains(" as s\n") { "s" } else { "shared" };
            self.functions =
                self.functions.iter().map(|(of, takes)| (format!("{name}.{of}"), *takes)).collect();
            self.rules = self.rules.iter().map(|of| format!("{name}.{of}")).collect();
        }
        let helpers = self.below(3);
        let rules: Vec<_> = (0..helpers).map(|_| self.helper()).collect();
        for _ in 0..=self.below(2) {
            let violation = self.violation();
            let _ = write!(entry, "\n{violation}\n");
        }
        for rule in rules {
            let _ = write!(entry, "\n{rule}\n");
        }
        Template { version: if self.v1 { "v1" } else { "" }, entry, libs }
    }

    /// What a module of the older dialect imports to have keywords.
    fn imports(&mut self) -> &'static str {
        if self.v1 || !self.keywords {
            return "";
        }
        let each = "import future.keywords.contains\nimport future.keywords.every\nimport future.keywords.if\n\
                    import future.keywords.in\n";
        self.of(&["import future.keywords\n", each])
    }

    fn library(&mut self) -> String {
        let imports = self.imports();
        let helpers = 1 + self.below(2);
        let rules: Vec<_> = (0..helpers).map(|_| self.helper()).collect();
        format!("package lib.shared\n\n{imports}\n{}", rules.join("\n\n"))
    }

    /// A word that the dialect of the template allows as a name.
    fn name(&mut self, names: &[&str]) -> String {
        loop {
            let name = self.of(names);
            if !(self.keywords && ["contains", "in", "every", "if"].contains(&name)) || self.one_in(60) {
                return name.to_owned();
            }
        }
    }
}
