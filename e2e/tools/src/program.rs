//! Programs that are built from Go modules.

use std::fs;

use anyhow::{Context, Result, ensure};

use super::{
    Use, go, go_missing, is_current, module_directory, module_files, path, read, version, write_stamp,
};

/// A program that is built from a Go module.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    /// The name of the binary.
    pub name: &'static str,
    /// What it is for.
    pub(crate) r#use: Use,
    /// The directory beside this package's sources whose `go.mod` pins it.
    module: &'static str,
    /// The Go package of the program.
    package: &'static str,
    /// The Go module whose version the program has.
    source: &'static str,
    /// Variables to set by the linker; `{version}`, `{major}` and `{minor}` are replaced.
    stamps: &'static [&'static str],
    /// Its sources in the directory of the module, if it is a program of ours.
    own: &'static [&'static str],
}

const KUBERNETES: Program = Program {
    name: "",
    r#use: Use::Clusters,
    module: "kubernetes",
    package: "",
    source: "k8s.io/kubernetes",
    // Without them the server calls itself v0.0.0 and clients misbehave.
    stamps: &[
        "k8s.io/client-go/pkg/version.gitVersion={version}",
        "k8s.io/component-base/version.gitVersion={version}",
        "k8s.io/component-base/version.gitMajor={major}",
        "k8s.io/component-base/version.gitMinor={minor}",
    ],
    own: &[],
};

const API_SERVER: &str = "k8s.io/kubernetes/cmd/kube-apiserver";
const CONTROLLER_MANAGER: &str = "k8s.io/kubernetes/cmd/kube-controller-manager";
const SCHEDULER: &str = "k8s.io/kubernetes/cmd/kube-scheduler";

const KUBERNETES_1_34: Program = Program { r#use: Use::Versions, module: "kubernetes-1.34", ..KUBERNETES };
const KUBERNETES_1_36: Program = Program { r#use: Use::Versions, module: "kubernetes-1.36", ..KUBERNETES };

const GATEKEEPER: Program = Program {
    name: "gatekeeper",
    r#use: Use::Clusters,
    module: "gatekeeper",
    package: "github.com/open-policy-agent/gatekeeper/v3",
    source: "github.com/open-policy-agent/gatekeeper/v3",
    stamps: &["github.com/open-policy-agent/gatekeeper/v3/pkg/version.Version={version}"],
    own: &[],
};

const COSIGN_STAMPS: &[&str] = &["sigs.k8s.io/release-utils/version.gitVersion={version}"];

/// All programs, in the order in which they are built.
pub const ALL: &[Program] = &[
    Program {
        name: "etcd",
        r#use: Use::Clusters,
        module: "etcd",
        package: "go.etcd.io/etcd/server/v3",
        source: "go.etcd.io/etcd/server/v3",
        stamps: &[],
        own: &[],
    },
    Program { name: "kube-apiserver", package: API_SERVER, ..KUBERNETES },
    Program { name: "kube-controller-manager", package: CONTROLLER_MANAGER, ..KUBERNETES },
    Program { name: "kube-scheduler", package: SCHEDULER, ..KUBERNETES },
    Program { name: "kubectl", package: "k8s.io/kubernetes/cmd/kubectl", ..KUBERNETES },
    GATEKEEPER,
    Program {
        name: "kwok",
        r#use: Use::Clusters,
        module: "kwok",
        package: "sigs.k8s.io/kwok/cmd/kwok",
        source: "sigs.k8s.io/kwok",
        stamps: &["sigs.k8s.io/kwok/pkg/consts.Version={version}"],
        own: &[],
    },
    Program {
        name: "helm",
        r#use: Use::Clusters,
        module: "helm",
        package: "helm.sh/helm/v4/cmd/helm",
        source: "helm.sh/helm/v4",
        stamps: &["helm.sh/helm/v4/internal/version.version={version}"],
        own: &[],
    },
    // What clusters do not need comes last.
    Program {
        name: "gator",
        r#use: Use::Tests,
        package: "github.com/open-policy-agent/gatekeeper/v3/cmd/gator",
        ..GATEKEEPER
    },
    Program {
        name: "gator-verify",
        r#use: Use::Tests,
        package: "gatewright.io/e2e/tools/gatekeeper/verify",
        own: &["verify/main.go"],
        ..GATEKEEPER
    },
    // The Lua that Argo CD runs.
    Program {
        name: "glua",
        r#use: Use::Tests,
        module: "glua",
        package: "github.com/yuin/gopher-lua/cmd/glua",
        source: "github.com/yuin/gopher-lua",
        stamps: &[],
        own: &[],
    },
    // A program of another version has the version in its name.
    Program { name: "kube-apiserver-1.34", package: API_SERVER, ..KUBERNETES_1_34 },
    Program { name: "kube-controller-manager-1.34", package: CONTROLLER_MANAGER, ..KUBERNETES_1_34 },
    Program { name: "kube-scheduler-1.34", package: SCHEDULER, ..KUBERNETES_1_34 },
    Program { name: "kube-apiserver-1.36", package: API_SERVER, ..KUBERNETES_1_36 },
    Program { name: "kube-controller-manager-1.36", package: CONTROLLER_MANAGER, ..KUBERNETES_1_36 },
    Program { name: "kube-scheduler-1.36", package: SCHEDULER, ..KUBERNETES_1_36 },
    Program { name: "gatekeeper-3.17", r#use: Use::Versions, module: "gatekeeper-3.17", ..GATEKEEPER },
    Program {
        name: "crane",
        r#use: Use::Image,
        module: "crane",
        package: "github.com/google/go-containerregistry/cmd/crane",
        source: "github.com/google/go-containerregistry",
        stamps: &[],
        own: &[],
    },
    // A registry without the referrers API, and one with it.
    Program {
        name: "registry",
        r#use: Use::Tests,
        module: "registry",
        package: "gatewright.io/e2e/tools/registry/serve",
        source: "github.com/distribution/distribution/v3",
        stamps: &["github.com/distribution/distribution/v3/version.version={version}"],
        own: &["serve/main.go"],
    },
    Program {
        name: "registry-referrers",
        r#use: Use::Tests,
        module: "crane",
        package: "gatewright.io/e2e/tools/crane/referrers",
        source: "github.com/google/go-containerregistry",
        stamps: &[],
        own: &["referrers/main.go"],
    },
    Program {
        name: "cosign",
        r#use: Use::Tests,
        module: "cosign",
        package: "github.com/sigstore/cosign/v3/cmd/cosign",
        source: "github.com/sigstore/cosign/v3",
        stamps: COSIGN_STAMPS,
        own: &[],
    },
    // Signs as older versions did.
    Program {
        name: "cosign-2",
        r#use: Use::Fixtures,
        module: "cosign-2",
        package: "github.com/sigstore/cosign/v2/cmd/cosign",
        source: "github.com/sigstore/cosign/v2",
        stamps: COSIGN_STAMPS,
        own: &[],
    },
];

impl Program {
    /// Its version, as the `go.mod` has it.
    ///
    /// # Errors
    ///
    /// The `go.mod` cannot be read, or does not require it.
    pub fn version(&self) -> Result<String> {
        version(self.module, self.source)
    }

    pub(crate) fn is_current(&self) -> Result<bool> {
        Ok(is_current(self.name, &path(self.name), &self.stamp()?))
    }

    /// Go says about hundreds of downloads; what it says is shown if it fails.
    pub(crate) fn build(&self) -> Result<()> {
        let target = path(self.name);
        let fresh = target.with_added_extension("new");
        let directory = module_directory(self.module);
        let output = go(&directory)
            .args(["build", "-trimpath", "-ldflags", &self.linker_flags(&self.version()?), "-o"])
            .arg(&fresh)
            .arg(self.package)
            .output()
            .map_err(go_missing)?;
        let said = String::from_utf8_lossy(&output.stderr);
        let (package, status) = (self.package, output.status);
        ensure!(status.success(), "`go build {package}` in {} failed: {status}\n{said}", directory.display());
        fs::rename(&fresh, &target)
            .with_context(|| format!("cannot move {} to {}", fresh.display(), target.display()))?;
        write_stamp(self.name, &self.stamp()?)
    }

    fn linker_flags(&self, version: &str) -> String {
        let mut parts = version.trim_start_matches('v').split('.');
        let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let fill = |stamp: &&str| {
            let value =
                stamp.replace("{version}", version).replace("{major}", major).replace("{minor}", minor);
            format!(" -X {value}")
        };
        let stamps: String = self.stamps.iter().map(fill).collect();
        format!("-s -w{stamps}")
    }

    fn stamp(&self) -> Result<String> {
        let mut stamp = format!("{} {}\n", self.package, self.linker_flags(&self.version()?));
        stamp += &module_files(self.module)?;
        for file in self.own {
            stamp += &read(&module_directory(self.module).join(file))?;
        }
        Ok(stamp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_has_a_pinned_version() {
        for program in ALL {
            let version = program.version().unwrap();
            assert!(version.starts_with('v'), "{}: {version}", program.name);
        }
    }

    #[test]
    fn linker_flags_carry_the_version() {
        let kubectl = Program { name: "kubectl", ..KUBERNETES };
        assert_eq!(
            kubectl.linker_flags("v1.36.3"),
            "-s -w -X k8s.io/client-go/pkg/version.gitVersion=v1.36.3 \
             -X k8s.io/component-base/version.gitVersion=v1.36.3 \
             -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36"
        );
    }
}
