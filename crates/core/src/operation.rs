//! Operations: one typed request and its reply, pure.

use crate::error::{BuildError, ReadError};
use crate::request::{Request, Source};
use crate::response::Response;

/// What makes a request safe to repeat after its fate is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Safety {
    /// A read, or a write whose repetition changes nothing by contract.
    Repeatable,
    /// A write under an idempotency key: repeated with the same key and bytes only.
    Keyed,
    /// A write without a key: never repeated once it may have been received.
    Once,
}

/// One endpoint of a provider, with its parameters.
///
/// Both methods are pure: the same operation always builds the same request, and a reply is judged by itself.
pub trait Operation {
    /// What the reply says.
    type Output;

    /// The operation's name in the provider's specification, for messages and logs.
    const NAME: &'static str;

    /// What makes it safe to repeat.
    fn safety(&self) -> Safety {
        Safety::Repeatable
    }

    /// Returns whether it reads the status of a task, which is small and soon there: its exchange is cut as that of a
    /// followed task is, however its body drips.
    fn is_status_read(&self) -> bool {
        false
    }

    /// The request.
    ///
    /// # Errors
    /// When the parameters cannot be written into one: nothing was sent.
    fn request(&self) -> Result<Request, BuildError>;

    /// Reads a 2xx reply; every other status becomes an [`ApiError`](crate::ApiError) before it gets here.
    ///
    /// # Errors
    /// When the reply cannot be read.
    fn read(&self, reply: &Response) -> Result<Self::Output, ReadError>;

    /// The files it sends, for the adapter to look at before the request is built.
    fn sources(&mut self) -> Vec<&mut Source> {
        Vec::new()
    }
}
