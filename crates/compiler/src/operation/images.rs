//! What images may be, and how they are pulled.

use gatewright_api::text::{ImageTag, RepositoryPattern};
use gatewright_api::{Field, ImagePullPolicy, List};
use gatewright_rules::operation_policy::{allowed_repos, disallowed_tags, image_pull_policy};

use super::repositories;
use crate::problem::Problem;
use crate::states::listed;

/// A list that holds `*` refuses nothing.
pub(super) fn allowed_repos(
    entries: &Field<List<RepositoryPattern, 1024>>,
    problems: &mut Vec<Problem>,
) -> allowed_repos::Parameters {
    problems.extend(repositories::never_matching(entries));
    let limited = entries.value().filter(|list| list.iter().all(|entry| entry.as_str() != "*"));
    let sorted = limited.map(|entries| entries.iter().map(RepositoryPattern::as_str).collect());
    allowed_repos::Parameters { allowed_repos: sorted }
}

pub(super) fn disallowed_tags(tags: &Field<List<ImageTag, 1024>>) -> disallowed_tags::Parameters {
    disallowed_tags::Parameters { disallowed_image_tags: listed(tags) }
}

pub(super) fn image_pull_policy(policy: &Field<ImagePullPolicy>) -> image_pull_policy::Parameters {
    image_pull_policy::Parameters { image_pull_policy: policy.value().copied() }
}
