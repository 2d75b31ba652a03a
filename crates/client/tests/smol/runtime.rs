//! The transport of these tests, by smol and without tokio.

pub(crate) type Transport = crate::transport::Smol;

/// Waits for a call.
pub(crate) fn block_on<F: IntoFuture>(call: F) -> F::Output {
    smol::block_on(call.into_future())
}
