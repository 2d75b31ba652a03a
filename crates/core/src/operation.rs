//! Operations: one typed request and its reply, without I/O.

use crate::build_error::BuildError;
use crate::error::{ApiError, ReadError};
use crate::request::Request;
use crate::response::Response;
use crate::source::Source;

/// What makes a request safe to repeat after its outcome is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Safety {
    /// A read, or a write that by contract changes nothing when repeated.
    Repeatable,
    /// A write with an idempotency key: repeated only with the same key and bytes.
    Keyed,
    /// A write without a key that contains an id of ours: never repeated once the server may have received it, but a
    /// read finds exactly what it did.
    Traceable,
    /// A write without a key: never repeated once the server may have received it.
    Once,
}

impl Safety {
    /// Returns whether the request may be sent again although the server may have received it.
    #[must_use]
    pub const fn is_repeatable(self) -> bool {
        matches!(self, Self::Repeatable | Self::Keyed)
    }

    /// Returns whether the request contains a key of ours.
    #[must_use]
    pub const fn has_key(self) -> bool {
        matches!(self, Self::Keyed | Self::Traceable)
    }
}

/// One endpoint of a provider, with its parameters.
///
/// Both methods are pure: the same operation always builds the same request, and a reply is judged on its own.
pub trait Operation {
    /// The type of what the reply says.
    type Output;

    /// The operation's name in the provider's specification, for messages and logs.
    const NAME: &'static str;

    /// Returns what makes the operation safe to repeat.
    fn safety(&self) -> Safety {
        Safety::Repeatable
    }

    /// Returns whether the operation reads the status of a task. Such a reply is small and comes soon, so the exchange
    /// has the same total limit as a status poll of a followed task.
    fn is_status_read(&self) -> bool {
        false
    }

    /// Returns whether the operation changes nothing, whatever the method of its request is: JSON-RPC reads by POST. What
    /// becomes of it is never unknown. A GET or HEAD needs not say so.
    fn is_read(&self) -> bool {
        false
    }

    /// Builds the request.
    ///
    /// # Errors
    /// Returns an error if the parameters cannot be encoded into a request: nothing was sent.
    fn request(&self) -> Result<Request, BuildError>;

    /// Says whether a reply is an error. Every reply comes here first.
    ///
    /// # Errors
    /// Returns the server's error.
    fn classify(&self, reply: &Response) -> Result<(), ApiError> {
        ApiError::of(reply)
    }

    /// Reads a reply that is no error.
    ///
    /// # Errors
    /// Returns an error if the reply cannot be read.
    fn read(&self, reply: &Response) -> Result<Self::Output, ReadError>;

    /// Returns the files that the operation sends, for the adapter to measure before the request is built.
    fn sources(&mut self) -> Vec<&mut Source> {
        Vec::new()
    }
}
