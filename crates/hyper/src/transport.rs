//! The transport: hyper for HTTP, tokio for time and sockets, rustls for TLS.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use taskward_client::connection::{ConnectionSettings, Connections};
use taskward_client::transport::{
    AsyncTransport, Destination, ProgressCell, Transport, TransportFailure, TransportRequest,
};
use taskward_core::{ConfigError, Timestamp};

use crate::dial::{Dialer, proxy_from_env};
use crate::send::{self, ReplyBody};

/// Sends requests over hyper, on tokio. Clones share their connections.
#[derive(Clone, Debug)]
pub struct Hyper(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    connections: Connections,
    dialer: Arc<Dialer>,
}

impl Transport for Hyper {
    type Settings = ConnectionSettings;
    type Body = ReplyBody;

    fn open(settings: ConnectionSettings, server: Destination<'_>) -> Result<Self, ConfigError> {
        let (connections, route) = settings.check(server, proxy_from_env)?;
        let dialer = Arc::new(Dialer::new(route));
        Ok(Self(Arc::new(Shared {
            connections,
            dialer,
        })))
    }

    fn now(&self) -> Timestamp {
        self.0.connections.clock.now()
    }

    fn time_until(&self, moment: Timestamp) -> Duration {
        self.0.connections.clock.left(moment)
    }
}

/// Every future is `Send`, for runtimes of several threads.
impl AsyncTransport for Hyper {
    type Exchange =
        Pin<Box<dyn Future<Output = Result<http::Response<ReplyBody>, TransportFailure>> + Send>>;
    type Wait = Pin<Box<dyn Future<Output = ()> + Send>>;

    fn exchange(
        &self,
        mut request: TransportRequest,
        progress: Arc<ProgressCell>,
    ) -> Self::Exchange {
        self.0.connections.add_headers(request.head.headers_mut());
        Box::pin(send::exchange(self.0.dialer.clone(), request, progress))
    }

    fn sleep(&self, time: Duration) -> Self::Wait {
        Box::pin(tokio::time::sleep(time))
    }

    fn yield_now(&self) -> Self::Wait {
        Box::pin(tokio::task::yield_now())
    }

    fn run_blocking(&self, work: Box<dyn FnOnce() + Send>) {
        tokio::task::spawn_blocking(work);
    }
}
