//! What one check may cost.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::failure::Failure;
use crate::bounds;

/// Counts the requests and bytes of one check.
#[derive(Debug, Default)]
pub struct Budget {
    requests: AtomicU32,
    bytes: AtomicU64,
}

impl Budget {
    /// The bytes that were read so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The requests that were sent so far.
    #[must_use]
    pub fn requests(&self) -> u32 {
        self.requests.load(Ordering::Relaxed)
    }

    pub(crate) fn request(&self) -> Result<(), Failure> {
        let sent = self.requests.fetch_add(1, Ordering::Relaxed);
        if sent >= bounds::CHECK_REQUESTS {
            self.requests.fetch_sub(1, Ordering::Relaxed);
            return Err(Failure::Limit("250 requests for one check"));
        }
        Ok(())
    }

    pub(crate) fn read(&self, bytes: usize) -> Result<(), Failure> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > bounds::CHECK_BYTES {
            return Err(Failure::Limit("32 MiB for one check"));
        }
        Ok(())
    }
}
