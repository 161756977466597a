//! Image references, as `github.com/distribution/reference` reads them.

/// A reference in its parts.
pub struct Image<'a> {
    /// The registry.
    domain: &'a str,
    /// The repository in it.
    path: String,
    /// The tag, if one is given.
    pub tag: Option<&'a str>,
    /// The digest, if one is given.
    pub digest: Option<&'a str>,
    written: &'a str,
}

const DOCKER_HUB: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];

/// Whether runtimes take it for the ID of an image on the node.
pub fn is_id(reference: &str) -> bool {
    reference.split_once(':').is_some_and(|(algorithm, digits)| {
        ["sha256", "sha384", "sha512"].contains(&algorithm)
            && !digits.is_empty()
            && digits.chars().all(|digit| digit.is_ascii_hexdigit())
    })
}

impl<'a> Image<'a> {
    pub fn parse(reference: &'a str) -> Self {
        let (tagged, digest) =
            reference.split_once('@').map_or((reference, None), |(tagged, digest)| (tagged, Some(digest)));
        let last = tagged.rfind('/').map_or(0, |slash| slash + 1);
        let colon = tagged[last..].find(':').map(|at| last + at);
        let (name, tag) = colon.map_or((tagged, None), |at| (&tagged[..at], Some(&tagged[at + 1..])));
        let is_domain =
            |first: &str| first.contains(['.', ':']) || first == "localhost" || first.to_lowercase() != first;
        let (domain, path) = match name.split_once('/') {
            Some((first, rest)) if is_domain(first) => (first, rest),
            _ => ("docker.io", name),
        };
        let (domain, path) = match path {
            path if !DOCKER_HUB.contains(&domain) => (domain, path.to_owned()),
            path if path.contains('/') => ("docker.io", path.to_owned()),
            path => ("docker.io", format!("library/{path}")),
        };
        Self { domain, path, tag, digest, written: reference }
    }

    /// The tag that counts: without tag and digest it is latest.
    pub fn effective_tag(&self) -> Option<&'a str> {
        self.tag.or_else(|| self.digest.is_none().then_some("latest"))
    }

    fn full(&self) -> String {
        let tag = self.effective_tag().map_or_else(String::new, |tag| format!(":{tag}"));
        let digest = self.digest.map_or_else(String::new, |digest| format!("@{digest}"));
        format!("{}/{}{tag}{digest}", self.domain, self.path)
    }

    /// Whether an entry of `allowedRepos` admits the image.
    pub fn is_admitted_by(&self, entry: &str) -> bool {
        if let Some(prefix) = entry.strip_suffix('*') {
            return self.written.starts_with(prefix) || self.full().starts_with(prefix);
        }
        if entry.ends_with('/') {
            return self.written.starts_with(entry) || self.full().starts_with(entry);
        }
        if is_registry(entry) {
            return self.domain == if DOCKER_HUB.contains(&entry) { "docker.io" } else { entry };
        }
        let repository = Image::parse(entry);
        let equal = |asked: Option<&str>, given: Option<&str>| asked.is_none() || asked == given;
        let is_exact = repository.tag.is_some() || repository.digest.is_some();
        if is_exact {
            return self.has_the_name_of(&repository)
                && equal(repository.tag, self.effective_tag())
                && equal(repository.digest, self.digest);
        }
        self.domain == repository.domain && repository.paths().iter().any(|path| below(path, &self.path))
    }

    fn has_the_name_of(&self, other: &Image<'_>) -> bool {
        self.domain == other.domain && other.paths().contains(&self.path)
    }

    /// `nginx` is Docker Hub's `library/nginx`, or somebody's account.
    fn paths(&self) -> Vec<String> {
        let account = self.path.strip_prefix("library/").filter(|_| !self.written.contains("library/"));
        std::iter::once(self.path.clone()).chain(account.map(str::to_owned)).collect()
    }
}

fn is_registry(entry: &str) -> bool {
    let has_port = entry.split_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    !entry.contains(['/', '@']) && (entry.contains('.') || has_port || entry == "localhost")
}

/// By whole segments.
fn below(repository: &str, path: &str) -> bool {
    path.strip_prefix(repository).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
