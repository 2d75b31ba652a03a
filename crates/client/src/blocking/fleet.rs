//! Many tasks as one iterator of their events: a few threads that take the next step of the fleet in turn.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use taskward_core::{
    Answer, Error, ErrorKind, MessageNo, Provider, Question, QuestionId, Snapshot, Status, TaskId,
};

use super::exchange::exchange;
use crate::client::{Blocking, Client};
use crate::driver::NewExchange;
use crate::fleet::{FleetDriver, FleetEffect, FleetReport, Save, Sender};
use crate::run::Run;
use crate::transport::BlockingTransport;

/// How many threads a fleet has unless it is told otherwise.
const THREADS: usize = 4;
/// How many reports are kept for a caller who takes none, before the threads wait.
const MOST_REPORTS: usize = 256;

impl<P: Provider, T: BlockingTransport> Client<P, T, Blocking> {
    /// Returns a fleet without tasks: it follows many tasks of this client's server with a few threads, and reports what
    /// happens to each with the caller's key of it.
    ///
    /// A fleet is for thousands of tasks. It takes about a kilobyte for each; it polls, and opens no event streams.
    ///
    /// ```no_run
    /// # use taskward_client::{BlockingClient, FleetEvent, transport::BlockingTransport};
    /// # use taskward_core::{Answer, Error, Event, Provider};
    /// # fn follow<P: Provider, T: BlockingTransport>(client: BlockingClient<P, T>, ids: Vec<String>) -> Result<(), Error> {
    /// let fleet = client.fleet();
    /// for (key, id) in ids.into_iter().enumerate() {
    ///     fleet.add(key, client.attach(id))?;
    /// }
    /// while let Some((key, report)) = fleet.next() {
    ///     match report {
    ///         FleetEvent::Event(event) => match event.event {
    ///             Event::Question(question) => fleet.answer(&key, &question.id, Answer::text("EUR"))?,
    ///             other => println!("{key}: {other:?}"),
    ///         },
    ///         FleetEvent::Ended(outcome) => println!("{key}: {}", outcome.code()),
    ///         FleetEvent::NotSaved(error) => eprintln!("{key}: {error}"),
    ///         _ => {}
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn fleet<K: Clone + Ord + Send + 'static>(&self) -> BlockingFleet<K, P, T> {
        let state = State {
            driver: FleetDriver::new(THREADS, self.inner().journal.clone()),
            reports: VecDeque::new(),
            threads: 0,
            most_threads: THREADS,
            is_over: false,
            panic: None,
        };
        BlockingFleet(Arc::new(Shared {
            client: self.clone(),
            state: Mutex::new(state),
            work: Condvar::new(),
            news: Condvar::new(),
        }))
    }
}

/// Many tasks that are followed together, from [`Client::fleet`]: the caller's keys with what happened, one after the other.
///
/// Its threads begin with the first task. No task starves: see [`Fleet`](taskward_core::Fleet), whose bound
/// [`worst_lateness`](Self::worst_lateness) observes. All methods take `&self`, so that one thread can wait in
/// [`next`](Self::next) while another one answers.
///
/// Dropping the fleet ends the following of all its tasks, which keep running, and waits for nothing: an exchange that is
/// under way ends on its thread, within its own limits, and its reply is lost. To end without that, [`stop`](Self::stop) it
/// and take what it still reports.
pub struct BlockingFleet<K, P, T>(Arc<Shared<K, P, T>>)
where
    K: Clone + Ord + Send + 'static,
    P: Provider,
    T: BlockingTransport;

struct Shared<K, P: Provider, T: BlockingTransport> {
    client: Client<P, T, Blocking>,
    state: Mutex<State<K, P>>,
    /// There may be something to do for a thread.
    work: Condvar,
    /// There may be something to report.
    news: Condvar,
}

struct State<K, P: Provider> {
    driver: FleetDriver<K, P>,
    reports: VecDeque<FleetReport<K, P>>,
    threads: usize,
    most_threads: usize,
    /// Whether the threads are to end.
    is_over: bool,
    /// The panic of a journal or of a hook.
    panic: Option<Box<dyn Any + Send>>,
}

type Locked<'a, K, P> = MutexGuard<'a, State<K, P>>;

impl<K, P, T> Shared<K, P, T>
where
    K: Clone + Ord + Send + 'static,
    P: Provider,
    T: BlockingTransport,
{
    fn lock(&self) -> Locked<'_, K, P> {
        // A panic ends the fleet: it is passed on, and no step is taken after it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(condition: &Condvar, state: Locked<'a, K, P>) -> Locked<'a, K, P> {
        let waited = condition.wait(state);
        waited.unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the threads that are missing.
    ///
    /// # Errors
    /// When there is not a single one.
    fn start_threads(self: &Arc<Self>) -> Result<(), Error> {
        let mut state = self.lock();
        while state.threads < state.most_threads && !state.is_over {
            let shared = self.clone();
            let thread = std::thread::Builder::new().name("taskward-fleet".to_owned());
            match thread.spawn(move || shared.work()) {
                Ok(_) => state.threads += 1,
                // The others do its work.
                Err(_) if state.threads > 0 => break,
                Err(error) => {
                    let text = "the fleet could not start a thread";
                    return Err(Error::new(ErrorKind::Local, text).with_source(Box::new(error)));
                }
            }
        }
        Ok(())
    }

    /// The work of a thread, until the fleet is dropped.
    fn work(&self) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.take_steps())) {
            let mut state = self.lock();
            state.panic.get_or_insert(panic);
            state.is_over = true;
            self.work.notify_all();
            self.news.notify_all();
        }
    }

    fn take_steps(&self) {
        let transport = self.client.transport();
        let mut state = self.lock();
        while !state.is_over {
            if state.reports.len() >= MOST_REPORTS {
                state = Self::wait(&self.work, state);
                continue;
            }
            let budget = &self.client.inner().budget;
            match state.driver.next_effect(transport.now(), budget) {
                FleetEffect::Save(save) => {
                    drop(state);
                    state = self.save(save);
                }
                FleetEffect::Send(sender, new) => {
                    drop(state);
                    state = self.exchange(sender, new);
                }
                FleetEffect::Report(key, event) => {
                    state.reports.push_back((key, event));
                    self.news.notify_one();
                }
                FleetEffect::AtRest => {
                    self.news.notify_all();
                    state = Self::wait(&self.work, state);
                }
                FleetEffect::Wait(until) => {
                    let left = transport.time_until(until);
                    let waited = self.work.wait_timeout(state, left);
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
    }

    fn save(&self, save: Save) -> Locked<'_, K, P> {
        // Another thread looks for the next step meanwhile.
        self.work.notify_one();
        let how = save.journal.record(&save.snapshot);
        let mut state = self.lock();
        let now = self.client.transport().now();
        let report = state.driver.saved(save.member, save.revision, how, now);
        if let Some(report) = report {
            state.reports.push_back(report);
            self.news.notify_one();
        }
        state
    }

    fn exchange(&self, sender: Sender, new: NewExchange) -> Locked<'_, K, P> {
        self.work.notify_one();
        let endpoint = &self.client.inner().endpoint;
        let report = exchange(endpoint, new.request, new.limits, None, new.span);
        let mut state = self.lock();
        let now = self.client.transport().now();
        state.driver.report(sender, new.id, report, now);
        state
    }
}

impl<K, P, T> BlockingFleet<K, P, T>
where
    K: Clone + Ord + Send + 'static,
    P: Provider,
    T: BlockingTransport,
{
    /// Sets how many threads there are, and with them how many exchanges at once: 4 by default. Threads that have begun do
    /// not end.
    #[must_use]
    pub fn threads(self, threads: usize) -> Self {
        let mut state = self.0.lock();
        state.most_threads = threads.max(1);
        state.driver.set_most(threads);
        drop(state);
        self
    }

    /// Takes in a task under this key: a run of this fleet's client, with its own deadlines, policy, name, journal and hook.
    /// What is to be started is started when its turn comes; files are inspected and a name is looked up before this returns.
    ///
    /// # Errors
    /// When the fleet has a task under this key or of this id, or is stopped; when the run cannot be used, is of another
    /// client, or has what a fleet has not: a handler of questions, or a review to detach at. When there is no thread.
    pub fn add(&self, key: K, run: Run<P, T, Blocking>) -> Result<(), Error> {
        let run = run.prepared()?;
        self.0.start_threads()?;
        let mut state = self.0.lock();
        state.driver.add(&self.0.client, key, run)?;
        self.0.work.notify_one();
        Ok(())
    }

    /// Waits for what happens next to any of the tasks, and returns it with the key of that; `None` once the fleet has no
    /// task, or was stopped and nothing is under way.
    ///
    /// # Panics
    /// Passes on a panic of the journal or of a hook, which ends the fleet.
    #[must_use]
    pub fn next(&self) -> Option<FleetReport<K, P>> {
        let mut state = self.0.lock();
        loop {
            if let Some(panic) = state.panic.take() {
                drop(state);
                resume_unwind(panic);
            }
            if let Some(report) = state.reports.pop_front() {
                self.0.work.notify_one();
                return Some(report);
            }
            if state.driver.fleet().is_at_rest() || state.is_over {
                return None;
            }
            state = Shared::<K, P, T>::wait(&self.0.news, state);
        }
    }

    /// Returns what [`next`](Self::next) returns, as an iterator.
    pub fn events(&self) -> impl Iterator<Item = FleetReport<K, P>> {
        std::iter::from_fn(|| self.next())
    }

    /// Answers an open question of a task; the answer is sent before the polls that are due.
    ///
    /// # Errors
    /// When the fleet has no such task any more; when no such question is open, it was answered, an answer is being sent, or
    /// it takes another kind of answer.
    pub fn answer(
        &self,
        key: &K,
        question: &QuestionId,
        answer: impl Into<Answer>,
    ) -> Result<(), Error> {
        let answer = answer.into();
        self.request(|driver, now| driver.answer(key, question, answer, now))
    }

    /// Sends a message to a task.
    ///
    /// # Errors
    /// When the fleet has no such task any more, the provider does not support it, or the task is over.
    pub fn send_message(&self, key: &K, text: impl Into<String>) -> Result<MessageNo, Error> {
        let text = text.into();
        self.request(|driver, now| driver.send_message(key, text, now))
    }

    /// Requests the cancellation of a task; its outcome says whether it was stopped.
    ///
    /// # Errors
    /// When the fleet has no such task any more, or the provider does not support it.
    pub fn cancel(&self, key: &K) -> Result<(), Error> {
        self.request(|driver, now| driver.cancel(key, now))
    }

    /// Takes a task out, which keeps running, and returns its state, to be [resumed](Client::resume). The reply to an exchange
    /// that is under way is lost: a start whose reply did not come yet is of unknown outcome then. Nothing is stored: the last
    /// events are in the returned state, and perhaps not in the journal. Events that were not taken yet are still returned.
    pub fn remove(&self, key: &K) -> Option<Snapshot> {
        let mut state = self.0.lock();
        let (_, snapshot) = state.driver.remove(key)?;
        // Whoever waits for the last task waits no longer.
        self.0.news.notify_all();
        Some(snapshot)
    }

    /// Begins no request any more, and takes no task in. Take what [`next`](Self::next) still reports, until `None`: what is
    /// under way ends, every state is stored, and a start of which nothing was sent ends as
    /// [`NotStarted`](taskward_core::Outcome::NotStarted). Then [`into_snapshots`](Self::into_snapshots) returns the tasks.
    pub fn stop(&self) {
        self.request(|driver, now| driver.stop(now));
        self.0.work.notify_all();
        self.0.news.notify_all();
    }

    /// Returns the state of every task that is left, by which it can be [resumed](Client::resume).
    #[must_use]
    pub fn into_snapshots(self) -> Vec<(K, Snapshot)> {
        self.0.lock().driver.snapshots()
    }

    /// Returns how many tasks the fleet has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.lock().driver.fleet().len()
    }

    /// Returns whether the fleet has no task.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the keys of the tasks, in their order.
    #[must_use]
    pub fn keys(&self) -> Vec<K> {
        self.0.lock().driver.fleet().keys().cloned().collect()
    }

    /// Returns the id of a task, once it has one.
    #[must_use]
    pub fn id(&self, key: &K) -> Option<TaskId> {
        self.0.lock().driver.id(key).cloned()
    }

    /// Returns the last status of a task.
    #[must_use]
    pub fn status(&self, key: &K) -> Option<Status> {
        self.0.lock().driver.status(key).cloned()
    }

    /// Returns the questions of a task that can be answered now.
    #[must_use]
    pub fn questions(&self, key: &K) -> Vec<Question> {
        self.0.lock().driver.questions(key).cloned().collect()
    }

    /// Returns for how long the task has been due that has been due for longest; zero if none is.
    #[must_use]
    pub fn lateness(&self) -> Duration {
        let now = self.0.client.transport().now();
        let due = self.0.lock().driver.fleet().oldest_due();
        due.map_or(Duration::ZERO, |due| now.since(due))
    }

    /// Returns the longest time that any task was due before its turn came.
    #[must_use]
    pub fn worst_lateness(&self) -> Duration {
        self.0.lock().driver.fleet().worst_lateness()
    }

    /// Passes on a request of the application, and has a thread look what it makes necessary.
    fn request<R>(
        &self,
        request: impl FnOnce(&mut FleetDriver<K, P>, taskward_core::Timestamp) -> R,
    ) -> R {
        let now = self.0.client.transport().now();
        let result = request(&mut self.0.lock().driver, now);
        self.0.work.notify_one();
        result
    }
}

impl<K, P, T> Drop for BlockingFleet<K, P, T>
where
    K: Clone + Ord + Send + 'static,
    P: Provider,
    T: BlockingTransport,
{
    fn drop(&mut self) {
        self.0.lock().is_over = true;
        self.0.work.notify_all();
    }
}

impl<K, P, T> fmt::Debug for BlockingFleet<K, P, T>
where
    K: Clone + Ord + Send + 'static,
    P: Provider,
    T: BlockingTransport,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingFleet")
            .field("client", &self.0.client)
            .field("tasks", &self.len())
            .finish_non_exhaustive()
    }
}
