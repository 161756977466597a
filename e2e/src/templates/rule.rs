//! Statements and rules.

use super::term::Sort;
use super::{Author, NAMES, RULES};

impl Author {
    /// Makes a variable known.
    fn bind(&mut self, name: &str, sort: Sort) {
        if let Some(inner) = self.scope.last_mut() {
            inner.push((name.to_owned(), sort));
        }
    }

    fn has(&self, name: &str) -> bool {
        self.scope.last().is_some_and(|inner| inner.iter().any(|(known, _)| known == name))
    }

    /// A name that this body has not; now and then one that it has.
    fn fresh(&mut self) -> String {
        for _ in 0..8 {
            let name = self.name(&NAMES);
            if !self.has(&name) || self.one_in(60) {
                return name;
            }
        }
        "other".to_owned()
    }

    /// Statements that run over a collection; an index gets the name that is given.
    pub(super) fn generator(&mut self, key: Option<&str>) -> Vec<String> {
        let sort = self.of(&[Sort::List, Sort::List, Sort::Set, Sort::Object]);
        let (collection, name) = (self.term(sort), self.fresh());
        let collection = if collection.contains([' ', '(']) {
            return vec![format!("{name}_of := {collection}"), self.over(&format!("{name}_of"), &name, key)];
        } else {
            collection
        };
        vec![self.over(&collection, &name, key)]
    }

    fn over(&mut self, collection: &str, name: &str, key: Option<&str>) -> String {
        let index = key.unwrap_or("_");
        let statement = match self.below(6) {
            0 => format!("{name} = {collection}[{index}]"),
            1 if self.keywords && key.is_none() => format!("some {name} in {collection}"),
            2 if self.keywords && key.is_some() => format!("some {index}, {name} in {collection}"),
            3 => {
                let index = key.unwrap_or("n");
                format!("some {index}; {name} := {collection}[{index}]")
            }
            _ => format!("{name} := {collection}[{index}]"),
        };
        let sort = if collection.starts_with("input.") { Sort::Any } else { Sort::Text };
        self.bind(name, sort);
        statement
    }

    /// A statement that gives no variable a value.
    pub(super) fn condition(&mut self) -> String {
        let (text, other) = (self.term(Sort::Text), self.term(Sort::Text));
        match self.below(18) {
            0 => format!("{text} == {other}"),
            1 => format!("{text} != {other}"),
            2 => format!("startswith({text}, {other})"),
            3 => format!("not startswith({text}, {other})"),
            4 if !self.functions.iter().any(|(name, _)| name == "contains") => {
                format!("contains({text}, {other})")
            }
            5 => format!(
                "{} {} {}",
                self.term(Sort::Number),
                self.of(&["<", ">=", "==", "!="]),
                self.term(Sort::Number)
            ),
            6 => format!(
                "{}[{text}]",
                self.of(&["{\"gold\", \"web\"}", "input.review.object.metadata.labels"])
            ),
            7 => format!(
                "not {}[{text}]",
                self.of(&["{\"gold\", \"web\"}", "input.review.object.metadata.labels"])
            ),
            8 => format!(
                "regex.match({}, {text})",
                self.of(&["\"^[a-z]+$\"", "`^\\d+$`", "\"(?i)GOLD\"", "\"[\""])
            ),
            9 if self.keywords => format!("{text} in {}", self.term(Sort::List)),
            10 if self.keywords => {
                let name = self.fresh();
                let domain = self.term(Sort::List);
                self.scope.push(vec![(name.clone(), Sort::Any)]);
                let inner = self.condition();
                self.scope.pop();
                format!("every {name} in {domain} {{ {name} != 1; {inner} }}")
            }
            11 => format!("is_{}({})", self.of(&["string", "number", "array", "null"]), self.term(Sort::Any)),
            12 if !self.v1 => format!("{}({})", self.of(&["any", "all"]), self.term(Sort::List)),
            13 => self.called().unwrap_or_else(|| "true".into()),
            14 => self.called().map_or_else(|| "true".into(), |called| format!("not {called}")),
            15 => format!("count({}) {} 1", self.term(Sort::List), self.of(&["<", ">", "=="])),
            16 => format!("object.get({}, {text}, {other}) == {other}", self.term(Sort::Object)),
            _ => format!(
                "{} with input as {{\"review\": {{\"object\": {{}}}}}}",
                text.trim_start_matches("not ")
            ),
        }
    }

    /// Some statements.
    fn body(&mut self) -> Vec<String> {
        let mut body = vec![];
        for _ in 0..=self.below(3) {
            match self.below(8) {
                0..2 => body.extend(self.generator(None)),
                2..5 => {
                    let name = self.fresh();
                    let sort = self.sort();
                    let value = self.term(sort);
                    let operator = if self.one_in(5) { "=" } else { ":=" };
                    body.push(format!("{name} {operator} {value}"));
                    self.bind(&name, sort);
                }
                5 if self.one_in(10) => body.push(self.mistake()),
                _ => body.push(self.condition()),
            }
        }
        body
    }

    /// What people get wrong.
    fn mistake(&mut self) -> String {
        let variable = self.variable(Sort::Any);
        self.of(&[
            "startswith(\"a\", \"b\", \"c\")",
            "count(1) > 0",
            "some unused",
            "not undefined_variable",
            "nothing(1)",
            "1 := 1",
            "not later := 1",
            "{\"a\": 1}.b == 1",
            "input := 1",
            "sprintf(\"%v\", \"no list\") == \"\"",
            "concat(\",\", [1]) == \"\"",
            "data.other.rule",
            "\"a\" + 1 == 2",
            "[a_, b_] = [1, 2, 3]",
            "VARIABLE := 2",
            "x_[VARIABLE] == 1",
        ])
        .replace("VARIABLE", &variable)
    }

    /// A helper rule or function, which later rules may use.
    pub(super) fn helper(&mut self) -> String {
        let name = self.name(&RULES);
        let known = (self.functions.clone(), self.rules.clone());
        if known.0.iter().any(|(of, _)| *of == name) || known.1.contains(&name) {
            return String::new();
        }
        self.scope.push(vec![]);
        let rule = match self.below(4) {
            0 => self.constant(&name),
            1 => self.partial(&name),
            _ => self.function(&name),
        };
        self.scope.pop();
        rule
    }

    fn constant(&mut self, name: &str) -> String {
        let body = self.body();
        let value = self.term(Sort::Any);
        self.rules.push(name.to_owned());
        let default = if self.one_in(2) {
            format!("default {name} {} false\n\n", self.assign())
        } else {
            String::new()
        };
        format!("{default}{name} {} {value} {}", self.assign(), self.block(&body))
    }

    fn partial(&mut self, name: &str) -> String {
        let body = self.body();
        let element = self.term(Sort::Any);
        self.rules.push(name.to_owned());
        let block = self.block(&body);
        if self.v1 || self.keywords && self.one_in(2) {
            return format!("{name} contains {element} {block}");
        }
        format!("{name}[{element}] {}", block.trim_start_matches("if "))
    }

    fn function(&mut self, name: &str) -> String {
        let takes = 1 + self.below(2);
        let arguments: Vec<_> =
            (0..takes).map(|i| self.of(&[["a", "x", "elem"], ["b", "y", "arr"]][i.min(1)])).collect();
        let mut bodies = vec![];
        for _ in 0..=self.below(2) {
            self.scope.push(arguments.iter().map(|&name| (name.to_owned(), Sort::Any)).collect());
            let body = self.body();
            let result = match self.below(3) {
                0 => String::new(),
                1 => format!(" {} true", self.assign()),
                _ => format!(" {} {}", self.assign(), self.term(Sort::Any)),
            };
            let block = self.block(&body);
            let parameters: Vec<_> =
                arguments.iter().map(|name| parameter(name, &[&result, &block], body.len())).collect();
            bodies.push(format!("{name}({}){result} {block}", parameters.join(", ")));
            self.scope.pop();
        }
        self.functions.push((name.to_owned(), takes));
        bodies.join("\n\n")
    }

    fn assign(&mut self) -> &'static str {
        if self.one_in(2) { "=" } else { ":=" }
    }

    fn block(&mut self, body: &[String]) -> String {
        let word = if self.v1 || self.keywords && self.one_in(2) { "if " } else { "" };
        if self.one_in(5) {
            return format!("{word}{{ {} }}", body.join("; "));
        }
        format!("{word}{{\n  {}\n}}", body.join("\n  "))
    }

    /// A rule that Gatekeeper asks.
    pub(super) fn violation(&mut self) -> String {
        self.scope.push(vec![]);
        let mut body = self.body();
        let (one, other, format) = (self.term(Sort::Any), self.term(Sort::Any), self.format());
        let message = match self.below(6) {
            0 => "\"constant\"".to_owned(),
            1 => self.term(Sort::Text),
            _ => format!("sprintf({format}, [{one}, {other}])"),
        };
        let known = self.scope.last().cloned().unwrap_or_default();
        let mut known: Vec<_> = known.into_iter().map(|(name, _)| name).collect();
        known.push("msg".to_owned());
        let element = match self.below(20) {
            0 => self.of(&known),
            1 => "{\"message\": msg}".to_owned(),
            2 => format!("{{\"msg\": {message}}}"),
            3 => format!("{{\"msg\": msg, \"details\": {other}}}"),
            4 => self.of(&["\"text\"", "1", "[msg]", "{\"msg\"}", "{\"msg\": 1}"]).to_owned(),
            _ => "{\"msg\": msg}".to_owned(),
        };
        if element.contains("msg") && !self.has("msg") {
            body.push(format!("msg {} {message}", if self.one_in(6) { "=" } else { ":=" }));
        }
        self.scope.pop();
        let block = self.block(&body);
        let bare = block.trim_start_matches("if ").to_owned();
        match self.below(40) {
            0 => format!("violation {block}"),
            1 => format!("violation = {element} {block}"),
            2 => format!("violation(x) = {element} {block}"),
            3 if !self.v1 => format!("violation[{element}] = true {bare}"),
            _ if self.v1 || self.keywords && self.one_in(2) => {
                format!("violation contains {element} {block}")
            }
            _ => format!("violation[{element}] {bare}"),
        }
    }
}

/// A parameter that a definition does not use has no name in every second of them. Nothing random decides it, so that all
/// numbers of a seed keep their templates.
fn parameter<'n>(name: &'n str, texts: &[&str], statements: usize) -> &'n str {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let used = texts.iter().flat_map(|text| text.split(|c| !is_word(c))).any(|word| word == name);
    if used || statements % 2 == 1 { name } else { "_" }
}
