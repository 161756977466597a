//! Host paths.

use gatewright_api::{Field, HostPath, List};
use gatewright_rules::security_policy::host_paths;

use crate::problem::Problem;

pub(super) fn host_paths(
    paths: &Field<List<HostPath>>,
    problems: &mut Vec<Problem>,
) -> host_paths::Parameters {
    let entries = |paths: &List<HostPath>| {
        paths
            .iter()
            .enumerate()
            .filter_map(|(i, path)| {
                let found = entry(path);
                if found.is_none() {
                    let field = format!("spec.policies.allowedHostPaths[{i}].pathPrefix");
                    problems.push(Problem::new(
                        field,
                        format!(
                            "{:?} has a segment ..; write the path without it",
                            path.path_prefix.as_str()
                        ),
                    ));
                }
                found
            })
            .collect()
    };
    host_paths::Parameters { allowed_host_paths: paths.value().map(entries) }
}

fn entry(path: &HostPath) -> Option<host_paths::HostPath> {
    host_paths::HostPath::new(path.path_prefix.as_str(), path.read_only.value() == Some(&true))
}
