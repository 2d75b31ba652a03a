//! What a simulated platform is.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use serde_json::Value;

use crate::message::{Answer, Head, Pulled, Reply, Request, StreamId};
use crate::routes::Serves;
use crate::scenario::Scenario;

/// A platform's server as a pure machine: what is asked of it, and what is true in it.
///
/// A platform implements this in a folder of its own, and a line in [`PLATFORMS`](crate::platforms::PLATFORMS) registers
/// it; nothing else asks which one it is.
pub trait SimPlatform: Any + Debug + Send {
    /// Returns the key that it takes.
    fn api_key(&self) -> &str;

    /// Returns what a request would do.
    fn effect(request: &Request) -> Effect
    where
        Self: Sized;

    /// Refuses what the head alone condemns, so that no body needs to be read.
    ///
    /// # Errors
    /// With the reply that refuses.
    fn admit(&self, head: &Head) -> Result<(), Reply>;

    /// Answers a request.
    fn handle(&mut self, request: Request, now: u64) -> Answer;

    /// Returns a reply that was yet to come, once it is there.
    fn late_reply(&mut self, _reply: StreamId, _now: u64) -> Option<Reply> {
        None
    }

    /// Returns what an open stream has to send.
    fn pull(&mut self, _stream: StreamId, _now: u64) -> Pulled {
        Pulled::End
    }

    /// Forgets a stream, or a reply that is yet to come, whose client went away.
    fn close(&mut self, _stream: StreamId) {}

    /// Does what is due.
    fn advance(&mut self, now: u64);

    /// Returns when something happens by itself next.
    fn next_change(&self) -> Option<u64>;

    /// Returns what is true now, whatever reads show.
    fn account(&mut self, now: u64) -> ServerState;

    /// Returns the places of all events of a task that can be seen now, oldest first; none where there are no events.
    fn events(&self, _task: &str) -> Vec<u64> {
        Vec::new()
    }

    /// Somebody else does this; whether it could be done.
    fn interfere(&mut self, task: &str, meddling: &Interference, now: u64) -> bool;

    /// Does what a human does in the platform's own pages, asked for under `/_sim/dashboard`; `None` when no action has
    /// this path.
    fn operate(&mut self, path: &[&str], body: &[u8], now: u64) -> Option<Result<Reply, Reply>>;

    /// Returns what of a scenario is in force, by the tables of its file.
    fn in_force(&self) -> Value;

    /// Adds what a scenario file says; switches and agents that it does not name stay as they are.
    ///
    /// # Errors
    /// When the text is none that [`Scenario::parse`] takes; it may be applied in part then.
    fn add(&mut self, text: &str, now: u64) -> Result<(), String>;

    /// Removes what a scenario added to a table under this name; `None` when no table of this platform has names.
    fn remove(&mut self, table: &str, name: &str, now: u64) -> Option<Result<(), String>>;

    /// Returns whether this endpoint polls one task, which moves a manual clock.
    fn is_poll(&self, endpoint: &str) -> bool;

    /// Returns the task that a request to this endpoint made, by its reply.
    fn made_task(&self, endpoint: &str, reply: &Reply) -> Option<String>;

    /// Returns an earlier reply as one to the request that has this reply now.
    fn restated(&self, earlier: &Reply, _reply: &Reply) -> Reply {
        earlier.clone()
    }

    /// Returns a page of a list as one that leads back to the first.
    fn looped(&self, reply: Reply) -> Reply;

    /// Returns the longest file that it takes.
    fn max_file_bytes(&self) -> Option<u64> {
        None
    }

    /// Adds what it has counted to the statistics.
    fn add_stats(&self, stats: &mut Value);

    /// Returns how to reach it at this URL.
    fn access(&self, url: &str) -> Value;
}

/// What is known of a platform before there is a server.
#[derive(Debug)]
pub struct Registered {
    /// Its name, as a fault's `on` has it.
    pub name: &'static str,
    /// What the names of its environment variables begin with.
    pub prefix: &'static str,
    /// Whether it answers for a path.
    pub owns: fn(&str) -> bool,
    /// Whether it has an endpoint of this name.
    pub has: fn(&str) -> bool,
    /// The endpoint of a request, and the task that its path names.
    pub endpoint: fn(&Head) -> (&'static str, Option<String>),
    /// The endpoint whose requests name another one in their bodies, if there is one.
    pub envelope: Option<Envelope>,
    /// What an endpoint of this name answers with.
    pub serves: fn(&str) -> Serves,
    /// What `/_sim/dashboard` can do there.
    pub routes: &'static [&'static str],
    /// The tables of a scenario file that are its own.
    pub tables: &'static [&'static str],
    /// Reads them: what [`Scenario::of`] gives to its server.
    pub settings: fn(&str) -> Result<Arc<dyn Any + Send + Sync>, toml::de::Error>,
    /// Makes a server, from a seed and a scenario, at this time.
    pub server: fn(u64, &Scenario, u64) -> Box<dyn SimPlatform>,
}

/// An endpoint whose requests name another one in their bodies, as those of JSON-RPC do.
#[derive(Debug, Clone, Copy)]
pub struct Envelope {
    /// Its name.
    pub endpoint: &'static str,
    /// The endpoint that a body is for, and the task that it names.
    pub operation: fn(&[u8]) -> (&'static str, Option<String>),
}

/// What a request does to its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// It makes a task.
    Start,
    /// It answers a question or sends a message.
    Answer,
    /// It stops a task.
    Cancel,
    /// It reads the status of a task, and nothing else.
    Status,
    /// It reads something else.
    Read,
    /// It opens a stream.
    Stream,
}

impl Effect {
    /// Returns whether it changes something.
    #[must_use]
    pub fn is_write(self) -> bool {
        match self {
            Self::Start | Self::Answer | Self::Cancel => true,
            Self::Status | Self::Read | Self::Stream => false,
        }
    }

    /// Returns its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Answer => "answer",
            Self::Cancel => "cancel",
            Self::Status => "status",
            Self::Read => "read",
            Self::Stream => "stream",
        }
    }
}

/// What is true on a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerState {
    /// Every task, oldest first.
    pub tasks: Vec<TaskAccount>,
    /// Every question there ever was, oldest first.
    pub questions: Vec<QuestionAccount>,
}

/// A task on its server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskAccount {
    /// Its id.
    pub id: String,
    /// Its state.
    pub standing: TaskStanding,
    /// Its answer in words, once it completed, where a read gives it in the same words.
    pub answer: Option<String>,
}

/// A question on its server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuestionAccount {
    /// The task that asks.
    pub task: String,
    /// Its id, as the client knows it.
    pub id: String,
    /// What it says, on a platform whose questions are words.
    pub text: Option<String>,
    /// How many answers were applied to it.
    pub answers: u64,
    /// Whether it waits for one.
    pub is_open: bool,
}

/// The state of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TaskStanding {
    /// It continues.
    Going,
    /// It waits for an answer.
    Waiting,
    /// It waits for somebody in the platform's own pages.
    Review,
    /// It completed.
    Completed,
    /// It failed.
    Failed,
    /// It was stopped.
    Stopped,
}

/// What somebody else does to a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interference {
    /// Another client of the same account answers its question.
    AnswerByClient,
    /// A human answers its question in the dashboard.
    AnswerInDashboard,
    /// A human approves it in the dashboard.
    Approve,
    /// A human stops it in the dashboard.
    Stop,
    /// The agent, or whoever edits what it said, puts its question otherwise.
    Reword,
    /// The agent asks something else behind its question.
    AskMore,
}
