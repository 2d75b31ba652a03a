//! The simulated platforms, as the driver sees them.

use taskward_core::{Output, Provider};
use taskward_providers::a2a::{self, A2a, Binding};
use taskward_providers::agent_harness::{self, AgentHarness};
use taskward_providers::nanonets::{self, Nanonets};
use taskward_sim::{
    Answer, Head, Pulled, Request, Scenario, StreamId, a2a as agents, harness, nanonets as sim,
};

/// What the server counted.
#[derive(Debug, PartialEq)]
pub(crate) struct Tally {
    /// Tasks that exist.
    pub(crate) starts: u64,
    /// For each question, how many answers were applied.
    pub(crate) answers: Vec<u64>,
    /// The status of each task.
    pub(crate) statuses: Vec<String>,
}

/// A server machine and the provider that speaks to it.
pub(crate) trait Platform: Sized {
    type Provider: Provider;

    /// Whether a stream that is opened again goes on where it was: else what was said meanwhile may be lost.
    const GOES_ON: bool = true;
    /// Whether the id of a question follows from the time when it was asked.
    const DATES_QUESTIONS: bool = false;

    fn new(scenario: &Scenario, now: u64) -> Self;
    fn key(&self) -> &str;
    /// Returns the provider that speaks to it.
    fn provider() -> Self::Provider {
        Self::Provider::default()
    }
    fn endpoint(head: &Head) -> &'static str;
    fn handle(&mut self, request: Request, now: u64) -> Answer;
    fn tally(&mut self, now: u64) -> Tally;
    /// Returns what the server says of a completed task.
    fn reported(output: &<Self::Provider as Provider>::Output) -> String;

    fn pull(&mut self, _stream: StreamId, _now: u64) -> Pulled {
        panic!("there are no streams here")
    }

    fn close(&mut self, _stream: StreamId) {}

    /// Returns when something is due.
    fn next_change(&self) -> u64 {
        u64::MAX
    }
}

fn words(output: &impl Output) -> String {
    format!("{:?} {:?}", output.text(), output.json())
}

impl Platform for sim::Server {
    type Provider = Nanonets;

    fn new(scenario: &Scenario, now: u64) -> Self {
        Self::new(7, scenario, now)
    }

    fn key(&self) -> &str {
        self.api_key()
    }

    fn endpoint(head: &Head) -> &'static str {
        Self::endpoint(head).0
    }

    fn handle(&mut self, request: Request, now: u64) -> Answer {
        Answer::Whole(self.handle(request, now))
    }

    fn tally(&mut self, now: u64) -> Tally {
        self.advance(now);
        let stats = self.stats();
        Tally {
            starts: stats.starts,
            answers: stats.questions.iter().map(|asked| asked.answers).collect(),
            statuses: stats
                .per_task
                .into_values()
                .map(|task| task.status)
                .collect(),
        }
    }

    fn reported(output: &nanonets::Answer) -> String {
        words(output)
    }
}

impl Platform for harness::Server {
    type Provider = AgentHarness;

    fn new(scenario: &Scenario, now: u64) -> Self {
        Self::new(7, scenario, now)
    }

    fn key(&self) -> &str {
        self.api_key()
    }

    fn endpoint(head: &Head) -> &'static str {
        Self::endpoint(head).0
    }

    fn handle(&mut self, request: Request, now: u64) -> Answer {
        self.handle(request, now)
    }

    fn tally(&mut self, now: u64) -> Tally {
        self.advance(now);
        let stats = self.stats();
        // A signal that came again under its key is the same one.
        let own = |wait: &harness::WaitStats| wait.received - wait.replayed;
        for wait in &stats.waits {
            assert!(wait.applied <= 1 && own(wait) <= 1, "{wait:?}");
        }
        Tally {
            starts: stats.starts,
            answers: stats.waits.iter().map(|wait| wait.applied).collect(),
            statuses: stats.per_run.into_values().map(|run| run.status).collect(),
        }
    }

    fn reported(output: &agent_harness::Answer) -> String {
        format!("confirmed {} {}", output.is_confirmed(), words(output))
    }

    fn pull(&mut self, stream: StreamId, now: u64) -> Pulled {
        self.pull(stream, now)
    }

    fn close(&mut self, stream: StreamId) {
        self.close(stream);
    }

    fn next_change(&self) -> u64 {
        self.next_change().unwrap_or(u64::MAX)
    }
}

impl Platform for agents::Server {
    type Provider = A2a;

    const GOES_ON: bool = false;
    const DATES_QUESTIONS: bool = true;

    fn new(scenario: &Scenario, now: u64) -> Self {
        Self::new(7, scenario, now)
    }

    fn key(&self) -> &str {
        self.api_key()
    }

    fn provider() -> A2a {
        let agent = A2a::at(Binding::HttpJson, "/agents/script/rest").expect("a path");
        agent.with_streaming(true)
    }

    fn endpoint(head: &Head) -> &'static str {
        Self::endpoint(head).0
    }

    fn handle(&mut self, request: Request, now: u64) -> Answer {
        match self.handle(request, now) {
            Answer::Later { id } => {
                let reply = self.late_reply(id, now);
                Answer::Whole(reply.expect("these agents reply at once"))
            }
            other => other,
        }
    }

    fn tally(&mut self, now: u64) -> Tally {
        self.advance(now);
        let stats = self.stats();
        Tally {
            starts: stats.starts,
            answers: stats.questions.iter().map(|asked| asked.answers).collect(),
            statuses: stats
                .per_task
                .into_values()
                .map(|task| task.state)
                .collect(),
        }
    }

    fn reported(output: &a2a::Answer) -> String {
        words(output)
    }

    fn pull(&mut self, stream: StreamId, now: u64) -> Pulled {
        self.pull(stream, now)
    }

    fn close(&mut self, stream: StreamId) {
        self.close(stream);
    }

    fn next_change(&self) -> u64 {
        self.next_change().unwrap_or(u64::MAX)
    }
}
