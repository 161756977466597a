//! The registries of the scenario, what the policy says of them, and what becomes of each image.

use std::time::Duration;

use anyhow::Result;
use gatewright_e2e::Cluster;
use gatewright_e2e::signatures::{Front, Manners, Workshop, docker_config, serving_pair};
use gatewright_signatures::Class::{
    self, DigestRequired, NotFound, PayloadMismatch, Unauthorized, UnknownKey, Unreachable, Unsigned,
};
use serde_json::{Value, json};

use super::stock::Stock;

/// The password of the private registries, which nobody may ever see.
pub(super) const CANARY: &str = "canary-Zq8RvT2mXw";
/// The same, hashed by bcrypt.
pub(super) const HASHED: &str = "$2y$04$abcdefghijklmnopqrstuu6ppHTSMLRWjWHdVjIu0l5P.8b0BvyUm";
/// The one that the registries do not take.
pub(super) const WRONG: &str = "canary-Lk3PdY7nHs";

/// An image, and what becomes of it; no class where it is admitted.
pub(super) type Row = (String, Option<Class>);

pub(super) struct Registries {
    pub(super) stock: Stock,
    /// One whose images and keys change.
    pub(super) plain: Front,
    /// One that wants a login.
    private: Front,
    /// One with an authority of its own, in PEM.
    tls: (Front, String),
    slow: Front,
    /// One that breaks where signatures are.
    broken: Front,
    /// One that nobody listens at.
    down: String,
}

fn host(workshop: &Workshop) -> String {
    format!("127.0.0.1:{}", workshop.registry.port())
}

impl Registries {
    pub(super) async fn start(stock: Stock, cluster: &Cluster) -> Result<Self> {
        let backend = stock.workshop.registry.port();
        let front = async |manners| Front::start(backend, manners).await;
        let pair = serving_pair()?;
        let login = Some(("robot".to_owned(), CANARY.to_owned()));
        let usual = Manners::default;
        Ok(Self {
            plain: front(usual()).await?,
            private: front(Manners { login, ..usual() }).await?,
            tls: (front(Manners { tls: Some(pair.clone()), ..usual() }).await?, pair.certificate),
            slow: front(Manners { delay: Duration::from_millis(700), ..usual() }).await?,
            broken: front(Manners { no_signatures: true, ..usual() }).await?,
            down: format!("127.0.0.1:{}", cluster.port("nobody")?),
            stock,
        })
    }

    fn backend(&self) -> String {
        host(&self.stock.workshop)
    }

    fn secure(&self) -> String {
        format!("127.0.0.1:{}", self.stock.secure.0.port())
    }

    /// The registries of the settings: plain HTTP, and one that only its mirror is asked for.
    pub(super) fn settings(&self) -> Value {
        let Self { stock, plain, private, slow, broken, .. } = self;
        let fronts = [plain, private, slow, broken].map(Front::host);
        let others = stock.others.each_ref().map(host);
        let more = [self.backend(), stock.fixtures.host(), self.down.clone()];
        let insecure = [&fronts[..], &others, &more].concat();
        let insecure = insecure.iter().map(|host| json!({"host": host, "insecure": true}));
        let mirrored = json!({"host": "registry.example.com", "mirrors": [self.backend()]});
        insecure.chain([mirrored]).collect()
    }

    /// The entries of the policy.
    pub(super) fn entries(&self) -> Result<Value> {
        let key = self.stock.workshop.key("right")?;
        let entry = |reference: String, more: Value| {
            let mut entry = json!({"reference": reference, "publicKeys": [key]});
            let more = more.as_object().cloned().unwrap_or_default();
            more.into_iter().for_each(|(name, value)| entry[name] = value);
            entry
        };
        let (private, secure) = (self.private.host(), self.secure());
        let config = |host: &str, password: &str| docker_config(&[(host, "robot", password)]);
        let (backend, tls) = (self.backend(), self.tls.0.host());
        let of_secure = json!({"ca": self.stock.secure.1, "dockerCfg": config(&secure, CANARY)});
        let plain = [
            &host(&self.stock.others[0]),
            &host(&self.stock.others[1]),
            "registry.example.com",
            &self.slow.host(),
            &self.broken.host(),
            &self.down,
        ];
        let plain = plain.map(|host| entry(format!("{host}/*"), json!({})));
        let special = [
            entry(format!("{backend}/*"), json!({})),
            entry(format!("{backend}/pinned/*"), json!({"requireDigest": true})),
            entry(format!("{secure}/*"), of_secure),
            entry(format!("{private}/right/*"), json!({"dockerCfg": config(&private, CANARY)})),
            entry(format!("{private}/wrong/*"), json!({"dockerCfg": config(&private, WRONG)})),
            entry(format!("{private}/unreadable/*"), json!({"dockerCfg": "zxc=="})),
            entry(format!("{tls}/trusted/*"), json!({"ca": self.tls.1})),
            entry(format!("{tls}/unknown/*"), json!({})),
        ];
        Ok([&special[..], &plain].concat().into())
    }

    /// What becomes of which image.
    pub(super) fn rows(&self) -> Result<Vec<Row>> {
        let of = |host: &str, rows: &[(&str, Option<Class>)]| -> Vec<Row> {
            rows.iter().map(|(name, class)| (format!("{host}/{name}"), *class)).collect()
        };
        let unreachable = [("bundle:1", Some(Unreachable)), ("unsigned:1", Some(Unreachable))];
        let mut rows = self.by_digest()?;
        rows.extend(of(&self.backend(), USUAL));
        for host in [host(&self.stock.others[0]), host(&self.stock.others[1]), self.secure()] {
            rows.extend(of(&host, ELSEWHERE));
        }
        rows.extend(of(&self.private.host(), PRIVATE));
        rows.extend(of(&self.tls.0.host(), &[("trusted/app:1", None), ("unknown/app:1", Some(Unreachable))]));
        rows.extend(of("registry.example.com", &[("bundle:1", None), ("unsigned:1", Some(Unsigned))]));
        rows.extend(of(&self.slow.host(), &[("bundle:1", None)]));
        rows.extend(of(&self.broken.host(), &unreachable));
        rows.extend(of(&self.down, &unreachable[..1]));
        Ok(rows)
    }

    /// Images that are named by digest: a signature of an index is none of what it lists.
    fn by_digest(&self) -> Result<Vec<Row>> {
        let workshop = &self.stock.workshop;
        let of = |repository: &str, digest: String, class| {
            (format!("{}/{repository}@{digest}", self.backend()), class)
        };
        Ok(vec![
            of("legacy", workshop.digest("legacy:1")?, None),
            of("pinned/app", workshop.digest("pinned/app:1")?, None),
            of("index", workshop.digest("index:1")?, None),
            of("index", workshop.digest("index:a")?, Some(Unsigned)),
            of("recursive", workshop.digest("recursive:a")?, None),
            of("moved", workshop.digest("unsigned:1")?, None),
            of("legacy", workshop.digest("other:1")?, Some(NotFound)),
        ])
    }
}

const USUAL: &[(&str, Option<Class>)] = &[
    ("legacy:1", None),
    ("bundle:1", None),
    ("both:1", None),
    ("hundred:1", None),
    ("index:1", None),
    ("recursive:1", None),
    ("pinned/app:1", Some(DigestRequired)),
    ("theirs:1", Some(UnknownKey)),
    ("theirs-legacy:1", Some(UnknownKey)),
    ("unsigned:1", Some(Unsigned)),
    ("moved:1", Some(Unsigned)),
    ("copied:1", Some(PayloadMismatch)),
    ("legacy:2", Some(NotFound)),
];

const ELSEWHERE: &[(&str, Option<Class>)] = &[
    ("legacy:1", None),
    ("bundle:1", None),
    ("both:1", None),
    ("theirs:1", Some(UnknownKey)),
    ("unsigned:1", Some(Unsigned)),
];

const PRIVATE: &[(&str, Option<Class>)] =
    &[("right/app:1", None), ("wrong/app:1", Some(Unauthorized)), ("unreadable/app:1", Some(Unauthorized))];
