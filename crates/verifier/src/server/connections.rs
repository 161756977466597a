//! The connections that are open. If there are too many, the oldest of somebody unknown goes: anybody who reaches the port
//! may open as many as they like, and must not keep Gatekeeper out.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

/// Whether a connection is of somebody known.
#[derive(Clone, Debug, Default)]
pub(super) struct Trust(Arc<AtomicBool>);

impl Trust {
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
pub(super) struct Connections {
    tasks: JoinSet<()>,
    oldest_first: VecDeque<(AbortHandle, Trust)>,
    most: usize,
}

impl Connections {
    pub(super) fn new(most: usize) -> Self {
        Self { tasks: JoinSet::new(), oldest_first: VecDeque::new(), most }
    }

    /// Adds one; waits where all others are of somebody known.
    pub(super) async fn add<F>(&mut self, serve: impl FnOnce(Trust) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        while self.tasks.try_join_next().is_some() {}
        self.oldest_first.retain(|(task, _)| !task.is_finished());
        while self.oldest_first.len() >= self.most {
            let unknown = self.oldest_first.iter().position(|(_, trust)| !trust.is_set());
            if let Some((oldest, _)) = unknown.and_then(|position| self.oldest_first.remove(position)) {
                oldest.abort();
            } else {
                self.tasks.join_next().await;
                self.oldest_first.retain(|(task, _)| !task.is_finished());
            }
        }
        let trust = Trust::default();
        let task = self.tasks.spawn(serve(trust.clone()));
        self.oldest_first.push_back((task, trust));
    }

    /// Lets those that are open end, but not longer than this.
    pub(super) async fn drain(mut self, most: Duration) {
        let all = async { while self.tasks.join_next().await.is_some() {} };
        let _ = timeout(most, all).await;
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::time::Duration;

    use super::Connections;

    #[tokio::test(start_paused = true)]
    async fn the_oldest_unknown_one_goes() {
        let mut connections = Connections::new(3);
        let mut trusts = vec![];
        for _ in 0..3 {
            connections
                .add(|trust| {
                    trusts.push(trust);
                    pending()
                })
                .await;
        }
        trusts[0].set();
        connections.add(|_| pending()).await;
        tokio::task::yield_now().await;
        let open: Vec<_> = connections.oldest_first.iter().map(|(_, trust)| trust.is_set()).collect();
        assert_eq!(open, [true, false, false]);
        for (_, trust) in &connections.oldest_first {
            trust.set();
        }
        let full = connections.add(|_| pending());
        assert!(tokio::time::timeout(Duration::from_secs(1), full).await.is_err());
    }
}
