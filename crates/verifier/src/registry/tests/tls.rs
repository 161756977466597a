//! TLS with an authority of our own, and proxies.

use std::sync::{Arc, Mutex};

use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{Asked, Failure};
use crate::registry::{Registry, RegistrySettings};
use crate::testing::answer;

/// A TLS server that answers everything with "here", and its certificate.
async fn tls_server() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let service = hyper::service::service_fn(|_| async {
                    Ok::<_, std::io::Error>(answer(200, &[], "here"))
                });
                let connection = hyper::server::conn::http1::Builder::new();
                let _ = connection.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    (host, made.cert.pem())
}

async fn asked_by_tls() -> (Asked, String) {
    let mut asked = Asked::new().await;
    let (host, authority) = tls_server().await;
    let mut settings = asked.server.settings();
    settings.registries.clear();
    asked.registry = Registry::new(settings);
    asked.site.host = host;
    (asked, authority)
}

#[tokio::test]
async fn an_unknown_authority_is_named_and_closes_no_circuit() {
    let (asked, _) = asked_by_tls().await;
    let Err(Failure::Unreachable { why, .. }) = asked.manifest("1").await else { panic!("trusted") };
    assert!(why.starts_with("its certificate is from an unknown authority"), "{why}");
    assert_eq!(asked.registry.hosts().down(), 0, "another entry may trust it");
}

#[tokio::test]
async fn the_authority_of_an_entry_counts_for_that_entry_alone() {
    let (mut asked, authority) = asked_by_tls().await;
    asked.access.authority = Some(authority.into());
    assert_eq!(asked.manifest("1").await.unwrap().bytes, b"here");
    asked.access.authority = None;
    assert!(matches!(asked.manifest("1").await, Err(Failure::Unreachable { .. })));
}

#[tokio::test]
async fn the_authority_of_the_settings_counts_for_every_entry() {
    let (mut asked, authority) = asked_by_tls().await;
    let mut settings = asked.registry.settings().clone();
    let host = asked.site.host.clone();
    settings.registries =
        vec![crate::registry::RegistryEntry { host, ca: Some(authority), ..Default::default() }];
    asked.registry = Registry::new(settings);
    assert_eq!(asked.manifest("1").await.unwrap().bytes, b"here");
}

#[tokio::test]
async fn an_unreadable_authority_is_said() {
    let (mut asked, _) = asked_by_tls().await;
    asked.access.authority = Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".into());
    let Err(Failure::Unreachable { why, .. }) = asked.manifest("1").await else { panic!("trusted") };
    assert_eq!(why, "the certificate authority cannot be read");
}

/// A proxy that notes what it is asked and refuses it.
async fn proxy() -> (String, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heard = Arc::new(Mutex::new(String::new()));
    let noted = heard.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = vec![0; 4096];
            let read = stream.read(&mut buffer).await.unwrap_or_default();
            noted.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..read]));
            let _ = stream.write_all(b"HTTP/1.1 502 no\r\ncontent-length: 0\r\n\r\n").await;
        }
    });
    (format!("http://proxy-user:proxy-password@{address}"), heard)
}

#[tokio::test]
async fn a_proxy_is_the_only_peer_and_exempt_from_the_rules() {
    let mut asked = Asked::new().await;
    let (url, heard) = proxy().await;
    let matcher = Matcher::builder().https(url).no("direct.invalid").build();
    asked.registry = Registry::made(RegistrySettings::default(), Some([].into()), matcher);
    asked.site.host = "registry.invalid".into();
    assert!(matches!(asked.manifest("1").await, Err(Failure::Unreachable { .. })));
    let said = heard.lock().unwrap().to_ascii_lowercase();
    assert!(said.starts_with("connect registry.invalid:443 "), "{said}");
    assert!(said.contains("proxy-authorization: basic "), "{said}");
    heard.lock().unwrap().clear();

    asked.site.host = "direct.invalid".into();
    assert!(matches!(asked.manifest("1").await, Err(Failure::Unreachable { .. })));
    asked.site.host = "127.0.0.1:1".into();
    assert!(asked.manifest("1").await.is_err());
    let said = heard.lock().unwrap().to_ascii_lowercase();
    assert!(said.starts_with("connect 127.0.0.1:1 "), "the proxy decides where it connects to: {said}");
}
