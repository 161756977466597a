//! Namespaces, and how many of them each constraint reaches.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gatewright_gatekeeper::{Matcher, Namespace};
use gatewright_rules::Template;
use k8s_openapi::api::core::v1::Namespace as Object;
use kube::ResourceExt as _;
use kube::core::PartialObjectMeta;

use crate::watch::cache::{Cache, Entry, Knowledge};
use crate::watch::live::Live;

impl Entry for Namespace {
    fn same(&self, other: &Self) -> bool {
        self == other
    }
}

/// All namespaces, and as what each was judged last.
pub(crate) struct Namespaces {
    pub(crate) cache: Cache<Namespace>,
    judged: Mutex<Judged>,
}

/// Namespaces as they were judged last, and how many of them constraints reach. Both move together: a change of one
/// namespace is a step for each constraint, and not a count of all namespaces for each.
#[derive(Default)]
struct Judged {
    /// None before they were listed.
    namespaces: Option<HashMap<String, Arc<Namespace>>>,
    reached: HashMap<(Template, String), Reached>,
}

/// How many namespaces a constraint reaches.
struct Reached {
    matcher: Arc<Matcher>,
    count: i32,
}

/// What became of a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Turn {
    /// As it was looked at last; none if it was not there, or nobody looked.
    pub(crate) before: Option<Arc<Namespace>>,
    /// As it is; none if it is gone.
    pub(crate) now: Option<Arc<Namespace>>,
}

/// The template and name of a constraint.
type Concern = (Template, String);

impl Namespaces {
    pub(crate) fn new() -> Self {
        Self { cache: Cache::new(), judged: Mutex::default() }
    }

    /// What is known of namespaces. What was only listed is not known yet.
    pub(crate) fn knowledge(&self) -> Knowledge {
        match self.cache.knowledge() {
            Knowledge::Complete if self.lock().namespaces.is_none() => Knowledge::Unknown,
            knowledge => knowledge,
        }
    }

    /// How many namespaces a constraint reaches; none while they are not all known.
    pub(crate) fn reached_by(&self, template: Template, name: &str, constraint: &Live) -> Option<i32> {
        let matcher = constraint.matcher.as_ref()?;
        self.cache.is_complete().then(|| self.lock().count(template, name, matcher)).flatten()
    }

    /// Takes in what has become of a namespace. Names the constraints that reach it only before or only now; none while
    /// namespaces are not known.
    pub(crate) fn turn(&self, name: &str) -> Option<(Turn, Vec<Concern>)> {
        if self.knowledge() == Knowledge::Unknown {
            return None;
        }
        Some(self.lock().judge(name, self.cache.get(name)))
    }

    /// Takes in what has become of all namespaces. Everything may reach others now.
    pub(crate) fn turn_all(&self) -> Vec<Turn> {
        self.lock().judge_all(self.cache.values())
    }

    /// A constraint is gone.
    pub(crate) fn forget(&self, template: Template, name: &str) {
        self.lock().reached.remove(&(template, name.to_owned()));
    }

    fn lock(&self) -> MutexGuard<'_, Judged> {
        self.judged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Judged {
    fn count(&mut self, template: Template, name: &str, matcher: &Arc<Matcher>) -> Option<i32> {
        let key = (template, name.to_owned());
        if let Some(known) = self.reached.get(&key).filter(|known| known.matcher == *matcher) {
            return Some(known.count);
        }
        let namespaces = self.namespaces.as_ref()?.values();
        let count = i32::try_from(namespaces.filter(|it| matcher.reaches(it)).count()).ok()?;
        self.reached.insert(key, Reached { matcher: Arc::clone(matcher), count });
        Some(count)
    }

    /// Notes as what a namespace is judged now.
    fn judge(&mut self, name: &str, now: Option<Arc<Namespace>>) -> (Turn, Vec<Concern>) {
        let namespaces = self.namespaces.get_or_insert_default();
        let before = match &now {
            Some(now) => namespaces.insert(name.to_owned(), Arc::clone(now)),
            None => namespaces.remove(name),
        };
        let mut concerns = vec![];
        for (constraint, reached) in &mut self.reached {
            let reaches =
                |it: &Option<Arc<Namespace>>| it.as_ref().is_some_and(|it| reached.matcher.reaches(it));
            let step = i32::from(reaches(&now)) - i32::from(reaches(&before));
            if step != 0 {
                reached.count += step;
                concerns.push(constraint.clone());
            }
        }
        (Turn { before, now }, concerns)
    }

    /// Notes all namespaces as judged. Returns those whose labels changed.
    fn judge_all(&mut self, namespaces: Vec<Arc<Namespace>>) -> Vec<Turn> {
        self.reached.clear();
        let now: HashMap<_, _> = namespaces.into_iter().map(|it| (it.name.clone(), it)).collect();
        let before = self.namespaces.replace(now.clone()).unwrap_or_default();
        let turn = |now: Arc<Namespace>| Turn { before: before.get(&now.name).cloned(), now: Some(now) };
        now.into_values().map(turn).filter(|turn| turn.before != turn.now).collect()
    }
}

/// What a namespace's metadata says; nothing else is read of it.
pub(crate) fn namespace(object: PartialObjectMeta<Object>) -> Namespace {
    Namespace { name: object.name_any(), labels: object.metadata.labels.unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::{Judged, Turn};
    use gatewright_gatekeeper::{Matcher, Namespace};
    use gatewright_rules::Template;
    use serde_json::json;
    use std::sync::Arc;

    const K: Template = Template::SecurityPolicy;

    fn namespace(name: &str, team: &str) -> Arc<Namespace> {
        Arc::new(Namespace { name: name.into(), labels: [("team".into(), team.into())].into() })
    }

    fn of_team(team: &str) -> Arc<Matcher> {
        let selector = json!({"namespaceSelector": {"matchLabels": {"team": team}}});
        Arc::new(Matcher::parse(&selector).unwrap())
    }

    #[test]
    fn counts_follow_the_namespaces() {
        let mut judged = Judged::default();
        assert_eq!(judged.count(K, "a", &of_team("a")), None, "not known is not none");
        judged.judge_all(vec![namespace("one", "a"), namespace("two", "b")]);
        let counts = |judged: &mut Judged| {
            [judged.count(K, "a", &of_team("a")).unwrap(), judged.count(K, "b", &of_team("b")).unwrap()]
        };
        assert_eq!(counts(&mut judged), [1, 1]);
        let a = || (K, "a".to_owned());
        let b = || (K, "b".to_owned());
        for (name, now, concerns, expected) in [
            ("three", Some(namespace("three", "a")), vec![a()], [2, 1]),
            ("three", Some(namespace("three", "a")), vec![], [2, 1]),
            ("three", Some(namespace("three", "b")), vec![a(), b()], [1, 2]),
            ("two", None, vec![b()], [1, 1]),
            ("four", Some(namespace("four", "c")), vec![], [1, 1]),
        ] {
            let (turn, mut concerned) = judged.judge(name, now.clone());
            concerned.sort();
            assert_eq!((concerned, counts(&mut judged)), (concerns, expected), "{name}");
            assert_eq!(turn.now, now);
        }
        assert_eq!(judged.count(K, "a", &of_team("c")), Some(1), "another selector, another count");
        assert_eq!(judged.judge_all(vec![namespace("one", "a")]), [], "nothing is new of what is there");
        assert_eq!(counts(&mut judged), [1, 0]);
        let turn = Turn { before: Some(namespace("one", "a")), now: Some(namespace("one", "b")) };
        assert_eq!(judged.judge_all(vec![namespace("one", "b")]), [turn]);
    }
}
