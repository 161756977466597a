//! What a template from outside may take.

use std::time::Duration;

/// Upstream's webhook gives Gatekeeper as long for all templates together, in seconds.
const TIMEOUT: u64 = 3;

/// In MiB.
const MEMORY: u64 = 1024;

/// What a template of the input may take before it is ended.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(next_help_heading = "Limits of templates in the input")]
pub struct Limits {
    /// How many seconds a template may take to be compiled, or for one object
    #[arg(long, value_name = "SECONDS", default_value_t = TIMEOUT, value_parser = clap::value_parser!(u64).range(1..=3600))]
    template_timeout: u64,
    /// How many MiB of memory a template may take
    #[arg(long, value_name = "MIB", default_value_t = MEMORY, value_parser = clap::value_parser!(u64).range(64..=65536))]
    template_memory: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { template_timeout: TIMEOUT, template_memory: MEMORY }
    }
}

impl Limits {
    /// How long compiling a template, or evaluating it for one object, may take.
    pub const fn timeout(self) -> Duration {
        Duration::from_secs(self.template_timeout)
    }

    /// How much memory a process may have for its heap, in bytes.
    pub const fn memory(self) -> u64 {
        self.template_memory << 20
    }

    /// In the words of the flag that sets it.
    pub fn timeout_text(self) -> String {
        format!("{} s (--template-timeout)", self.template_timeout)
    }

    /// In the words of the flag that sets it.
    pub fn memory_text(self) -> String {
        format!("{} MiB (--template-memory)", self.template_memory)
    }
}
