//! The transport: ureq for HTTP, the standard library for time and sockets, rustls for TLS.

use std::sync::Arc;
use std::time::Duration;

use taskward_client::connection::{ConnectionSettings, Connections};
use taskward_client::transport::{
    BlockingTransport, Destination, ProgressCell, Transport, TransportFailure, TransportRequest,
};
use taskward_core::{ConfigError, Timestamp};

use crate::dial::{Dialer, proxy_from_env};
use crate::send::{self, Agents, ReplyBody};

/// Sends requests over ureq, on the calling thread. Clones share their connections.
#[derive(Clone, Debug)]
pub struct Ureq {
    connections: Arc<Connections>,
    agents: Arc<Agents>,
}

impl Transport for Ureq {
    type Settings = ConnectionSettings;
    type Body = ReplyBody;

    fn open(settings: ConnectionSettings, server: Destination<'_>) -> Result<Self, ConfigError> {
        let (connections, route) = settings.check(server, proxy_from_env)?;
        Ok(Self {
            connections: Arc::new(connections),
            agents: Arc::new(Agents::new(&Dialer::new(route))),
        })
    }

    fn now(&self) -> Timestamp {
        self.connections.clock.now()
    }

    fn time_until(&self, moment: Timestamp) -> Duration {
        self.connections.clock.left(moment)
    }
}

impl BlockingTransport for Ureq {
    fn exchange(
        &self,
        mut request: TransportRequest,
        progress: &Arc<ProgressCell>,
    ) -> Result<http::Response<ReplyBody>, TransportFailure> {
        self.connections.add_headers(request.head.headers_mut());
        send::exchange(&self.agents, request, progress)
    }
}
