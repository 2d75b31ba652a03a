//! A real server on loopback over the pure machines.
//!
//! Plain HTTP/1.1, one thread, one connection per task. Everything that decides is elsewhere and pure; here is what
//! touches sockets and the clock.

mod bomb;
mod clock;
mod connection;
mod deliver;
mod log;
mod redact;
mod service;
mod shape;
mod socket;
mod state;
mod streaming;
mod wire;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener as StdListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep;

pub use log::RequestRecord;

use crate::faults::FaultRule;
use crate::platform::SimPlatform;
use crate::platforms::PLATFORMS;
use crate::scenario::Scenario;
use crate::time::Span;
use clock::SimClock;
use state::State;

/// A running simulator; it stops when dropped.
///
/// It has its own thread, so it serves blocking and asynchronous tests alike. One port serves all platforms, which
/// their paths tell apart, and answers service requests under `/_sim` (`GET /_sim` lists them).
///
/// ```
/// let sim = taskward_sim::Sim::spawn()?;
/// let access = sim.nanonets();
/// assert!(access.base_url.starts_with("http://127.0.0.1:"));
/// assert!(access.agents.iter().any(|agent| agent.name == "invoice"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Sim {
    shared: Arc<SimHandle>,
    address: SocketAddr,
    /// Dropped, it stops the thread.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A simulator about to be spawned.
#[derive(Debug, Clone)]
pub struct Builder {
    seed: u64,
    speed: f64,
    scenario: Scenario,
    address: SocketAddr,
    manual_step: Option<Span>,
    records_bodies: bool,
}

impl Sim {
    /// Starts a simulator with the default scenario on a free loopback port, at the speed of the wall clock.
    ///
    /// # Errors
    /// When no port can be bound or no thread started.
    pub fn spawn() -> io::Result<Self> {
        Self::builder().spawn()
    }

    /// Says how to start one.
    #[must_use]
    pub fn builder() -> Builder {
        Builder {
            seed: 0,
            speed: 1.0,
            scenario: Scenario::default(),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            manual_step: None,
            records_bodies: false,
        }
    }

    /// Returns the address it listens at.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the URL it listens at, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        let mut address = self.address;
        // Everywhere is no place to go to.
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        format!("http://{address}")
    }

    /// Does something with the server of one platform.
    pub(crate) fn with<S: SimPlatform, T>(&self, act: impl FnOnce(&mut S, u64) -> T) -> T {
        self.shared.lock().with(act)
    }

    /// Returns the log: every request but the service ones, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.shared.lock().log.records().cloned().collect()
    }

    /// Replaces the present faults by these; their counts begin at zero.
    pub fn set_faults(&self, rules: Vec<FaultRule>) {
        self.shared.lock().set_faults(rules);
    }

    /// Moves simulated time on.
    pub fn advance(&self, by: Duration) {
        let by = Span(u64::try_from(by.as_millis()).unwrap_or(u64::MAX));
        self.shared.lock().advance(by);
    }

    /// Simulated time, in milliseconds since the epoch.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.shared.lock().clock.now()
    }

    /// Forgets all tasks, runs, counts and logs, cuts open streams, and puts the scenario's faults in force again. Ids
    /// begin again, too.
    pub fn reset(&self) {
        self.shared.lock().reset();
    }

    /// Returns the number that ids, keys and chances follow from.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.shared.lock().seed()
    }

    /// Returns the line that says to another program where everything is.
    #[must_use]
    pub fn ready_line(&self) -> Value {
        let (url, state) = (self.url(), self.shared.lock());
        let access = PLATFORMS
            .iter()
            .zip(state.platforms())
            .map(|(known, platform)| (known.name.to_owned(), platform.access(&url)));
        let providers: serde_json::Map<_, _> = access.collect();
        json!({ "v": 2, "type": "ready", "listen": url, "seed": state.seed(), "providers": providers })
    }

    /// Returns the environment variables under which a program finds all platforms and the simulator itself.
    #[must_use]
    pub fn variables(&self) -> Vec<(String, String)> {
        let (url, state) = (self.url(), self.shared.lock());
        let mut variables = Vec::new();
        for (known, platform) in PLATFORMS.iter().zip(state.platforms()) {
            let prefix = known.prefix;
            variables.push((format!("{prefix}_API_KEY"), platform.api_key().to_owned()));
            variables.push((format!("{prefix}_BASE_URL"), url.clone()));
        }
        variables.push(("TASKWARD_SIM_URL".to_owned(), url));
        variables.push(("TASKWARD_SIM_SEED".to_owned(), state.seed().to_string()));
        variables
    }

    /// Returns the lines to paste into a shell.
    #[must_use]
    pub fn export_lines(&self) -> String {
        let lines = self.variables().into_iter();
        let lines = lines.map(|(name, value)| format!("export {name}={value}\n"));
        lines.collect()
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic over there has been printed; dropping is no place for another.
            let _ = thread.join();
        }
    }
}

impl Builder {
    /// Ids, the key and the faults' chances follow from this number; 0 by default.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Returns how many times faster than the wall clock simulated time runs.
    #[must_use]
    pub fn speed(mut self, times: f64) -> Self {
        self.speed = times;
        self
    }

    /// Switches, further agents and faults.
    #[must_use]
    pub fn scenario(mut self, scenario: Scenario) -> Self {
        self.scenario = scenario;
        self
    }

    /// Adds a fault to the scenario's.
    #[must_use]
    pub fn fault(mut self, rule: FaultRule) -> Self {
        self.scenario.faults.push(rule);
        self
    }

    /// Listens here instead of at a free loopback port. Any address but a loopback one lets others in.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Takes simulated time off the wall clock: it starts at 2026-01-01 and moves by `per_read` with each poll of a task
    /// that comes in, by the time that a fault lets pass, and otherwise only by [`Sim::advance`].
    ///
    /// A poll of a task is a status request of Nanonets; of Agent Harness a read of a run, of a page of its events
    /// or the opening of its stream; of A2A a read of a task, or a subscription to it. An open stream moves nothing: it sends what is due when something else does.
    #[must_use]
    pub fn manual_clock(mut self, per_read: Duration) -> Self {
        self.manual_step = Some(Span(
            u64::try_from(per_read.as_millis()).unwrap_or(u64::MAX),
        ));
        self
    }

    /// Records replies in the log, too, and bodies of any length.
    #[must_use]
    pub fn record_bodies(mut self) -> Self {
        self.records_bodies = true;
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// When the speed is no positive number, the address cannot be bound, or no thread can be started.
    pub fn spawn(self) -> io::Result<Sim> {
        if !(self.speed.is_finite() && self.speed > 0.0) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the speed must be a positive number",
            ));
        }
        let listener = bind(self.address)?;
        let address = listener.local_addr()?;
        let clock = self
            .manual_step
            .map_or_else(|| SimClock::running(self.speed), SimClock::manual);
        let (refusals, requests) = mpsc::unbounded_channel();
        let shared = Arc::new(SimHandle {
            state: Mutex::new(State::new(
                self.seed,
                self.scenario,
                clock,
                self.records_bodies,
            )),
            refusals,
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (stop, stopped) = oneshot::channel();
        let serving = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("taskward-sim".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = listen(listener, address, serving, requests) => {}
                        _ = stopped => {}
                    }
                });
            })?;
        Ok(Sim {
            shared,
            address,
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

#[derive(Debug)]
struct SimHandle {
    state: Mutex<State>,
    refusals: mpsc::UnboundedSender<Refusal>,
}

/// A request not to listen for a while, and the sender to answer once that is so.
#[derive(Debug)]
struct Refusal {
    span: Duration,
    closed: oneshot::Sender<()>,
}

impl SimHandle {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No invariant of the state spans a panic: a request that panicked has ended its own connection.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the port for so long; returns as soon as it is closed.
    async fn refuse(&self, span: Duration) {
        let (closed, is_closed) = oneshot::channel();
        if self.refusals.send(Refusal { span, closed }).is_ok() {
            // When the listener has ended, the port is closed for good.
            let _ = is_closed.await;
        }
    }
}

/// The pause before what failed for a passing reason is tried again.
const RETRY: Duration = Duration::from_millis(20);

fn bind(address: SocketAddr) -> io::Result<StdListener> {
    let listener = StdListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Accepts connections, and stops accepting while refusals last.
async fn listen(
    first: StdListener,
    address: SocketAddr,
    shared: Arc<SimHandle>,
    mut refusals: mpsc::UnboundedReceiver<Refusal>,
) {
    let (epoch, _) = watch::channel(0u64);
    let mut listener = TcpListener::from_std(first).expect("the runtime drives I/O");
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                match accepted {
                    Ok((stream, _)) => {
                        tokio::spawn(connection::serve(stream, Arc::clone(&shared), epoch.subscribe()));
                    }
                    // Out of descriptors, or gone before it was accepted: neither lasts.
                    Err(_) => sleep(RETRY).await,
                }
            }
            Some(refusal) = refusals.recv() => {
                drop(listener);
                // Idle connections would be a way in.
                epoch.send_modify(|epoch| *epoch += 1);
                // The one who asked may have gone.
                let _ = refusal.closed.send(());
                sleep(refusal.span).await;
                listener = rebind(address).await;
            }
        }
    }
}

/// Binds the port again; somebody may have taken it meanwhile, so it may take more than one try.
async fn rebind(address: SocketAddr) -> TcpListener {
    loop {
        if let Ok(listener) = bind(address).and_then(TcpListener::from_std) {
            return listener;
        }
        sleep(RETRY).await;
    }
}
