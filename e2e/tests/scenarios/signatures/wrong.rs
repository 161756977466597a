//! Answers that pass nothing.

use anyhow::{Context as _, Result, ensure};
use gatewright_e2e::signatures::{Asked, Reply, answers};
use gatewright_signatures::Class;
use serde_json::{Value, json};

use super::{Stage, TOO_LATE, UNAVAILABLE, outcome, refused};

/// A name, what is answered to one key, and what the refusal says; nothing where the image passes.
type Row = (&'static str, fn(&Asked) -> Reply, &'static str);

fn item(key: &str, value: &Value) -> Value {
    json!({"key": key, "value": value})
}

fn pass() -> Value {
    json!({"class": "verified", "digest": ""})
}

/// What `systemError` says of the image, as JSON text.
fn error_of(asked: &Asked, refusal: &Value) -> Value {
    json!(json!({asked.key.image.as_str(): refusal}).to_string())
}

/// The key of the same question about another image, constraint or revision.
fn other(asked: &Asked, change: fn(&mut Value)) -> String {
    let mut key: Value = serde_json::from_str(&asked.text).unwrap_or_default();
    change(&mut key);
    key.to_string()
}

const NONE: Value = Value::Null;
const UNSIGNED: &str = "it has no cosign signature";

const ROWS: &[Row] = &[
    ("a pass", |asked| Reply::raw(&json!([item(&asked.text, &pass())]), &json!("")), ""),
    (
        "the same pass twice",
        |asked| Reply::raw(&json!([item(&asked.text, &pass()), item(&asked.text, &pass())]), &json!("")),
        "",
    ),
    ("items null", |_| Reply::raw(&NONE, &json!("")), UNAVAILABLE),
    ("items and error null", |_| Reply::raw(&NONE, &NONE), UNAVAILABLE),
    ("no items", |_| Reply::raw(&json!([]), &json!("")), UNAVAILABLE),
    (
        "an item with an error",
        |asked| Reply::raw(&json!([{"key": asked.text, "value": pass(), "error": "no"}]), &json!("")),
        UNAVAILABLE,
    ),
    (
        "a pass of another image",
        |asked| {
            let key = other(asked, |key| key["image"] = json!("r.io/other:1"));
            Reply::raw(&json!([item(&key, &pass())]), &json!(""))
        },
        UNAVAILABLE,
    ),
    (
        "a pass of another constraint",
        |asked| {
            let key = other(asked, |key| key["constraint"] = json!("another"));
            Reply::raw(&json!([item(&key, &pass())]), &json!(""))
        },
        UNAVAILABLE,
    ),
    (
        "a pass of another revision",
        |asked| {
            let key = other(asked, |key| key["revision"] = json!("another"));
            Reply::raw(&json!([item(&key, &pass())]), &json!(""))
        },
        UNAVAILABLE,
    ),
    (
        "the image as the key",
        |asked| Reply::raw(&json!([item(&asked.key.image, &pass())]), &json!("")),
        UNAVAILABLE,
    ),
    (
        "two answers to one key",
        |asked| {
            let other = json!({"class": "not-covered", "digest": ""});
            Reply::raw(&json!([item(&asked.text, &pass()), item(&asked.text, &other)]), &json!(""))
        },
        UNAVAILABLE,
    ),
    (
        "an item that is no pass",
        |asked| Reply::raw(&json!([item(&asked.text, &json!({"class": "unsigned"}))]), &json!("")),
        UNAVAILABLE,
    ),
    (
        "a class in capitals",
        |asked| Reply::raw(&json!([item(&asked.text, &json!({"class": "Verified"}))]), &json!("")),
        UNAVAILABLE,
    ),
    (
        "a value that is a text",
        |asked| Reply::raw(&json!([item(&asked.text, &json!("verified"))]), &json!("")),
        UNAVAILABLE,
    ),
    (
        "a value that is a list",
        |asked| Reply::raw(&json!([item(&asked.text, &json!(["verified"]))]), &json!("")),
        UNAVAILABLE,
    ),
    (
        "a value that is true",
        |asked| Reply::raw(&json!([item(&asked.text, &json!(true))]), &json!("")),
        UNAVAILABLE,
    ),
    (
        "a class that is a list",
        |asked| Reply::raw(&json!([item(&asked.text, &json!({"class": ["verified"]}))]), &json!("")),
        UNAVAILABLE,
    ),
    (
        "a refusal",
        |asked| Reply::raw(&json!([]), &error_of(asked, &json!({"class": "unsigned", "text": UNSIGNED}))),
        UNSIGNED,
    ),
    (
        "a pass in systemError",
        |asked| {
            Reply::raw(&json!([]), &error_of(asked, &json!({"class": "verified", "text": "it is verified"})))
        },
        "it is verified",
    ),
    (
        "systemError of another image",
        |_| {
            let error = json!({"r.io/other:1": {"class": "unsigned", "text": UNSIGNED}}).to_string();
            Reply::raw(&json!([]), &json!(error))
        },
        UNAVAILABLE,
    ),
    ("systemError that is no JSON", |_| Reply::raw(&json!([]), &json!("{\"r.io")), UNAVAILABLE),
    ("systemError that is a list", |_| Reply::raw(&json!([]), &json!("[1, 2]")), UNAVAILABLE),
    (
        "a refusal that is a text",
        |asked| Reply::raw(&json!([]), &error_of(asked, &json!("unsigned"))),
        UNAVAILABLE,
    ),
    (
        "a refusal without a text",
        |asked| Reply::raw(&json!([]), &error_of(asked, &json!({"class": "unsigned"}))),
        UNAVAILABLE,
    ),
    (
        "a text that is a number",
        |asked| Reply::raw(&json!([]), &error_of(asked, &json!({"class": "unsigned", "text": 7}))),
        UNAVAILABLE,
    ),
    (
        "a refusal without a class",
        |asked| Reply::raw(&json!([]), &error_of(asked, &json!({"text": UNSIGNED}))),
        UNAVAILABLE,
    ),
    ("nothing at all", |_| Reply::Text(200, String::new()), UNAVAILABLE),
    ("garbage", |_| Reply::Text(200, "{\"apiVersion\": \"extern".to_owned()), UNAVAILABLE),
    ("a page", |_| Reply::Text(200, "<html>welcome</html>".to_owned()), UNAVAILABLE),
    ("null", |_| Reply::Text(200, "null".to_owned()), UNAVAILABLE),
    ("a list", |_| Reply::Text(200, "[]".to_owned()), UNAVAILABLE),
    ("500 with a page", |_| Reply::Text(500, "<html>sorry</html>".to_owned()), UNAVAILABLE),
    (
        "500 with JSON",
        |_| Reply::Text(500, "{\"response\": {\"systemError\": \"sorry\"}}".to_owned()),
        UNAVAILABLE,
    ),
    ("403", |_| Reply::Text(403, "only Gatekeeper may ask, with its certificate\n".to_owned()), UNAVAILABLE),
    (
        "a pass too late",
        |asked| match answers(std::slice::from_ref(asked), |_| outcome(Class::Verified)) {
            Reply::Text(_, text) | Reply::Late(_, text) => Reply::Late(TOO_LATE, text),
        },
        UNAVAILABLE,
    ),
];

pub(super) async fn run(stage: &Stage<'_>) -> Result<()> {
    for (number, (name, reply, says)) in ROWS.iter().enumerate() {
        let image = format!("r.io/wrong/app:{number}");
        stage
            .provider
            .script(move |asked| asked.first().map_or_else(|| Reply::Text(200, String::new()), reply));
        let answer = stage.tries(&[&image]).await?;
        let judged = if says.is_empty() { answer.passes() } else { answer.refuses(&refused(&image, says)) };
        judged.with_context(|| *name)?;
        println!("{name}: {says:?} after {:?}", answer.took);
    }
    never_by_position(stage).await.context("never by position")?;
    nobody_listens(stage).await.context("nobody listens")
}

/// Of two images one is refused, whatever the order of the answers, and the other is not.
async fn never_by_position(stage: &Stage<'_>) -> Result<()> {
    for (number, (first, second)) in
        [("unsigned", "verified"), ("verified", "unsigned")].into_iter().enumerate()
    {
        stage.provider.script(|asked| {
            let reversed: Vec<_> = asked.iter().rev().cloned().collect();
            answers(&reversed, |key| outcome(super::class_in(key)))
        });
        let images = [format!("r.io/{number}/{first}:1"), format!("r.io/{number}/{second}:1")];
        let answer = stage.tries(&[&images[0], &images[1]]).await?;
        answer.refuses(&format!("r.io/{number}/unsigned:1: it has no cosign signature"))?;
        ensure!(!answer.message.contains(&format!("r.io/{number}/verified:1")), "{answer:?}");
    }
    Ok(())
}

async fn nobody_listens(stage: &Stage<'_>) -> Result<()> {
    stage.script_by_name();
    stage.provider.stop().await;
    let answer = stage.tries(&["r.io/down/verified:1"]).await?;
    answer.refuses(&refused("r.io/down/verified:1", UNAVAILABLE))?;
    println!("none listening: after {:?}", answer.took);
    stage.provider.listen().await?;
    stage.tries(&["r.io/down/verified:1"]).await?.passes()
}
