//! Takes connections and lets none cost much: anybody who reaches the port may open as many as they like.
//!
//! Each connection carries one request, must send its header soon, and ends soon. If there are too many, the oldest
//! goes. So one that asks and reads at once, as a probe does, is answered whatever the others do.

use std::collections::VecDeque;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tracing::warn;

/// How many connections there are at most. Probes and scrapers need a few for an instant.
pub(super) const MOST: usize = 64;

/// How long a connection may take to send its header.
const HEADER: Duration = Duration::from_secs(5);

/// How long a connection lasts at most. A scrape of a large cluster takes a second.
const LONGEST: Duration = Duration::from_secs(30);

/// How many bytes of a request or an answer a connection may keep waiting: the smallest that hyper accepts.
const BUFFER: usize = 8192;

/// The pause after a connection could not be taken: the process may have no file descriptor left.
const PAUSE: Duration = Duration::from_millis(100);

/// Answers requests forever.
pub(super) async fn serve(listener: TcpListener, routes: Router) {
    let mut connections = Connections::default();
    let mut failing = false;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                failing = false;
                connections.add(stream, routes.clone());
            }
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    warn!(%error, "cannot take connections of probes and scrapers; trying again");
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// The connections that are open, the oldest first.
#[derive(Default)]
struct Connections {
    tasks: JoinSet<()>,
    oldest_first: VecDeque<AbortHandle>,
}

impl Connections {
    fn add(&mut self, stream: TcpStream, routes: Router) {
        while self.tasks.try_join_next().is_some() {}
        self.oldest_first.retain(|connection| !connection.is_finished());
        if self.oldest_first.len() >= MOST
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            oldest.abort();
        }
        self.oldest_first.push_back(self.tasks.spawn(answer(stream, routes)));
    }
}

/// Answers one request. How it ends is of interest to the other side only.
async fn answer(stream: TcpStream, routes: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER)
        .keep_alive(false)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    let _ = tokio::time::timeout(LONGEST, connection).await;
}

#[cfg(test)]
mod tests {
    use super::{HEADER, LONGEST, MOST, serve};
    use axum::Router;
    use axum::routing::get;
    use std::net::SocketAddr;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    const BODY: &str = "ok\n";

    /// Larger than what the kernel keeps for a connection that nobody reads from.
    const LARGE: usize = 64 << 20;

    async fn served() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes =
            Router::new().route("/", get(async || BODY)).route("/large", get(async || "x".repeat(LARGE)));
        tokio::spawn(serve(listener, routes));
        address
    }

    async fn opened(address: SocketAddr, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    /// What a probe reads.
    async fn probe(address: SocketAddr) -> String {
        let mut stream = opened(address, "GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        let mut answer = String::new();
        let read = stream.read_to_string(&mut answer);
        tokio::time::timeout(Duration::from_secs(1), read).await.unwrap().unwrap();
        answer
    }

    /// Whether the other side still holds the connection. What it sent before it closed does not count.
    async fn is_open(stream: &mut TcpStream) -> bool {
        let mut rest = vec![];
        let read = stream.read_to_end(&mut rest);
        tokio::time::timeout(Duration::from_millis(20), read).await.is_err()
    }

    async fn open_ones(streams: &mut [TcpStream]) -> usize {
        let mut open = 0;
        for stream in streams {
            open += usize::from(is_open(stream).await);
        }
        open
    }

    #[tokio::test]
    async fn a_request_is_answered_and_its_connection_closed() {
        let address = served().await;
        let answer = probe(address).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with(BODY), "{answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
    }

    #[tokio::test]
    async fn half_headers_leave_room_for_a_probe_and_are_closed() {
        let address = served().await;
        let mut streams = vec![];
        for _ in 0..300 {
            streams.push(opened(address, "GET / HTTP/1.1\r\nhost: ").await);
        }
        assert!(probe(address).await.ends_with(BODY));
        // The probe took the place of one more.
        assert_eq!(open_ones(&mut streams[..300 - MOST]).await, 0, "the oldest go");
        assert!(is_open(&mut streams[299]).await, "the newest stay");
        tokio::time::sleep(HEADER).await;
        assert_eq!(open_ones(&mut streams).await, 0, "none stays for long");
        assert!(probe(address).await.ends_with(BODY));
    }

    #[tokio::test]
    async fn connections_that_say_nothing_are_closed() {
        let address = served().await;
        let mut stream = opened(address, "").await;
        assert!(is_open(&mut stream).await);
        tokio::time::sleep(HEADER).await;
        assert!(!is_open(&mut stream).await);
    }

    #[tokio::test]
    async fn who_reads_nothing_is_not_waited_for_forever() {
        let address = served().await;
        let mut slow = opened(address, "GET /large HTTP/1.1\r\nhost: a\r\n\r\n").await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        tokio::time::pause();
        tokio::time::advance(LONGEST).await;
        tokio::time::resume();
        let mut received = vec![];
        let read = slow.read_to_end(&mut received);
        let ended = tokio::time::timeout(Duration::from_secs(10), read).await.unwrap();
        assert!(received.len() < LARGE, "{ended:?}: {} bytes", received.len());
    }
}
