//! Which standard holds in namespaces today beside Pod Security admission: that of gatewright, or of Deckhouse's module.

use gatewright_api::names::OWNER_LABEL;
use gatewright_compiler::{ACTION_LABEL, POLICY_LABEL, Preset, Settings};
use gatewright_gatekeeper::Action;
use gatewright_rules::Template;
use serde_json::Value;

use super::LEVELS;
use crate::migrate::deckhouse;
use crate::migrate::source::Found;

/// A level, and what happens to violations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standard {
    /// How strict it is: the place among the levels.
    pub level: usize,
    /// What happens to violations.
    pub action: Action,
}

/// What holds today in namespaces of which no label chooses a standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Today {
    /// Nothing: neither gatewright nor Deckhouse's module is there.
    Nothing,
    /// gatewright's default.
    Gatewright(Standard),
    /// The default of Deckhouse's module.
    Module(Standard),
    /// A default of Deckhouse's module that nobody can know; it is at most this one.
    Unknown(Standard),
}

impl Standard {
    /// The default of these settings.
    pub fn default_of(settings: &Settings) -> Self {
        let standards = &settings.standards;
        Self {
            level: level(standards.default_policy.as_ref()).unwrap_or_default(),
            action: standards.enforcement_action,
        }
    }

    /// Whether everything that the other one refuses or reports is treated at least so by this one.
    pub fn covers(self, other: Self) -> bool {
        other.level == 0 || (self.level >= other.level && self.action >= other.action)
    }
}

/// The place of a level, however it is spelled.
pub fn level(name: &str) -> Option<usize> {
    LEVELS.iter().position(|level| level.eq_ignore_ascii_case(name))
}

fn action(name: &str) -> Option<Action> {
    Action::ALL.into_iter().find(|action| action.name().eq_ignore_ascii_case(name))
}

/// What holds today.
pub fn today(found: &Found, settings: &Settings) -> Today {
    if let Some(standard) = of_gatewright(found, settings) {
        return Today::Gatewright(standard);
    }
    if deckhouse::may_be_there(found) { of_module(found) } else { Today::Nothing }
}

/// Where gatewright's settings come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// A file has them.
    File,
    /// The command in `Order` sets what Deckhouse's module has.
    Order,
    /// Nothing sets them.
    Defaults,
}

/// The settings that gatewright will have. In Deckhouse's clusters it has the preset for these, unless a file says otherwise.
pub fn planned(today: Today, settings: &Settings, plan: Plan) -> Settings {
    if matches!(today, Today::Nothing | Today::Gatewright(_)) || plan == Plan::File {
        return settings.clone();
    }
    let mut planned =
        Settings::new(Preset::Deckhouse, &settings.gatekeeper_namespace, &settings.operator_namespace);
    let (Today::Module(standard) | Today::Unknown(standard)) = today else { return planned };
    if plan == Plan::Order {
        planned.standards.enforcement_action = standard.action;
        let level = LEVELS[standard.level].parse().ok().filter(|_| matches!(today, Today::Module(_)));
        planned.standards.default_policy = level.unwrap_or(planned.standards.default_policy);
    }
    planned
}

/// gatewright's default, as its constraints have it; the settings have it where nobody sees these.
fn of_gatewright(found: &Found, settings: &Settings) -> Option<Standard> {
    let template = Template::PodSecurityStandard;
    let is_ours = |labels: &Value| labels.get(OWNER_LABEL).is_some();
    let has_template = found
        .templates
        .iter()
        .any(|it| it.header.name == template.name() && is_ours(&it.value()["metadata"]["labels"]));
    let constraints: Vec<_> = found
        .constraints
        .iter()
        .filter(|it| it.header.kind == template.kind())
        .map(crate::input::Document::value)
        .collect();
    let default = Standard::default_of(settings);
    if constraints.is_empty() {
        return (has_template || found.is_gatewright_installed).then_some(default);
    }
    let chosen_by_default = |label: &str| constraints.iter().find(|it| is_default(it, label));
    let of_level = chosen_by_default(POLICY_LABEL);
    let of_level = of_level.and_then(|it| level(it.pointer("/spec/parameters/level")?.as_str()?));
    let of_action = chosen_by_default(ACTION_LABEL);
    let of_action = of_action.and_then(|it| action(it.pointer("/spec/enforcementAction")?.as_str()?));
    Some(Standard { level: of_level.unwrap_or_default(), action: of_action.unwrap_or(default.action) })
}

/// Whether a constraint also takes namespaces without the label: it names the other values alone.
fn is_default(constraint: &Value, label: &str) -> bool {
    let expressions = constraint.pointer("/spec/match/namespaceSelector/matchExpressions");
    let mut expressions = expressions.and_then(Value::as_array).into_iter().flatten();
    expressions.any(|it| it["key"] == label && it["operator"] == "NotIn")
}

fn of_module(found: &Found) -> Today {
    let config = deckhouse::module_config(found);
    let standards = config.as_ref().map(|config| &config["spec"]["settings"]["podSecurityStandards"]);
    let text = |field: &str| standards.and_then(|standards| standards[field].as_str());
    let action = text("enforcementAction").and_then(action).unwrap_or_default();
    match text("defaultPolicy").and_then(level) {
        Some(level) => Today::Module(Standard { level, action }),
        // Where it is not set it is Privileged or Baseline.
        None if config.is_some() => Today::Unknown(Standard { level: 1, action }),
        None => Today::Unknown(Standard { level: LEVELS.len() - 1, action }),
    }
}
