//! TLS on loopback: a serving certificate that is its own authority, a server, and a client that may show a certificate.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use http::{Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use rcgen::KeyPair;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// A certificate and its key in PEM.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

/// A self-signed certificate for a server on 127.0.0.1, as the operator makes one for the verifier.
///
/// # Errors
/// None can be made.
pub fn serving_pair() -> Result<Pair> {
    let mut parameters = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()])?;
    parameters.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    Ok(Pair { certificate: parameters.self_signed(&key)?.pem(), key: key.serialize_pem() })
}

/// What accepts connections with a pair, by TLS 1.3 alone.
pub(super) fn acceptor(pair: &Pair) -> Result<TlsAcceptor> {
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_protocol_versions(&[&TLS13])?.with_no_client_auth();
    let (chain, key) = read(pair)?;
    Ok(TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key)?)))
}

fn read(pair: &Pair) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let certificate = CertificateDer::from_pem_slice(pair.certificate.as_bytes())?;
    Ok((vec![certificate], PrivateKeyDer::from_pem_slice(pair.key.as_bytes())?))
}

/// A connection to a server that is asked several things.
#[derive(Debug)]
pub struct Connection {
    address: SocketAddr,
    sender: SendRequest<Full<Bytes>>,
}

impl Connection {
    /// Connects to a server whose certificate is `authority`, showing the certificate of `client` if there is one.
    ///
    /// # Errors
    /// There is no connection.
    pub async fn open(address: SocketAddr, authority: &str, client: Option<&Pair>) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.as_bytes())?)?;
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let builder = builder.with_protocol_versions(&[&TLS13])?.with_root_certificates(roots);
        let config = match client.map(read).transpose()? {
            Some((chain, key)) => builder.with_client_auth_cert(chain, key)?,
            None => builder.with_no_client_auth(),
        };
        let connector = TlsConnector::from(Arc::new(config));
        let stream = TcpStream::connect(address).await?;
        let stream = connector.connect(ServerName::try_from(address.ip().to_string())?, stream).await?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { address, sender })
    }

    /// Posts JSON. Returns the status code and the text.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn post(&mut self, path: &str, body: &str) -> Result<(u16, String)> {
        let request = Request::post(path)
            .header(header::HOST, self.address.to_string())
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body.to_owned())))?;
        self.sender.ready().await?;
        let answer = self.sender.send_request(request).await.context("no answer")?;
        let status = answer.status().as_u16();
        let text = answer.into_body().collect().await?.to_bytes();
        Ok((status, String::from_utf8_lossy(&text).into_owned()))
    }
}

/// Posts JSON over a connection of its own: see [`Connection`].
///
/// # Errors
/// There is no connection, or no answer.
pub async fn post(
    address: SocketAddr,
    path: &str,
    authority: &str,
    client: Option<&Pair>,
    body: &str,
) -> Result<(u16, String)> {
    Connection::open(address, authority, client).await?.post(path, body).await
}
