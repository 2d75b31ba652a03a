//! How long another process is waited for, and who is told of it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a lock is waited for: its holder writes one state, or reads a folder.
pub(crate) const WAIT: Duration = Duration::from_secs(10);
/// How often it is tried meanwhile, by everybody alike, so that everybody's turn comes. The system's own waiting has no end.
pub(crate) const PAUSE: Duration = Duration::from_millis(5);
/// How long a wait lasts before it is reported.
const LONG: Duration = Duration::from_secs(1);

/// A hook that is called with the path of what is waited for.
type Tell = dyn Fn(&Path) + Send + Sync;

/// The hook that is called, once for each wait, when another process is waited for.
#[derive(Clone, Default)]
pub(crate) struct Waiting(Option<Arc<Tell>>);

impl Waiting {
    pub(crate) fn new(reported: impl Fn(&Path) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(reported)))
    }

    /// Tries until it succeeds, fails for another reason than that it is held, or `wait` is over.
    pub(crate) fn until<T, E>(
        &self,
        path: &Path,
        wait: Duration,
        is_held: impl Fn(&E) -> bool,
        attempt: impl Fn() -> Result<T, E>,
    ) -> Result<T, E> {
        let started = Instant::now();
        let mut reported = self.0.as_deref();
        loop {
            match attempt() {
                Err(error) if is_held(&error) && started.elapsed() < wait => {
                    std::thread::sleep(PAUSE);
                }
                tried => return tried,
            }
            if started.elapsed() >= LONG
                && let Some(tell) = reported.take()
            {
                tell(path);
            }
        }
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reported = self.0.as_ref().map(|_| "a hook");
        f.debug_tuple("Waiting").field(&reported).finish()
    }
}
