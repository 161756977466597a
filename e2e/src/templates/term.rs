//! Terms.

use super::{Author, NAMES};

/// What a term should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Text,
    Number,
    List,
    Set,
    Object,
    Any,
}

const TEXTS: [&str; 12] = [
    "input.review.object.metadata.name",
    "input.review.object.spec.tier",
    "input.review.object.spec.missing",
    "input.parameters.prefix",
    "input.review.object.spec.names[_]",
    "input.review.kind.kind",
    "\"gold\"",
    "\"a/b:c\"",
    "\"é\\t\\\"\"",
    "`raw\\d+`",
    "\"\"",
    "input.review.object.spec.containers[0].name",
];
const NUMBERS: [&str; 12] = [
    "0",
    "1",
    "2.5",
    "-3",
    "1e3",
    "1000000",
    "12345678901",
    "input.review.object.spec.replicas",
    "input.review.object.spec.ratio",
    "input.review.object.spec.big",
    "input.parameters.max",
    "input.review.object.spec.missing",
];
const LISTS: [&str; 8] = [
    "input.review.object.spec.names",
    "input.review.object.spec.containers",
    "input.review.object.spec.ports",
    "input.review.object.spec.mixed",
    "input.parameters.allowed",
    "input.review.object.spec.missing",
    "[]",
    "[1, \"a\", null]",
];
const SETS: [&str; 4] = ["set()", "{\"gold\", \"silver\"}", "{1, 2}", "{\"a\", \"b/c\"}"];
const OBJECTS: [&str; 6] = [
    "input.review.object.metadata.labels",
    "input.review.object.spec.containers[_]",
    "input.review.object.spec",
    "input.review.object.spec.missing",
    "{}",
    "{\"a\": 1, \"b\": [2]}",
];
const SORTS: [Sort; 5] = [Sort::Text, Sort::Number, Sort::List, Sort::Set, Sort::Object];

impl Author {
    pub(super) fn sort(&mut self) -> Sort {
        self.of(&SORTS)
    }

    /// A term, mostly of the sort that is asked for.
    pub(super) fn term(&mut self, sort: Sort) -> String {
        let sort = if sort == Sort::Any || self.one_in(150) { self.sort() } else { sort };
        if self.depth > 2 {
            return self.leaf(sort);
        }
        self.depth += 1;
        let term = match self.below(10) {
            0..4 => self.leaf(sort),
            4 => self.variable(sort),
            5 => self.called().unwrap_or_else(|| self.leaf(sort)),
            _ => self.composed(sort),
        };
        self.depth -= 1;
        term
    }

    fn leaf(&mut self, sort: Sort) -> String {
        let choices: &[&str] = match sort {
            Sort::Text | Sort::Any => &TEXTS,
            Sort::Number => &NUMBERS,
            Sort::List => &LISTS,
            Sort::Set => &SETS,
            Sort::Object => &OBJECTS,
        };
        self.of(choices).to_owned()
    }

    /// A variable of this sort that has a value; now and then any, or one that has none.
    pub(super) fn variable(&mut self, sort: Sort) -> String {
        let any = self.one_in(60);
        let fits = |of: Sort| any || sort == Sort::Any || of == sort || of == Sort::Any;
        let known: Vec<_> = self.scope.iter().flatten().filter(|(_, of)| fits(*of)).cloned().collect();
        match known.is_empty() || self.one_in(80) {
            true if self.one_in(12) => self.name(&NAMES),
            true => self.leaf(sort),
            false => self.of(&known).0,
        }
    }

    /// A rule, or a call of a function that the template has.
    pub(super) fn called(&mut self) -> Option<String> {
        if self.one_in(3) && !self.rules.is_empty() {
            let rules = self.rules.clone();
            return Some(self.of(&rules));
        }
        let functions = self.functions.clone();
        if functions.is_empty() {
            return None;
        }
        let (name, takes) = self.of(&functions);
        let takes = if self.one_in(25) { takes + 1 } else { takes };
        let arguments: Vec<_> = (0..takes).map(|_| self.term(Sort::Any)).collect();
        Some(format!("{name}({})", arguments.join(", ")))
    }

    fn composed(&mut self, sort: Sort) -> String {
        match sort {
            Sort::Text | Sort::Any => self.text(),
            Sort::Number => self.number(),
            Sort::List => self.list(),
            Sort::Set => self.set(),
            Sort::Object => self.object(),
        }
    }

    fn text(&mut self) -> String {
        let (a, b) = (self.term(Sort::Text), self.term(Sort::Text));
        match self.below(14) {
            0 => format!("concat({:?}, {})", self.of(&[", ", "-", ""]), self.term(Sort::List)),
            1 => format!("lower({a})"),
            2 => format!("trim({a}, {b})"),
            3 => format!("replace({a}, \"a\", {b})"),
            4 => format!("substring({a}, {}, {})", self.of(&["0", "1", "2"]), self.of(&["-1", "2"])),
            5 => format!("split({a}, {})[0]", self.of(&["\"/\"", "\":\"", "\"a\""])),
            6 => format!("json.marshal({})", self.term(Sort::Any)),
            7 => format!("trim_prefix({a}, {b})"),
            8 => format!("type_name({})", self.term(Sort::Any)),
            9 => format!("format_int({}, {})", self.term(Sort::Number), self.of(&["10", "16", "2"])),
            10 => format!("upper({a})"),
            11 => format!("regex.replace({a}, {}, \"-\")", self.of(&["\"[a-z]+\"", "`\\d`", "\"(a)\""])),
            12 => format!("base64.encode({a})"),
            _ => format!("sprintf({}, [{}, {}])", self.format(), self.term(Sort::Any), self.term(Sort::Any)),
        }
    }

    /// A format for two arguments.
    pub(super) fn format(&mut self) -> String {
        let verb =
            |author: &mut Self| author.of(&["%v", "%v", "%v", "%s", "%d", "%q", "%5v", "%.2f", "%x", "%t"]);
        let (one, other) = (verb(self), verb(self));
        format!("\"{one} of {other}\"")
    }

    fn number(&mut self) -> String {
        let (a, b) = (self.term(Sort::Number), self.term(Sort::Number));
        match self.below(12) {
            0 => format!("count({})", self.term(Sort::List)),
            1 => format!("{a} + {b}"),
            2 => format!("{a} - {b}"),
            3 => format!("{a} * {b}"),
            4 => format!("{a} / {b}"),
            5 => format!("{a} % {b}"),
            6 => format!("to_number({})", self.of(&["\"10\"", "\"0.1\"", "\"x\"", "\"1e2\""])),
            7 => format!("max({})", self.term(Sort::List)),
            8 => format!("sum({})", self.of(&["input.review.object.spec.ports", "[1, 2.5]", "{1, 2}"])),
            9 => format!("{}({a})", self.of(&["abs", "round", "ceil", "floor"])),
            10 => format!("units.parse_bytes({})", self.of(&["\"1Gi\"", "\"100M\"", "\"1.5k\"", "\"x\""])),
            _ => format!("count({})", self.term(Sort::Text)),
        }
    }

    fn list(&mut self) -> String {
        match self.below(8) {
            0 => format!("[{}, {}]", self.term(Sort::Any), self.term(Sort::Any)),
            1 => format!("split({}, \"/\")", self.term(Sort::Text)),
            2 => format!("array.concat({}, {})", self.term(Sort::List), self.term(Sort::List)),
            3 => format!("object.get({}, {}, [])", self.term(Sort::Object), self.of(&["\"a\"", "\"names\""])),
            4 => format!("sort({})", self.term(Sort::List)),
            5 => format!("array.slice({}, 0, 2)", self.term(Sort::List)),
            _ => self.comprehension("[", "]", None),
        }
    }

    fn set(&mut self) -> String {
        let (a, b) = (self.term(Sort::Set), self.term(Sort::Set));
        match self.below(7) {
            0 => format!("{{{}, {}}}", self.term(Sort::Any), self.term(Sort::Any)),
            1 => format!("{a} - {b}"),
            2 => format!("{a} & {b}"),
            3 => format!("{a} | {b}"),
            _ => self.comprehension("{", "}", None),
        }
    }

    fn object(&mut self) -> String {
        match self.below(6) {
            0 => format!("{{\"a\": {}, {}: 1}}", self.term(Sort::Any), self.term(Sort::Text)),
            1 => format!("object.union({}, {})", self.term(Sort::Object), self.term(Sort::Object)),
            2 => format!("object.remove({}, [\"a\"])", self.term(Sort::Object)),
            3 => format!(
                "json.unmarshal({})",
                self.of(&["`{\"a\": 1.0}`", "\"[1]\"", "\"{\"", "`{\"b\": 1e3}`"])
            ),
            _ => {
                let key = self.of(&["k", "x", "name"]);
                self.comprehension("{", "}", Some(key))
            }
        }
    }

    /// A comprehension, whose variables may have names from outside.
    fn comprehension(&mut self, open: &str, close: &str, key: Option<&str>) -> String {
        self.scope.push(vec![]);
        let mut body = self.generator(key);
        for _ in 0..self.below(2) {
            body.push(self.condition());
        }
        let of = self.scope.last().and_then(|inner| inner.first()).map(|(name, _)| name.clone());
        let term = of.filter(|_| !self.one_in(4)).unwrap_or_else(|| self.term(Sort::Any));
        self.scope.pop();
        let term = key.map_or_else(|| term.clone(), |key| format!("{key}: {term}"));
        format!("{open}{term} | {}{close}", body.join("; "))
    }
}
