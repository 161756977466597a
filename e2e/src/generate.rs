//! Random workloads and policies, for comparing two judges. The same seed makes the same ones.

mod legal;
mod object;
mod patch;
mod placed;
mod pod;
mod policy;
#[cfg(test)]
mod tests;

use std::env;
use std::str::FromStr;

use anyhow::{Context, Result};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

pub use object::{Update, objects, updates, workloads};
pub use placed::{deployables, place};
pub use pod::{Audience, pods};
pub use policy::{RandomPolicy, policies};

/// The seed unless `GATEWRIGHT_SEED` gives another.
const SEED: u64 = 4;

/// A source of random values.
#[derive(Debug)]
pub struct Random {
    /// What it started from: failures must name it.
    pub seed: u64,
    runner: TestRunner,
}

impl Random {
    /// A source that starts from `GATEWRIGHT_SEED`, or from a fixed seed.
    ///
    /// # Errors
    /// The variable is no number.
    pub fn from_env() -> Result<Self> {
        let seed = seed()?;
        let bytes = [seed.to_le_bytes(); 4].concat();
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        Ok(Self { seed, runner: TestRunner::new_with_rng(Config::default(), rng) })
    }

    /// Random values, each of which can be made smaller.
    ///
    /// # Errors
    /// The strategy rejects too much.
    pub fn trees<S: Strategy>(&mut self, strategy: &S, count: usize) -> Result<Vec<S::Tree>> {
        let tree = || strategy.new_tree(&mut self.runner).map_err(|reason| anyhow::anyhow!("{reason}"));
        std::iter::repeat_with(tree).take(count).collect()
    }

    /// Random values.
    ///
    /// # Errors
    /// As for [`Self::trees`].
    pub fn values<S: Strategy>(&mut self, strategy: &S, count: usize) -> Result<Vec<S::Value>> {
        Ok(self.trees(strategy, count)?.iter().map(ValueTree::current).collect())
    }
}

/// `GATEWRIGHT_SEED`, or the fixed seed.
///
/// # Errors
/// The variable is not a number.
pub fn seed() -> Result<u64> {
    number("GATEWRIGHT_SEED", SEED)
}

/// How many values a test takes: `GATEWRIGHT_CASES`, or its own number.
///
/// # Errors
/// The variable is no number.
pub fn cases(usual: usize) -> Result<usize> {
    number("GATEWRIGHT_CASES", usual)
}

/// Makes a failing value as small as it still fails.
///
/// # Errors
/// Those of the test.
pub async fn shrink<T: ValueTree>(
    mut tree: T,
    fails: impl AsyncFn(&T::Value) -> Result<bool>,
) -> Result<T::Value> {
    let mut smallest = tree.current();
    let mut progress = tree.simplify();
    while progress {
        let candidate = tree.current();
        progress = if fails(&candidate).await? {
            smallest = candidate;
            tree.simplify()
        } else {
            tree.complicate()
        };
    }
    Ok(smallest)
}

fn number<T: FromStr>(variable: &str, usual: T) -> Result<T> {
    let Ok(text) = env::var(variable) else { return Ok(usual) };
    text.parse().ok().with_context(|| format!("{variable} is {text:?}; it must be a whole number"))
}
