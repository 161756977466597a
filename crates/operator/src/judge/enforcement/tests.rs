use super::{enforced, not_enforced_by, rejected};
use crate::judge::conditions::Judgement;
use crate::judge::fixtures::{PROCESS, applied, builtin, gatekeeper, taken_in, template};
use crate::watch::observe::Gatekeeper;
use gatewright_api::Reason;
use gatewright_compiler::Settings;
use gatewright_gatekeeper::{Exemption, TemplateError};
use gatewright_rules::Template;
use std::sync::Arc;

/// What is said of a standard's constraint that every process has taken in.
fn said(gatekeeper: &Gatekeeper, settings: &Settings) -> Judgement {
    let builtin = builtin();
    let prepared = &builtin.standards[0].prepared;
    let applied = applied(prepared, &Arc::new(taken_in(prepared)));
    let template = template(builtin, Template::PodSecurityStandard);
    enforced(gatekeeper, settings, &template, &applied, &builtin.standards_routes)
}

fn message(change: impl FnOnce(&mut Gatekeeper)) -> String {
    let mut gatekeeper = gatekeeper();
    change(&mut gatekeeper);
    let Judgement { holds, reason, message } = said(&gatekeeper, &Settings::default());
    assert!(holds && reason == Reason::Enforced, "{message}");
    message
}

fn exemption(namespaces: &str, admission: bool) -> Exemption {
    Exemption { namespaces: namespaces.to_owned(), admission, sync: !admission }
}

#[test]
fn who_enforces_is_named_with_what_limits_it() {
    let by = format!("enforced by {PROCESS}");
    assert_eq!(message(|_| {}), by);
    let open = message(|gatekeeper| {
        let webhook = Arc::make_mut(&mut gatekeeper.webhooks[0]);
        webhook.webhooks.as_mut().unwrap()[0].failure_policy = Some("Ignore".to_owned());
    });
    let ignore = "the webhook's failure policy is Ignore: requests pass while Gatekeeper does not answer";
    assert_eq!(open, format!("{by}; {ignore}"));
}

#[test]
fn exemptions_in_reach_are_named() {
    let by = format!("enforced by {PROCESS}");
    for (exemptions, expected) in [
        (vec![exemption("legacy-*", true)], "; Gatekeeper's Config exempts legacy-*"),
        (vec![exemption("a", true), exemption("b", true)], "; Gatekeeper's Config exempts a, b"),
        // Out of reach, and exempt from the inventory only.
        (vec![exemption("kube-system", true), exemption("c", false)], ""),
        (vec![], ""),
    ] {
        let found = message(|gatekeeper| gatekeeper.exemptions.clone_from(&exemptions));
        assert_eq!(found, format!("{by}{expected}"), "{exemptions:?}");
    }
}

#[test]
fn a_configuration_that_the_settings_name_is_the_only_one() {
    let mut settings = Settings::default();
    settings.routing.upstream = Some("gatekeeper".to_owned());
    assert!(said(&gatekeeper(), &settings).holds);
    settings.routing.upstream = Some("other".to_owned());
    let judgement = said(&gatekeeper(), &settings);
    assert_eq!((judgement.holds, judgement.reason), (false, Reason::NotRouted));
}

#[test]
fn words_for_what_processes_say() {
    let error = TemplateError { process: "a".to_owned(), message: "no".to_owned() };
    let expected = "a cannot compile it: no; compare this Gatekeeper's version and its flag --disable-opa-builtin with \
                    the documentation";
    assert_eq!(rejected(&error, "it"), Judgement::no(Reason::TemplateRejected, expected));
    let missing = [("a".to_owned(), "lags".to_owned()), ("b".to_owned(), "is new".to_owned())];
    let expected = "a lags; b is new; if this lasts, look at the log of that Pod";
    assert_eq!(not_enforced_by(&missing), Judgement::no(Reason::NotEnforcedBy, expected));
}
