//! Counts the requests of a client: wraps a transport, and leaves all of its work to it.
//!
//! ```sh
//! cargo run -p taskward-client --example count_requests
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use taskward_client::AsyncClient;
use taskward_client::connection::ConnectionSettings;
use taskward_client::transport::{
    AsyncTransport, Destination, ProgressCell, Transport, TransportRequest,
};
use taskward_core::{ConfigError, Error, Timestamp};
use taskward_hyper::Hyper;
use taskward_providers::nanonets::{Job, Nanonets};
use taskward_sim::Sim;

/// A transport that counts what it passes on.
#[derive(Clone)]
pub(crate) struct Counting {
    hyper: Hyper,
    count: Arc<AtomicU64>,
}

/// What the counting transport is opened with: the settings of the one within, and where to count.
#[derive(Default)]
pub(crate) struct CountingSettings {
    connections: ConnectionSettings,
    count: Arc<AtomicU64>,
}

impl Transport for Counting {
    type Settings = CountingSettings;
    type Body = <Hyper as Transport>::Body;

    fn open(settings: CountingSettings, server: Destination<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            hyper: Hyper::open(settings.connections, server)?,
            count: settings.count,
        })
    }

    fn now(&self) -> Timestamp {
        self.hyper.now()
    }

    fn time_until(&self, moment: Timestamp) -> Duration {
        self.hyper.time_until(moment)
    }
}

impl AsyncTransport for Counting {
    type Exchange = <Hyper as AsyncTransport>::Exchange;
    type Wait = <Hyper as AsyncTransport>::Wait;

    fn exchange(&self, request: TransportRequest, progress: Arc<ProgressCell>) -> Self::Exchange {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.hyper.exchange(request, progress)
    }

    fn sleep(&self, time: Duration) -> Self::Wait {
        self.hyper.sleep(time)
    }

    fn yield_now(&self) -> Self::Wait {
        self.hyper.yield_now()
    }

    fn run_blocking(&self, work: Box<dyn FnOnce() + Send>) {
        self.hyper.run_blocking(work);
    }
}

/// Runs a task, and returns how many requests that took.
///
/// # Errors
/// When the task did not succeed.
pub(crate) async fn run(sim: &Sim) -> Result<u64, Error> {
    let (access, count) = (sim.nanonets(), Arc::new(AtomicU64::new(0)));
    let client = AsyncClient::<Nanonets, Counting>::builder()
        .api_key(access.api_key.into())
        .base_url(&access.base_url)
        .transport(CountingSettings {
            connections: ConnectionSettings::default(),
            count: count.clone(),
        })
        .build()?;
    let job = Job::agent(sim.agent("echo")).query("Say hello.");
    client.run(job).await?.into_answer()?;
    Ok(count.load(Ordering::Relaxed))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sim = Sim::builder().spawn()?;
    println!("the task took {} requests", run(&sim).await?);
    Ok(())
}
