//! What a run reports of its decisions through `tracing`, in the same words from both adapters: a span `watch` for the
//! whole, in it a span `request` for each exchange and a span `pause` for each wait, each with its reason. All of it at
//! debug level under the target `taskward`; never a key, a body, a prompt or an answer. How a task ended, and what was given
//! up, is at info or warn level, with the ids: whoever logs no spans sees it, too.
//!
//! Without the feature `tracing` all of this is reported to nobody. Both modules have the same functions, so nothing else asks
//! for the feature.

#[cfg(not(feature = "tracing"))]
mod silent;
#[cfg(feature = "tracing")]
mod spans;

#[cfg(not(feature = "tracing"))]
pub(crate) use silent::*;
#[cfg(feature = "tracing")]
pub(crate) use spans::*;
