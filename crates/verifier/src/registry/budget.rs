//! What one check may cost.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::failure::Failure;
use crate::bounds;

/// Counts the requests and bytes of one check.
#[derive(Debug, Default)]
pub struct Budget {
    requests: AtomicUsize,
    bytes: AtomicUsize,
}

impl Budget {
    /// The bytes that were read so far.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The requests that were sent so far.
    #[must_use]
    pub fn requests(&self) -> usize {
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
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > bounds::CHECK_BYTES {
            return Err(Failure::Limit("32 MiB for one check"));
        }
        Ok(())
    }
}
