//! Every bound of the verifier, in one place.

use std::time::Duration;

/// How long a connection may take, its name's resolution and TLS included.
pub const CONNECT: Duration = Duration::from_secs(2);
/// How long a registry may be silent.
pub const SILENCE: Duration = Duration::from_secs(3);
/// How long one request to a registry may take.
pub const REQUEST: Duration = Duration::from_secs(10);
/// How long one check may take, once it has begun.
pub const CHECK: Duration = Duration::from_secs(20);
/// How many requests one check may send.
pub const CHECK_REQUESTS: u32 = 250;
/// How many bytes of answers one check may read.
pub const CHECK_BYTES: u64 = 32 << 20;

/// Bytes of a manifest, an index, or a page of referrers.
pub const MANIFEST: usize = 4 << 20;
/// Bytes of a bundle.
pub const BUNDLE: usize = 1 << 20;
/// Bytes of a legacy payload.
pub const PAYLOAD: usize = 64 << 10;
/// Bytes of the answer of a token's realm.
pub const TOKEN_ANSWER: usize = 64 << 10;
/// Candidates that are judged for one entry.
pub const CANDIDATES: usize = 100;
/// Pages of referrers.
pub const PAGES: usize = 5;
/// Redirects of one request.
pub const REDIRECTS: usize = 3;

/// How long a token is kept at most.
pub const TOKEN_AGE: Duration = Duration::from_mins(5);
/// Tokens that are kept.
pub const TOKENS: u64 = 1_000;
/// HTTP clients that are kept: one for each set of roots, class of addresses and proxy.
pub const CLIENTS: u64 = 64;
/// Connections to one host.
pub const CONNECTIONS_PER_HOST: usize = 8;

/// Checks that run at the same time.
pub const CHECKS: usize = 32;
/// Checks that run at the same time against one registry.
pub const CHECKS_PER_HOST: usize = 4;
/// Checks that wait for their turn.
pub const QUEUED: usize = 512;

/// How long a host that did not answer is not asked again.
pub const CIRCUIT: Duration = Duration::from_secs(10);
/// How long a registry's wish to slow down is respected at most.
pub const RETRY_AFTER: Duration = Duration::from_mins(1);
/// An answer that takes longer is slow: nobody waits for that host for a while.
pub const SLOW: Duration = Duration::from_millis(500);
/// How long nobody waits for a host that was slow.
pub const SLOW_MEMORY: Duration = Duration::from_secs(10);

/// When a call of Gatekeeper is answered at the latest.
pub const ANSWER: Duration = Duration::from_millis(500);
/// Of every `WAITING_WINDOW`, how long calls may wait for checks, all together.
pub const WAITING: Duration = Duration::from_secs(2);
/// The window of `WAITING`.
pub const WAITING_WINDOW: Duration = Duration::from_secs(10);
/// Calls that may wait for checks at the same time.
pub const WAITING_CALLS: usize = 2;
/// How long a call waits for the watch of an unknown constraint or revision.
pub const UNKNOWN_POLICY: Duration = Duration::from_millis(200);
/// How long the previous revision of a constraint is known.
pub const PREVIOUS_REVISION: Duration = Duration::from_mins(1);

/// How long a verified digest is believed.
pub const VERIFIED: Duration = Duration::from_hours(24);
/// How long any other outcome is believed.
pub const REFUSED: Duration = Duration::from_secs(5);
/// How long a tag is believed to name its digest.
pub const TAG: Duration = Duration::from_secs(30);
/// How long both are believed for audit, which never waits.
pub const AUDIT: Duration = Duration::from_mins(10);
/// Entries of each cache.
pub const CACHED: u64 = 10_000;

/// Bytes of a request to the verifier.
pub const CALL: usize = 1 << 20;
/// Keys of one request.
pub const KEYS: usize = 256;
/// Bytes of one key.
pub const KEY: usize = 4 << 10;
/// Bytes of the verifier's answer.
pub const CALL_ANSWER: usize = 256 << 10;
/// Connections to the verifier.
pub const CONNECTIONS: usize = 128;
/// How long a client of the verifier may take for TLS.
pub const HANDSHAKE: Duration = Duration::from_secs(5);
