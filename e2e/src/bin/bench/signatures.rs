//! What the verifier of image signatures costs: its answers, its checks, its memory.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, ensure};
use gatewright_e2e::manifests::{namespace, policy};
use gatewright_e2e::operator::measured_binary;
use gatewright_e2e::signatures::{
    Asker, Connection, Format, Front, Manners, Pair, VERIFIER, Verifier, Workshop,
};
use gatewright_e2e::{Cluster, Options, running};
use gatewright_signatures::protocol::{API_VERSION, Key, PATH, WINDOW_SECONDS};
use serde_json::{Value, json};

use super::statistics::{Digits, Percentiles, Rounds};
use super::table::Table;
use super::{process, progress, say};

/// How many images the verifier keeps, and then some more.
const MANY: usize = 10_000;
/// Keys of one request: the verifier takes 256.
const BATCH: usize = 200;
/// How many answers are measured of each kind.
const ANSWERS: usize = 1_000;
const COLD: usize = 40;
const PODS: usize = 100;
const AUDITED: usize = 5_000;
const LONG: Duration = Duration::from_mins(5);
const NAME: &str = "signed";

/// Measures and prints.
///
/// # Errors
/// A program is missing or fails, or an image is not verified.
pub fn run() -> Result<()> {
    tokio::runtime::Runtime::new()?.block_on(measure())
}

async fn measure() -> Result<()> {
    let binary = measured_binary()?;
    let workshop = Workshop::new("bench-images", &["right"])?;
    let digest = workshop.image("app:1", "an image")?;
    workshop.sign("app:1", "right", Format::Bundle, false)?;
    let options = Options { audit_interval: 0, ..Options::new("bench-signatures") };
    Cluster::run(options, async |cluster| {
        cluster.install_policies().await?;
        cluster.put(&namespace("shop")).await?;
        let manners = Manners { one_repository: Some("app".to_owned()), ..Manners::default() };
        let front = Front::start(workshop.registry.port(), manners).await?;
        let verifier = Verifier::prepare(cluster)?;
        let settings = verifier.settings(&json!([{"host": front.host(), "insecure": true}]))?;
        cluster.install_signatures(&settings, &verifier.pair.certificate).await?;
        verifier.start_from(&binary, cluster).await?;
        let entry = json!({"reference": format!("{}/*", front.host()), "publicKeys": [workshop.key("right")?]});
        let matches = json!({"namespaceSelector": {"matchNames": ["shop"]}});
        let policy = policy("SecurityPolicy", NAME, &matches, &json!({"verifyImageSignatures": [entry]}));
        let revision = cluster.enforces_signatures(&policy, &settings).await?;
        let stage = Stage { cluster, front, verifier, digest, revision };
        say("\n## Signatures of images\n\nOne policy, one image under many names, signed by cosign 3 with a P-256 key.");
        stage.answers_of_the_cache().await?;
        stage.cold().await?;
        stage.pods_at_once().await?;
        stage.memory().await?;
        stage.audit().await
    })
    .await
}

struct Stage<'a> {
    cluster: &'a Cluster,
    front: Front,
    verifier: Verifier,
    digest: String,
    revision: String,
}

impl Stage<'_> {
    fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.verifier.port).into()
    }

    async fn connect(&self) -> Result<Connection> {
        let client = gatekeeper(self.cluster)?;
        Connection::open(self.address(), &self.verifier.pair.certificate, Some(&client)).await
    }

    fn by_digest(&self, name: &str) -> String {
        format!("{}/{name}@{}", self.front.host(), self.digest)
    }

    fn by_tag(&self, name: &str) -> String {
        format!("{}/{name}:1", self.front.host())
    }

    fn key(&self, image: String, wait: bool) -> String {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let window = if image.contains('@') { 0 } else { now.as_secs() / WINDOW_SECONDS };
        let key = Key { constraint: NAME.to_owned(), image, revision: self.revision.clone(), wait, window };
        json!(key).to_string()
    }

    /// Asks until every image is verified.
    async fn verified(&self, images: Vec<String>, wait: bool) -> Result<()> {
        let deadline = Instant::now() + LONG;
        let mut left: BTreeSet<String> = images.into_iter().map(|image| self.key(image, wait)).collect();
        while !left.is_empty() {
            ensure!(Instant::now() < deadline, "{} images are not verified", left.len());
            let batch: Vec<_> = left.iter().take(BATCH).cloned().collect();
            for key in self.ask(&batch).await? {
                left.remove(&key);
            }
            if left.len() == batch.len() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        Ok(())
    }

    /// The keys that are passed. A connection to the verifier carries one request.
    async fn ask(&self, keys: &[String]) -> Result<Vec<String>> {
        ask(&mut self.connect().await?, keys).await
    }

    /// What the verifier answers without asking a registry.
    async fn answers_of_the_cache(&self) -> Result<()> {
        let mut table = Table::new([
            "a pass from the cache",
            "p50, ms",
            "p99, ms",
            "with its connection, p50, ms",
            "p99, ms",
        ]);
        for (what, image) in [("a digest", self.by_digest("warm")), ("a tag", self.by_tag("warm"))] {
            self.verified(vec![image.clone()], true).await?;
            let (mut alone, mut in_all) = (vec![], vec![]);
            for _ in 0..ANSWERS {
                let keys = [self.key(image.clone(), true)];
                let begun = Instant::now();
                let mut connection = self.connect().await?;
                let connected = Instant::now();
                let passed = ask(&mut connection, &keys).await?;
                alone.push(milliseconds(connected));
                in_all.push(milliseconds(begun));
                ensure!(passed.len() == 1, "{image} was not in the cache");
            }
            let (alone, in_all) = (Percentiles::of(alone), Percentiles::of(in_all));
            let times = [alone.at(50), alone.at(99), in_all.at(50), in_all.at(99)];
            table.row([what.to_owned()].into_iter().chain(times.map(|time| Digits(time).to_string())));
        }
        table.print("Answers from the cache (aim: 1 ms)");
        Ok(())
    }

    /// A check beside the requests that it makes.
    async fn cold(&self) -> Result<()> {
        let (mut checks, mut bare, mut requests) = (vec![], vec![], vec![]);
        for number in 0..COLD {
            let before = self.front.requests();
            let begun = Instant::now();
            self.verified(vec![self.by_tag(&format!("cold-{number}"))], true).await?;
            checks.push(milliseconds(begun));
            let made = self.front.requests() - before;
            requests.push(f64::from(u32::try_from(made)?));
            bare.push(self.bare(made).await?);
        }
        let mut table = Table::new(["", "measured"]);
        table.row(["a check of a tag, ms".to_owned(), Rounds::of(checks.iter().copied()).to_string()]);
        table.row(["requests to the registry".to_owned(), Rounds::of(requests.iter().copied()).to_string()]);
        table.row([
            "as many bare requests, one after the other, ms".to_owned(),
            Rounds::of(bare.iter().copied()).to_string(),
        ]);
        table.row(["check : bare requests".to_owned(), Rounds::ratio(&checks, &bare).to_string()]);
        table.print("A cold check");
        Ok(())
    }

    /// As many requests for the manifest, in milliseconds.
    async fn bare(&self, count: usize) -> Result<f64> {
        let begun = Instant::now();
        for _ in 0..count {
            self.front.get(&format!("/v2/app/manifests/{}", self.digest)).await?;
        }
        Ok(milliseconds(begun))
    }

    /// Pods that come at once, each with an image that nobody has seen.
    async fn pods_at_once(&self) -> Result<()> {
        let asker = Asker(self.cluster.client().await?);
        let mut table = Table::new([
            "100 Pods at once",
            "admitted",
            "seconds until all are answered",
            "p50, ms",
            "p99, ms",
        ]);
        for what in ["images that nobody has seen", "again, two seconds later", "and again"] {
            let begun = Instant::now();
            let pods = (0..PODS).map(|number| pod(&self.by_digest(&format!("burst-{number}"))));
            let pods: Vec<_> = pods.collect();
            let answers = futures::future::try_join_all(pods.iter().map(|pod| asker.tries(pod))).await?;
            let all = begun.elapsed().as_secs_f64();
            let admitted = answers.iter().filter(|answer| answer.is_yes()).count();
            let times = answers.iter().map(|answer| answer.took.as_secs_f64() * 1000.0).collect();
            let times = Percentiles::of(times);
            table.row([
                what.to_owned(),
                admitted.to_string(),
                Digits(all).to_string(),
                Digits(times.at(50)).to_string(),
                Digits(times.at(99)).to_string(),
            ]);
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        table.print("Through the API server and Gatekeeper");
        Ok(())
    }

    async fn memory(&self) -> Result<()> {
        let process = running(self.cluster.directory())
            .into_iter()
            .find(|process| process.name == VERIFIER)
            .context("the verifier does not run")?;
        let process = u32::try_from(process.pid())?;
        let before = process::now(process)?;
        let begun = Instant::now();
        for batch in (0..MANY).collect::<Vec<_>>().chunks(BATCH) {
            let images = batch.iter().map(|number| self.by_digest(&format!("many-{number}"))).collect();
            self.verified(images, false).await?;
        }
        let after = process::now(process)?;
        progress(&format!("{MANY} images after {:.1} s", begun.elapsed().as_secs_f64()));
        let mut table = Table::new(["memory of the verifier", "resident, MiB", "peak, MiB"]);
        for (what, now) in [("before", before), ("with 10,000 verified images (aim: 64)", after)] {
            table.row([what.to_owned(), Digits(now.resident).to_string(), Digits(now.peak).to_string()]);
        }
        table.print("Memory");
        Ok(())
    }

    /// Two runs of audit over Pods whose images have tags: the second is content with what the first learned.
    async fn audit(&self) -> Result<()> {
        let mut table =
            Table::new(["audit of 5,000 Pods, an image each", "seconds", "requests to the registry"]);
        for what in ["the first run", "another, 35 seconds later"] {
            let (begun, before) = (Instant::now(), self.front.requests());
            for batch in (0..AUDITED).collect::<Vec<_>>().chunks(BATCH) {
                let images = batch.iter().map(|number| self.by_tag(&format!("audited-{number}"))).collect();
                self.verified(images, false).await?;
            }
            let (took, made) = (begun.elapsed().as_secs_f64(), self.front.requests() - before);
            table.row([what.to_owned(), Digits(took).to_string(), made.to_string()]);
            tokio::time::sleep(Duration::from_secs(35)).await;
        }
        table.print("Audit");
        Ok(())
    }
}

/// The keys that were passed.
async fn ask(connection: &mut Connection, keys: &[String]) -> Result<Vec<String>> {
    let body = json!({"apiVersion": API_VERSION, "kind": "ProviderRequest", "request": {"keys": keys}});
    let (status, text) = connection.post(PATH, &body.to_string()).await?;
    ensure!(status == 200, "{status}: {text}");
    let answer: Value = serde_json::from_str(&text)?;
    let items = answer["response"]["items"].as_array().cloned().unwrap_or_default();
    Ok(items.iter().filter_map(|item| item["key"].as_str().map(str::to_owned)).collect())
}

/// The pair that Gatekeeper shows.
fn gatekeeper(cluster: &Cluster) -> Result<Pair> {
    let (certificate, key) = cluster.serving_certificate();
    let read = |path| std::fs::read_to_string(path).context("the pair of Gatekeeper");
    Ok(Pair { certificate: read(certificate)?, key: read(key)? })
}

fn pod(image: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "burst-", "namespace": "shop"},
        "spec": {"containers": [{"name": "app", "image": image}]},
    })
}

fn milliseconds(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1000.0
}
