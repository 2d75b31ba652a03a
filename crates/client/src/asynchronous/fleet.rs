//! Many tasks as one stream of their events.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use taskward_core::{
    Answer, BoxError, Error, ExchangeId, MemberId, MessageNo, Provider, Question, QuestionId,
    Revision, Snapshot, Status, TaskId, Timestamp,
};

use super::exchange::{Exchange, Report};
use super::slots::Slots;
use super::work::{Lost, Work};
use crate::client::{Async, Client};
use crate::fleet::{FleetDriver, FleetEffect, FleetReport, Save, Sender};
use crate::reply::StreamMode;
use crate::run::Run;
use crate::transport::AsyncTransport;

impl<P: Provider, T: AsyncTransport> Client<P, T, Async> {
    /// Returns a fleet without tasks: it follows many tasks of this client's server in one future, and reports what happens
    /// to each with the caller's key of it.
    ///
    /// A fleet is for thousands of tasks. It takes about a kilobyte for each, and so many connections at once as the client
    /// has; it polls, and opens no event streams.
    ///
    /// ```no_run
    /// # use taskward_client::{AsyncClient, FleetEvent, transport::AsyncTransport};
    /// # use taskward_core::{Answer, Error, Event, Provider};
    /// # async fn follow<P: Provider, T: AsyncTransport>(client: AsyncClient<P, T>, ids: Vec<String>) -> Result<(), Error> {
    /// let mut fleet = client.fleet();
    /// for (key, id) in ids.into_iter().enumerate() {
    ///     fleet.add(key, client.attach(id)).await?;
    /// }
    /// while let Some((key, report)) = fleet.next().await {
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
    pub fn fleet<K: Clone + Ord>(&self) -> AsyncFleet<K, P, T> {
        let inner = self.inner();
        AsyncFleet {
            driver: FleetDriver::new(inner.endpoint.turns.most(), inner.journal.clone()),
            client: self.clone(),
            jobs: Slots::new(),
            sleep: None,
        }
    }
}

/// Many tasks that are followed together, from [`Client::fleet`]: a stream of the caller's keys with what happened.
///
/// It makes progress while it is polled. What it costs to poll depends on how many exchanges have moved, and not on how many
/// tasks or exchanges there are. No task starves: see [`Fleet`](taskward_core::Fleet), whose bound
/// [`worst_lateness`](Self::worst_lateness) observes.
///
/// # Cancel safety
/// Dropping the future of [`next`](Self::next) loses nothing: exchanges go on when the next one is polled. Dropping the fleet
/// ends the following of all its tasks at once, which keep running; a start that was on its way is of unknown outcome. To end
/// without that, [`stop`](Self::stop) it and take what it still reports.
pub struct AsyncFleet<K, P: Provider, T: AsyncTransport> {
    client: Client<P, T, Async>,
    driver: FleetDriver<K, P>,
    jobs: Slots<Job<T>>,
    sleep: Option<(Timestamp, T::Wait)>,
}

/// What is under way.
enum Job<T: AsyncTransport> {
    Exchange(Sender, ExchangeId, Box<Exchange<T>>),
    Save(MemberId, Revision, Work<Result<(), BoxError>>),
}

/// How it ended.
enum Done<T: AsyncTransport> {
    Exchange(Report<T>),
    Save(Result<Result<(), BoxError>, Lost>),
}

impl<T: AsyncTransport> Job<T> {
    /// Returns whether it is under way for this task.
    fn is_of(&self, task: MemberId) -> bool {
        match self {
            Self::Exchange(sender, ..) => *sender == Sender::Task(task),
            Self::Save(member, ..) => *member == task,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Done<T>> {
        match self {
            Self::Exchange(_, _, exchange) => exchange.poll(cx).map(Done::Exchange),
            Self::Save(_, _, work) => work.poll(cx).map(Done::Save),
        }
    }
}

impl<K: Clone + Ord, P: Provider, T: AsyncTransport> AsyncFleet<K, P, T> {
    /// Sets how many exchanges are under way at once; as many as the client has connections by default.
    #[must_use]
    pub fn max_exchanges(mut self, most: usize) -> Self {
        self.driver.set_most(most);
        self
    }

    /// Takes in a task under this key: a run of this fleet's client, with its own deadlines, policy, name, journal and hook.
    /// What is to be started is started when its turn comes; files are inspected and a name is looked up before this returns.
    ///
    /// # Errors
    /// When the fleet has a task under this key or of this id, or is stopped; when the run cannot be used, is of another
    /// client, or has what a fleet has not: a handler of questions, or a review to detach at.
    ///
    /// # Cancel safety
    /// A dropped future has added nothing.
    pub async fn add(&mut self, key: K, run: Run<P, T, Async>) -> Result<(), Error> {
        let run = run.prepared().await?;
        self.driver.add(&self.client, key, run)
    }

    /// Returns what happens next to any of the tasks, with the key of it; `None` once the fleet has no task, or was stopped
    /// and nothing is under way.
    ///
    /// A panic of the journal or of a hook reaches whoever polls.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: the next one goes on where it was.
    pub async fn next(&mut self) -> Option<FleetReport<K, P>> {
        poll_fn(|cx| self.poll_report(cx)).await
    }

    /// Answers an open question of a task; the answer is sent while the fleet is polled, before the polls that are due.
    ///
    /// # Errors
    /// When the fleet has no such task any more; when no such question is open, it was answered, an answer is being sent, or
    /// it takes another kind of answer.
    pub fn answer(
        &mut self,
        key: &K,
        question: &QuestionId,
        answer: impl Into<Answer>,
    ) -> Result<(), Error> {
        let now = self.client.transport().now();
        self.driver.answer(key, question, answer.into(), now)
    }

    /// Sends a message to a task; it is sent while the fleet is polled.
    ///
    /// # Errors
    /// When the fleet has no such task any more, the provider does not support it, or the task is over.
    pub fn send_message(&mut self, key: &K, text: impl Into<String>) -> Result<MessageNo, Error> {
        let now = self.client.transport().now();
        self.driver.send_message(key, text.into(), now)
    }

    /// Requests the cancellation of a task; its outcome says whether it was stopped.
    ///
    /// # Errors
    /// When the fleet has no such task any more, or the provider does not support it.
    pub fn cancel(&mut self, key: &K) -> Result<(), Error> {
        let now = self.client.transport().now();
        self.driver.cancel(key, now)
    }

    /// Takes a task out, which keeps running, and returns its state, to be [resumed](Client::resume). An exchange under way is
    /// dropped: a start whose reply did not come yet is of unknown outcome then. Nothing is stored: the last events are in the
    /// returned state, and perhaps not in the journal.
    pub fn remove(&mut self, key: &K) -> Option<Snapshot> {
        let (member, snapshot) = self.driver.remove(key)?;
        self.jobs.retain(|job| !job.is_of(member));
        Some(snapshot)
    }

    /// Begins no request any more, and takes no task in. Take what [`next`](Self::next) still reports, until `None`: what is
    /// under way ends, every state is stored, and a start of which nothing was sent ends as
    /// [`NotStarted`](taskward_core::Outcome::NotStarted). Then [`into_snapshots`](Self::into_snapshots) returns the tasks.
    pub fn stop(&mut self) {
        self.driver.stop(self.client.transport().now());
    }

    /// Returns the state of every task that is left, by which it can be [resumed](Client::resume).
    #[must_use]
    pub fn into_snapshots(self) -> Vec<(K, Snapshot)> {
        self.driver.snapshots()
    }

    /// Returns how many tasks the fleet has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.driver.fleet().len()
    }

    /// Returns whether the fleet has no task.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.driver.fleet().is_empty()
    }

    /// Returns the keys of the tasks, in their order.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.driver.fleet().keys()
    }

    /// Returns the id of a task, once it has one.
    #[must_use]
    pub fn id(&self, key: &K) -> Option<&TaskId> {
        self.driver.id(key)
    }

    /// Returns the last status of a task.
    #[must_use]
    pub fn status(&self, key: &K) -> Option<&Status> {
        self.driver.status(key)
    }

    /// Returns the questions of a task that can be answered now.
    pub fn questions(&self, key: &K) -> impl Iterator<Item = &Question> {
        self.driver.questions(key)
    }

    /// Returns for how long the task has been due that has been due for longest; zero if none is.
    #[must_use]
    pub fn lateness(&self) -> Duration {
        let now = self.client.transport().now();
        let due = self.driver.fleet().oldest_due();
        due.map_or(Duration::ZERO, |due| now.since(due))
    }

    /// Returns the longest time that any task was due before its turn came.
    #[must_use]
    pub fn worst_lateness(&self) -> Duration {
        self.driver.fleet().worst_lateness()
    }

    fn poll_report(&mut self, cx: &mut Context<'_>) -> Poll<Option<FleetReport<K, P>>> {
        self.jobs.polled_by(cx.waker());
        loop {
            while let Some((job, done)) = self.jobs.poll_woken(Job::poll) {
                if let Some(report) = self.finish(&job, done) {
                    return Poll::Ready(Some(report));
                }
            }
            let now = self.client.transport().now();
            match self.driver.next_effect(now, &self.client.inner().budget) {
                FleetEffect::Save(save) => self.save(save),
                FleetEffect::Send(sender, new) => {
                    let endpoint = self.client.inner().endpoint.clone();
                    let (mode, id) = (StreamMode::Whole, new.id);
                    let exchange =
                        Exchange::new(endpoint, new.request, new.limits, mode, None, new.span);
                    self.jobs
                        .insert(Job::Exchange(sender, id, Box::new(exchange)));
                }
                FleetEffect::Report(key, event) => return Poll::Ready(Some((key, event))),
                FleetEffect::AtRest => return Poll::Ready(None),
                FleetEffect::Wait(until) => ready!(self.poll_until(until, cx)),
            }
        }
    }

    /// Stores a task where blocking is allowed: a durable write may take its time.
    fn save(&mut self, save: Save) {
        let Save {
            member,
            revision,
            journal,
            snapshot,
        } = save;
        let work = Work::new(self.client.transport(), move || journal.record(&snapshot));
        self.jobs.insert(Job::Save(member, revision, work));
    }

    /// Reports what is over; returns what is to be told of it.
    fn finish(&mut self, job: &Job<T>, done: Done<T>) -> Option<FleetReport<K, P>> {
        let now = self.client.transport().now();
        match (job, done) {
            (Job::Exchange(sender, id, _), Done::Exchange(report)) => {
                self.driver.report(*sender, *id, report, now);
                None
            }
            (Job::Save(member, revision, _), Done::Save(how)) => {
                // The journal is the caller's, and so is its panic.
                let how = how.unwrap_or_else(|lost| Err(lost.resume()));
                self.driver.saved(*member, *revision, how, now)
            }
            (Job::Exchange(..), Done::Save(_)) | (Job::Save(..), Done::Exchange(_)) => None,
        }
    }

    /// Resolves at this time at the latest: a timer that was set to an earlier one is not set again.
    fn poll_until(&mut self, until: Timestamp, cx: &mut Context<'_>) -> Poll<()> {
        if until == Timestamp::MAX {
            // Only what is under way can bring anything.
            self.sleep = None;
            return Poll::Pending;
        }
        let transport = self.client.transport();
        if self.sleep.as_ref().is_none_or(|(at, _)| *at > until) {
            self.sleep = Some((until, transport.sleep(transport.time_until(until))));
        }
        if let Some((_, sleep)) = &mut self.sleep {
            ready!(Pin::new(sleep).poll(cx));
        }
        self.sleep = None;
        Poll::Ready(())
    }
}

impl<K: Clone + Ord, P: Provider, T: AsyncTransport> fmt::Debug for AsyncFleet<K, P, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncFleet")
            .field("client", &self.client)
            .field("tasks", &self.len())
            .finish_non_exhaustive()
    }
}

/// Nothing in it is pinned in place.
impl<K, P: Provider, T: AsyncTransport> Unpin for AsyncFleet<K, P, T> {}

impl<K: Clone + Ord, P: Provider, T: AsyncTransport> futures_core::Stream for AsyncFleet<K, P, T> {
    type Item = FleetReport<K, P>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_report(cx)
    }
}
