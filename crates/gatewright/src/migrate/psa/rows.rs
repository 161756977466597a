//! What differs between Pod Security admission and gatewright.

use crate::migrate::rows::Row;

pub const MODES: Row = Row {
    id: "P1",
    when: "modes have different levels",
    before: "Pod Security admission warns, or writes to the audit log, by a stricter level than it enforces",
    after: "here a namespace has one standard with one action: keep the label, and Pod Security admission goes on beside",
    general: false,
};
pub const VERSION: Row = Row {
    id: "P2",
    when: "a version is pinned",
    before: "Pod Security admission judges by that version of the standards",
    after: "here the setting podSecurityStandards.version holds for all namespaces",
    general: false,
};
pub const UNLABELLED: Row = Row {
    id: "P3",
    when: "the namespace has no label of a mode",
    before: "Pod Security admission admits everything, unless the API server's configuration says otherwise",
    after: "here the default standard holds: the settings podSecurityStandards.defaultPolicy and .enforcementAction",
    general: false,
};
pub const MEANINGLESS: Row = Row {
    id: "P4",
    when: "a level does not exist",
    before: "Pod Security admission takes it for restricted",
    after: "here a label that means nothing is the default standard",
    general: false,
};
pub const SYSTEM: Row = Row {
    id: "P5",
    when: "it is a system namespace",
    before: "Pod Security admission judges it by its labels",
    after: "here the standards never reach it: keep the label, and Pod Security admission goes on",
    general: false,
};
pub const CONTROLLERS: Row = Row {
    id: "P6",
    when: "a Deployment or another controller is applied",
    before: "Pod Security admission warns, and refuses the Pods alone",
    after: "here the controller is refused, unless the setting podSecurityStandards.controllerValidation is false",
    general: true,
};
pub const EXEMPTIONS: Row = Row {
    id: "P7",
    when: "the API server's configuration has exemptions",
    before: "Pod Security admission leaves out users, runtime classes and namespaces",
    after: "here namespaces alone can be left out, by the label security.deckhouse.io/pod-policy=privileged; migrate cannot read that configuration",
    general: true,
};
pub const STRICTER: Row = Row {
    id: "P8",
    when: "the namespace has a stricter standard already, by a label or by default",
    before: "Pod Security admission judges by its own labels",
    after: "here the stricter level or action stays: keep the labels of Pod Security admission where these refuse more",
    general: false,
};
pub const NOT_ASKED: Row = Row {
    id: "P9",
    when: "Gatekeeper is not asked about the namespace",
    before: "Pod Security admission judges it by its labels",
    after: "here nothing is judged in it: keep the label, and Pod Security admission goes on",
    general: false,
};
pub const OTHER_DEFAULT: Row = Row {
    id: "P10",
    when: "the labels of the namespace leave the standard or its action to the default, and that of Deckhouse's module is, or may be, another",
    before: "Deckhouse holds podSecurityStandards.defaultPolicy of the module's ModuleConfig; where that is not set Baseline, or Privileged in clusters that were installed with a version before 1.55",
    after: "here the default standard holds: the settings podSecurityStandards.defaultPolicy and .enforcementAction",
    general: false,
};

/// All differences.
pub const ROWS: &[&Row] = &[
    &MODES,
    &VERSION,
    &UNLABELLED,
    &MEANINGLESS,
    &SYSTEM,
    &CONTROLLERS,
    &EXEMPTIONS,
    &STRICTER,
    &NOT_ASKED,
    &OTHER_DEFAULT,
];
