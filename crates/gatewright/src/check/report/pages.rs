//! The pages about rules, for formats that carry them along.

/// Each page, by what it is about.
const PAGES: [(&str, &str); 3] = [
    ("SecurityPolicy", include_str!("../../../../../docs/rules/security-policy.md")),
    ("OperationPolicy", include_str!("../../../../../docs/rules/operation-policy.md")),
    ("PodSecurityStandard", include_str!("../../../../../docs/rules/pod-security-standards.md")),
];

/// What the pages say of a rule, whichever kind it is of: a field of a policy kind, or a control of the standards.
pub fn of_a_rule(rule: &str) -> Option<String> {
    PAGES.iter().find_map(|(kind, _)| page(kind, rule))
}

/// The names of all rules.
pub fn rules() -> impl Iterator<Item = &'static str> {
    let headings =
        PAGES.iter().flat_map(|(_, page)| page.lines()).filter_map(|line| line.strip_prefix("### "));
    headings.map(|heading| heading.trim_start_matches("Control "))
}

/// What a page says of a rule, in Markdown: what it is about, its fields, and an example. The rule is a field of a
/// policy kind, or a control of the standards.
pub fn page(kind: &str, rule: &str) -> Option<String> {
    let (_, page) = PAGES.iter().find(|(of, _)| *of == kind)?;
    let headings = [format!("### {rule}"), format!("### Control {rule}")];
    let is_it =
        |part: &&str| part.lines().next().is_some_and(|line| headings.iter().any(|found| found == line));
    page.split("\n## ").skip(1).find_map(|section| {
        let mut parts = section.split("\n### ").map(str::trim_end);
        let about = parts.next()?;
        let own = parts.map(|part| format!("### {part}")).find(|part| is_it(&part.as_str()))?;
        Some(without_links(&format!("## {about}\n\n{own}\n")))
    })
}

/// The same without markup.
pub fn text(page: &str) -> String {
    let plain = page.lines().filter(|line| !line.starts_with("```") && !line.starts_with("|---"));
    let plain =
        plain.map(|line| line.trim_start_matches('#').trim_start_matches("| ").trim_end_matches(" |"));
    plain.map(|line| line.replace('`', "").replace(" | ", ": ") + "\n").collect::<String>().trim().to_owned()
}

/// Links between pages lead nowhere from another document: their texts stay.
fn without_links(page: &str) -> String {
    let mut out = String::new();
    let mut rest = page;
    while let Some((before, after)) = rest.split_once('[') {
        let link = after.split_once("](").and_then(|(text, after)| Some((text, after.split_once(')')?)));
        match link {
            Some((text, (target, after))) if target.contains(".md") && !text.contains('\n') => {
                out.extend([before, text]);
                rest = after;
            }
            _ => {
                out.extend([before, "["]);
                rest = after;
            }
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use gatewright_rules::{Owner, Template};

    use super::{page, text, without_links};

    /// A rule without a page would come without help.
    #[test]
    fn every_rule_has_its_page() {
        let mut found = 0;
        for template in Template::ALL.iter().map(|template| template.definition()) {
            let Owner::Policy(kind) = template.owner else { continue };
            for field in template.rules.iter().flat_map(|rule| rule.checks).map(|check| check.field) {
                let page = page(kind.as_ref(), field).unwrap_or_else(|| panic!("{kind} {field}"));
                assert!(page.starts_with("## ") && page.contains(&format!("\n### {field}\n")), "{page}");
                assert!(!page.contains(".md") && !text(&page).contains("```"), "{page}");
                found += 1;
            }
        }
        assert!(found > 30, "{found}");
        let page = page("PodSecurityStandard", "hostPorts").unwrap();
        assert!(page.contains("### Control hostPorts") && page.contains("hostPort: 80"), "{page}");
    }

    #[test]
    fn links_become_their_texts() {
        assert_eq!(without_links("a [b](../c.md#d) e[0] [f](https://g)"), "a b e[0] [f](https://g)");
    }
}
