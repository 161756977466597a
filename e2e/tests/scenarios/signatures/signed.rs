//! The real verifier between real Gatekeeper and a real registry with what real cosign signed.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use gatewright_compiler::Settings;
use gatewright_e2e::manifests::{namespace, pod, policy};
use gatewright_e2e::signatures::{
    Answer, Asker, Format, Front, Manners, PROBES, VERIFIER, Verifier, Workshop, docker_config, refusal,
    serving_pair,
};
use gatewright_e2e::{Cluster, SOON, Scenario, until};
use gatewright_signatures::Class;
use serde_json::{Value, json};

use super::changes;

/// The password of the private registry, which nobody may ever see.
const CANARY: &str = "canary-Zq8RvT2mXw";
/// The one that the registry does not take.
const WRONG: &str = "canary-Lk3PdY7nHs";

/// An image, and what becomes of it; no class where it is admitted.
type Row = (String, Option<Class>);

/// The registries of the scenario.
struct Registries {
    workshop: Workshop,
    /// One whose images and keys change.
    plain: Front,
    /// One with the referrers API.
    referrers: Front,
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

impl Registries {
    async fn start(workshop: Workshop, cluster: &Cluster) -> Result<Self> {
        let backend = workshop.registry.port();
        let front = async |manners| Front::start(backend, manners).await;
        let pair = serving_pair()?;
        let login = Some(("robot".to_owned(), CANARY.to_owned()));
        let usual = Manners::default;
        Ok(Self {
            plain: front(usual()).await?,
            referrers: front(Manners { referrers: true, ..usual() }).await?,
            private: front(Manners { login, ..usual() }).await?,
            tls: (front(Manners { tls: Some(pair.clone()), ..usual() }).await?, pair.certificate),
            slow: front(Manners { delay: Duration::from_millis(700), ..usual() }).await?,
            broken: front(Manners { no_signatures: true, ..usual() }).await?,
            down: format!("127.0.0.1:{}", cluster.port("nobody")?),
            workshop,
        })
    }

    fn backend(&self) -> String {
        format!("127.0.0.1:{}", self.workshop.registry.port())
    }

    /// The registries of the settings: plain HTTP, and one that only its mirror is asked for.
    fn settings(&self) -> Value {
        let Self { plain, referrers, private, slow, broken, .. } = self;
        let fronts = [plain, referrers, private, slow, broken].map(Front::host);
        let insecure = [&fronts[..], &[self.backend(), self.down.clone()]].concat();
        let insecure = insecure.iter().map(|host| json!({"host": host, "insecure": true}));
        let mirrored = json!({"host": "registry.example.com", "mirrors": [self.backend()]});
        insecure.chain([mirrored]).collect()
    }

    /// The entries of the policy.
    fn entries(&self) -> Result<Value> {
        let key = self.workshop.key("right")?;
        let entry = |reference: String, more: Value| {
            let mut entry = json!({"reference": reference, "publicKeys": [key]});
            let more = more.as_object().cloned().unwrap_or_default();
            more.into_iter().for_each(|(name, value)| entry[name] = value);
            entry
        };
        let private = self.private.host();
        let config = |password: &str| json!({"dockerCfg": docker_config(&[(&private, "robot", password)])});
        let (backend, tls) = (self.backend(), self.tls.0.host());
        Ok(json!([
            entry(format!("{backend}/*"), json!({})),
            entry(format!("{backend}/pinned/*"), json!({"requireDigest": true})),
            entry(format!("{}/*", self.referrers.host()), json!({})),
            entry(format!("{private}/right/*"), config(CANARY)),
            entry(format!("{private}/wrong/*"), config(WRONG)),
            entry(format!("{private}/unreadable/*"), json!({"dockerCfg": "zxc=="})),
            entry(format!("{tls}/trusted/*"), json!({"ca": self.tls.1})),
            entry(format!("{tls}/unknown/*"), json!({})),
            entry("registry.example.com/*".to_owned(), json!({})),
            entry(format!("{}/*", self.slow.host()), json!({})),
            entry(format!("{}/*", self.broken.host()), json!({})),
            entry(format!("{}/*", self.down), json!({})),
        ]))
    }

    /// What becomes of which image.
    fn rows(&self) -> Result<Vec<Row>> {
        use Class::{
            DigestRequired, NotFound, PayloadMismatch, Unauthorized, UnknownKey, Unreachable, Unsigned,
        };
        let digest = self.workshop.digest("legacy:1")?;
        let platform = self.workshop.digest("index:a")?;
        let of = |host: String, rows: &[(&str, Option<Class>)]| -> Vec<Row> {
            rows.iter().map(|(name, class)| (format!("{host}/{name}"), *class)).collect()
        };
        let (by_digest, pinned) = (format!("legacy@{digest}"), format!("pinned/app@{digest}"));
        let (of_index, of_both) = (format!("index@{platform}"), format!("recursive@{platform}"));
        Ok([
            of(
                self.backend(),
                &[
                    ("legacy:1", None),
                    ("bundle:1", None),
                    ("older:1", None),
                    ("both:1", None),
                    ("hundred:1", None),
                    (&by_digest, None),
                    (&pinned, None),
                    ("index:1", None),
                    ("recursive:1", None),
                    (&of_both, None),
                    (&of_index, Some(Unsigned)),
                    ("pinned/app:1", Some(DigestRequired)),
                    ("theirs:1", Some(UnknownKey)),
                    ("theirs-legacy:1", Some(UnknownKey)),
                    ("unsigned:1", Some(Unsigned)),
                    ("moved:1", Some(Unsigned)),
                    ("copied:1", Some(PayloadMismatch)),
                    ("legacy:2", Some(NotFound)),
                ],
            ),
            of(
                self.referrers.host(),
                &[
                    ("legacy:1", None),
                    ("bundle:1", None),
                    ("both:1", None),
                    ("theirs:1", Some(UnknownKey)),
                    ("unsigned:1", Some(Unsigned)),
                ],
            ),
            of(
                self.private.host(),
                &[
                    ("right/app:1", None),
                    ("wrong/app:1", Some(Unauthorized)),
                    ("unreadable/app:1", Some(Unauthorized)),
                ],
            ),
            of(self.tls.0.host(), &[("trusted/app:1", None), ("unknown/app:1", Some(Unreachable))]),
            of("registry.example.com".to_owned(), &[("bundle:1", None), ("unsigned:1", Some(Unsigned))]),
            of(self.slow.host(), &[("bundle:1", None)]),
            of(self.broken.host(), &[("bundle:1", Some(Unreachable)), ("unsigned:1", Some(Unreachable))]),
            of(self.down.clone(), &[("bundle:1", Some(Unreachable))]),
        ]
        .concat())
    }
}

/// Makes and signs all images.
fn make() -> Result<Workshop> {
    use Format::{Bundle, Legacy, Older};
    let workshop = Workshop::new("signatures-images", &["right", "other"])?;
    workshop.image("unsigned:1", "an image")?;
    workshop.image("other:1", "another image")?;
    for (repository, signatures) in [
        ("legacy", &[("right", Legacy)][..]),
        ("bundle", &[("right", Bundle)]),
        ("older", &[("right", Older)]),
        ("theirs", &[("other", Bundle)]),
        ("theirs-legacy", &[("other", Legacy)]),
        // A good signature beside foreign ones.
        ("both", &[("other", Legacy), ("other", Bundle), ("right", Bundle)]),
        ("hundred", &[("other", Legacy), ("right", Legacy)]),
        ("moved", &[("right", Legacy)]),
        ("pinned/app", &[("right", Legacy)]),
        ("right/app", &[("right", Bundle)]),
        ("trusted/app", &[("right", Legacy)]),
        ("replaced", &[("right", Bundle)]),
        ("moving", &[("right", Bundle)]),
        ("late", &[]),
    ] {
        let name = format!("{repository}:1");
        workshop.copy("unsigned:1", &name)?;
        for (key, format) in signatures {
            workshop.sign(&name, key, *format, false)?;
        }
    }
    for repository in ["wrong/app", "unreadable/app", "unknown/app"] {
        workshop.copy("right/app:1", &format!("{repository}:1"))?;
    }
    workshop.copy("other:1", "moved:1")?;
    indexes(&workshop)?;
    copied(&workshop)?;
    hundred(&workshop)?;
    Ok(workshop)
}

/// One index is signed alone, the other with all that it lists.
fn indexes(workshop: &Workshop) -> Result<()> {
    for (repository, recursive) in [("index", false), ("recursive", true)] {
        let platforms = [format!("{repository}:a"), format!("{repository}:b")];
        workshop.copy("unsigned:1", &platforms[0])?;
        workshop.copy("other:1", &platforms[1])?;
        let index = format!("{repository}:1");
        workshop.index(&index, &[&platforms[0], &platforms[1]])?;
        workshop.sign(&index, "right", Format::Bundle, recursive)?;
    }
    Ok(())
}

/// The tag where signatures in the older format are.
fn tag_of_signatures(workshop: &Workshop, name: &str) -> Result<String> {
    let (repository, _) = name.split_once(':').context("no tag")?;
    Ok(format!("{repository}:{}.sig", workshop.digest(name)?.replace(':', "-")))
}

/// Another image has the signature of this one.
fn copied(workshop: &Workshop) -> Result<()> {
    workshop.copy("other:1", "copied:1")?;
    workshop.copy(&tag_of_signatures(workshop, "legacy:1")?, &tag_of_signatures(workshop, "copied:1")?)
}

/// The good signature in the middle of 50 that are not: half by another key, half no signatures at all.
fn hundred(workshop: &Workshop) -> Result<()> {
    let tag = tag_of_signatures(workshop, "hundred:1")?;
    let mut manifest = workshop.manifest(&tag)?;
    let layers = manifest["layers"].as_array().context("no layers")?.clone();
    let [theirs, right] = layers.as_slice() else { anyhow::bail!("{} layers", layers.len()) };
    let mut garbage = theirs.clone();
    garbage["annotations"]["dev.cosignproject.cosign/signature"] = json!("Z2FyYmFnZQ==");
    let (theirs, garbage) = (vec![theirs.clone(); 25], vec![garbage; 25]);
    manifest["layers"] = json!([theirs, vec![right.clone()], garbage].concat());
    workshop.put_manifest(&tag, &manifest)
}

/// The policies: the same entries under each action, in a namespace of its own.
const ACTIONS: [(&str, &str); 3] = [("deny", "Deny"), ("warn", "Warn"), ("dryrun", "Dryrun")];

pub(super) struct Scene<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) asker: Asker,
    pub(super) workshop: &'a Workshop,
    pub(super) settings: &'a Settings,
    pub(super) plain: String,
}

impl Scene<'_> {
    /// What is said to a Pod with this image, once its check is finished.
    pub(super) async fn judge(&self, namespace: &str, image: &str) -> Result<Answer> {
        let mut pod = pod(namespace, "tried");
        pod["spec"]["containers"][0]["image"] = json!(image);
        let deadline = Instant::now() + SOON;
        loop {
            let answer = self.asker.tries(&pod).await?;
            let said = format!("{}{}", answer.message, answer.warnings);
            if !said.contains(Class::InProgress.row().words) || Instant::now() > deadline {
                return Ok(answer);
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    /// Puts a policy and its constraint, as the operator would.
    pub(super) async fn enforce(&self, policy: &Value) -> Result<String> {
        self.cluster.put(policy).await?;
        self.cluster.enforces_signatures(policy, self.settings).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_images_are_admitted_and_no_others() -> Result<()> {
    let made = tokio::task::spawn_blocking(make);
    let namespaces = ACTIONS.map(|(name, _)| namespace(name));
    Scenario::run(Scenario::new("test-signed").without_operator().objects(namespaces), async |cluster| {
        let begun = Instant::now();
        let registries = Registries::start(made.await??, cluster).await?;
        println!("images are made and signed after {:?} more", begun.elapsed());
        let verifier = Verifier::prepare(cluster)?;
        let settings = verifier.settings(&registries.settings())?;
        cluster.install_signatures(&settings, &verifier.pair.certificate).await?;
        verifier.start(cluster).await?;
        let scene = Scene {
            cluster,
            asker: Asker(cluster.client().await?),
            workshop: &registries.workshop,
            settings: &settings,
            plain: registries.plain.host(),
        };
        for (name, action) in ACTIONS {
            let matches = json!({"namespaceSelector": {"matchNames": [name]}});
            let rules = json!({"verifyImageSignatures": registries.entries()?});
            let mut policy = policy("SecurityPolicy", name, &matches, &rules);
            policy["spec"]["enforcementAction"] = json!(action);
            scene.enforce(&policy).await?;
        }
        let (table, changes) = tokio::join!(table(&scene, &registries), changes::run(&scene));
        table.context("the table")?;
        changes.context("changes")?;
        changes::only_gatekeeper_may_ask(cluster, &verifier).await.context("who may ask")?;
        nothing_shows_a_password(cluster).await.context("passwords")
    })
    .await
}

async fn table(scene: &Scene<'_>, registries: &Registries) -> Result<()> {
    let rows = registries.rows()?;
    let mut wrong = vec![];
    for (image, class) in &rows {
        for (name, _) in ACTIONS {
            let answer = scene.judge(name, image).await?;
            if let Err(error) = is_right(name, image, *class, &answer) {
                wrong.push(format!("{name} {image}, {class:?}: {error:#}"));
            }
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    recorded(scene.cluster, &rows)
}

fn is_right(name: &str, image: &str, class: Option<Class>, answer: &Answer) -> Result<()> {
    let Some(class) = class else { return answer.passes() };
    let says = refusal(name, image, class.row().words, "");
    let says = says.trim_end_matches(" ()");
    match name {
        "deny" => answer.refuses(says),
        "warn" => {
            ensure!(answer.is_yes() && answer.warnings.contains(says), "not {says:?}: {answer:?}");
            Ok(())
        }
        _ => answer.passes(),
    }
}

/// What passes under Dryrun is written down.
fn recorded(cluster: &Cluster, rows: &[Row]) -> Result<()> {
    let log = std::fs::read_to_string(cluster.log("gatekeeper-0"))?;
    for (image, class) in rows {
        let found = log.lines().any(|line| {
            line.contains("\"constraint_name\":\"dryrun\"") && line.contains(&format!("failed: {image}: "))
        });
        ensure!(found == class.is_some(), "{image}, {class:?}");
    }
    Ok(())
}

/// The password of a registry stands in no log, metric, status or constraint, in whatever form.
async fn nothing_shows_a_password(cluster: &Cluster) -> Result<()> {
    let mut shown = vec![];
    for entry in std::fs::read_dir(cluster.logs())? {
        let path = entry?.path();
        shown
            .push((path.display().to_string(), String::from_utf8_lossy(&std::fs::read(&path)?).into_owned()));
    }
    ensure!(shown.iter().any(|(name, _)| name.contains(VERIFIER)), "no log of the verifier");
    let (_, metrics) = cluster.ask_replica(PROBES, "/metrics").await?;
    ensure!(metrics.contains("gatewright_signature_outcomes_total{class=\"unauthorized\"}"), "{metrics}");
    shown.push(("metrics".to_owned(), metrics));
    let constraints = cluster.get(&["d8verifyimagesignatures"]).await?.to_string();
    ensure!(constraints.contains("\"credentials\":true"), "{constraints}");
    shown.push(("constraints".to_owned(), constraints));
    for password in [CANARY, WRONG] {
        let forms = [password.to_owned(), docker_config(&[("x", "robot", password)])];
        for (name, text) in &shown {
            // Of base64 its beginning depends on what stands before.
            ensure!(!text.contains(&forms[0]), "{name} shows a password");
            ensure!(!text.contains(&forms[1][forms[1].len() - 24..]), "{name} shows a docker config");
        }
    }
    Ok(())
}

/// Waits until a Pod with this image is answered so, and returns how long that took.
pub(super) async fn becomes(scene: &Scene<'_>, image: &str, says: &str, most: Duration) -> Result<Duration> {
    let begun = Instant::now();
    until(&format!("{image}: {says:?}"), most, async || {
        let answer = scene.judge("changes", image).await?;
        if says.is_empty() {
            answer.passes()?
        } else {
            answer.refuses(says)?
        }
        Ok(true)
    })
    .await?;
    Ok(begun.elapsed())
}
