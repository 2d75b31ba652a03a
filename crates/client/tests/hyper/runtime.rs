//! The async adapter, on a runtime of tokio's on the test's own thread.

use tokio::runtime::{self, Runtime};

pub(crate) type Transport = taskward_hyper::Hyper;

thread_local! {
    static RUNTIME: Runtime = runtime();
}

fn runtime() -> Runtime {
    runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

/// Waits for a call.
pub(crate) fn block_on<F: IntoFuture>(call: F) -> F::Output {
    RUNTIME.with(|runtime| runtime.block_on(call.into_future()))
}
