//! Bounds of everything that comes from outside. `docs/image-signatures.md` lists them.

use std::time::Duration;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// A request to the verifier, in bytes.
pub const REQUEST_BYTES: usize = MIB;
/// Keys of one request.
pub const REQUEST_KEYS: usize = 256;
/// A key of a request, in bytes.
pub const KEY_BYTES: usize = 4 * KIB;
/// An answer of the verifier, in bytes.
pub const ANSWER_BYTES: usize = 256 * KIB;
/// The text of a refusal, in bytes.
pub const TEXT_BYTES: usize = 300;
/// Connections to the verifier.
pub const CONNECTIONS: usize = 128;
/// A TLS handshake with the verifier.
pub const HANDSHAKE: Duration = Duration::from_secs(5);

/// An answer to Gatekeeper, with the waiting.
pub const ANSWER: Duration = Duration::from_millis(500);
/// Calls that wait for checks at a time.
pub const WAITING_CALLS: usize = 2;
/// How long all calls together may wait in each [`WAITING_WINDOW`].
pub const WAITING_TOTAL: Duration = Duration::from_secs(2);
/// The window of [`WAITING_TOTAL`].
pub const WAITING_WINDOW: Duration = Duration::from_secs(10);
/// A host that takes longer counts as slow.
pub const SLOW_HOST: Duration = Duration::from_millis(500);
/// How long no call waits for a host that was slow.
pub const SLOW_HOST_MEMORY: Duration = Duration::from_secs(10);
/// How long a host that does not connect or answer is not asked again.
pub const CIRCUIT: Duration = Duration::from_secs(10);
/// The longest `Retry-After` that is kept.
pub const RETRY_AFTER: Duration = Duration::from_mins(1);
/// How long an unknown constraint or revision is waited for.
pub const REVISION_WAIT: Duration = Duration::from_millis(200);
/// How long the previous revision of a constraint is known.
pub const PREVIOUS_REVISION: Duration = Duration::from_mins(1);

/// Connecting to a registry.
pub const CONNECT: Duration = Duration::from_secs(2);
/// Silence of a registry while it answers.
pub const SILENCE: Duration = Duration::from_secs(3);
/// One request to a registry.
pub const REGISTRY_REQUEST: Duration = Duration::from_secs(10);
/// One check of an image.
pub const CHECK: Duration = Duration::from_secs(20);
/// Requests of one check.
pub const CHECK_REQUESTS: usize = 250;
/// What one check receives, in bytes.
pub const CHECK_BYTES: usize = 32 * MIB;

/// A manifest, an index, or a page of referrers, in bytes.
pub const MANIFEST_BYTES: usize = 4 * MIB;
/// A Sigstore bundle, in bytes.
pub const BUNDLE_BYTES: usize = MIB;
/// The payload of a legacy signature, in bytes.
pub const PAYLOAD_BYTES: usize = 64 * KIB;
/// The answer of a token server, in bytes.
pub const TOKEN_BYTES: usize = 64 * KIB;
/// A header of a registry that is read, in bytes.
pub const HEADER_BYTES: usize = 8 * KIB;

/// Layers of a manifest and manifests of an index that are read.
pub const LIST_ITEMS: usize = 10_000;
/// Signatures of one image that are judged.
pub const CANDIDATES: usize = 100;
/// Pages of referrers.
pub const REFERRERS_PAGES: usize = 5;
/// Redirects of one request.
pub const REDIRECTS: usize = 3;
/// How long a token is kept.
pub const TOKEN_AGE: Duration = Duration::from_mins(5);

/// Checks at once.
pub const CHECKS: usize = 32;
/// Checks at once that ask the same registry host.
pub const CHECKS_PER_HOST: usize = 4;
/// Checks that wait for their turn.
pub const QUEUE: usize = 512;
/// Connections to one registry host.
pub const CONNECTIONS_PER_HOST: usize = 8;

/// How long a verified digest is kept.
pub const VERIFIED_AGE: Duration = Duration::from_hours(24);
/// How long every other outcome is kept.
pub const OUTCOME_AGE: Duration = Duration::from_secs(5);
/// How long the digest of a tag is kept.
pub const TAG_AGE: Duration = Duration::from_secs(30);
/// With how old outcomes and digests audit is content.
pub const AUDIT_AGE: Duration = Duration::from_mins(10);
/// Entries of each cache.
pub const CACHE_ENTRIES: u64 = 10_000;

/// Entries of a policy.
pub const ENTRIES: usize = 20;
/// PEM blocks of the keys of an entry.
pub const KEYS: usize = 10;
/// A text of keys, in characters.
pub const KEY_CHARACTERS: usize = 4096;
/// A text of certificates, in characters.
pub const CA_CHARACTERS: usize = 16_384;
/// A docker config in base64, in characters.
pub const DOCKER_CONFIG_CHARACTERS: usize = 65_536;
/// A reference, in characters.
pub const REFERENCE_CHARACTERS: usize = 512;
/// The parameters of a constraint as JSON, in bytes.
pub const PARAMETERS_BYTES: usize = 256 * KIB;
/// The path of a repository, in characters; Docker's grammar has the same bound.
pub const PATH_CHARACTERS: usize = 255;
