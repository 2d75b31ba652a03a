//! One run of a scenario through one adapter and a proxy that may let one operation fail.

use std::collections::BTreeMap;
use std::time::Duration;

use taskward::a2a::{self, A2a};
use taskward::agent_harness::{self, AgentHarness};
use taskward::core::{Answered, Output, Provider, Question};
use taskward::nanonets::{self, Nanonets};
use taskward::question::QuestionId;
use taskward::{Answer, Error, Event, Outcome, Policy, RunResult};
use taskward_sim::{Head, Scenario as File, Sim, harness};
use tokio::runtime::Runtime;

use crate::proxy::{Fault, Operation, Proxy};

/// The longest silence of a stream, by the client's clock.
const STREAM_SILENCE: Duration = Duration::from_secs(20);

/// What the server counted.
#[derive(Debug, PartialEq)]
pub(crate) struct Tally {
    pub(crate) starts: u64,
    /// For each question, how many answers were applied.
    pub(crate) answers: Vec<u64>,
}

/// A provider with its simulated server.
pub(crate) trait Simulated: Provider {
    /// Whether a stream that is opened again goes on where it was: else what was said meanwhile may be lost.
    const GOES_ON: bool = true;
    /// How many times as fast as the world the client's clock runs.
    const SPEED: u32;
    /// The longest silence of an exchange where one is to time out, by the world's clock.
    const SILENCE: Duration;

    fn sim(file: &str) -> Sim;
    fn key(sim: &Sim) -> String;
    fn endpoint(head: &Head, body: &[u8]) -> &'static str;
    fn tally(sim: &Sim) -> Tally;
    fn reported(output: &Self::Output) -> String;
}

impl Simulated for Nanonets {
    const SPEED: u32 = 400;
    const SILENCE: Duration = Duration::from_millis(1_000);

    /// Returns a simulator whose time moves with each poll, so that every run makes the same requests.
    fn sim(file: &str) -> Sim {
        let file = File::parse(file).expect("a scenario");
        let builder = Sim::builder().seed(7).scenario(file);
        let builder = builder.manual_clock(Duration::from_secs(1));
        builder.spawn().expect("a simulator")
    }

    fn key(sim: &Sim) -> String {
        sim.nanonets().api_key
    }

    fn endpoint(head: &Head, _: &[u8]) -> &'static str {
        taskward_sim::nanonets::Server::endpoint(head).0
    }

    fn tally(sim: &Sim) -> Tally {
        let stats = sim.stats();
        Tally {
            starts: stats.starts,
            answers: stats.questions.iter().map(|asked| asked.answers).collect(),
        }
    }

    fn reported(output: &nanonets::Answer) -> String {
        format!("{:?} {:?}", output.text(), output.json())
    }
}

impl Simulated for AgentHarness {
    const SPEED: u32 = 50;
    /// So short that the end of a run, which is to be read within half a minute, can be read again.
    const SILENCE: Duration = Duration::from_millis(400);

    fn sim(file: &str) -> Sim {
        let file = File::parse(file).expect("a scenario");
        let builder = Sim::builder().seed(7).scenario(file);
        let builder = builder.speed(f64::from(Self::SPEED));
        builder.spawn().expect("a simulator")
    }

    fn key(sim: &Sim) -> String {
        sim.harness().api_key
    }

    fn endpoint(head: &Head, _: &[u8]) -> &'static str {
        harness::Server::endpoint(head).0
    }

    fn tally(sim: &Sim) -> Tally {
        let stats = sim.harness_stats();
        // A signal that came again under its key is the same one.
        let own = |wait: &harness::WaitStats| wait.received - wait.replayed;
        for wait in &stats.waits {
            assert!(wait.applied <= 1 && own(wait) <= 1, "{wait:?}");
        }
        Tally {
            starts: stats.starts,
            answers: stats.waits.iter().map(|wait| wait.applied).collect(),
        }
    }

    fn reported(output: &agent_harness::Answer) -> String {
        format!("confirmed {}", output.is_confirmed())
    }
}

impl Simulated for A2a {
    const GOES_ON: bool = false;
    const SPEED: u32 = 50;
    const SILENCE: Duration = Duration::from_millis(400);

    fn sim(file: &str) -> Sim {
        AgentHarness::sim(file)
    }

    fn key(sim: &Sim) -> String {
        sim.a2a().api_key
    }

    /// Returns what a message is for, in place of its endpoint's name, and over JSON-RPC what the body says.
    fn endpoint(head: &Head, body: &[u8]) -> &'static str {
        let endpoint = match taskward_sim::a2a::Server::endpoint(head).0 {
            "rpc" => taskward_sim::a2a::Server::operation(body).0,
            other => other,
        };
        let has_task = body.windows(8).any(|word| word == b"\"taskId\"");
        match endpoint {
            "send_message" if has_task => "answer",
            "send_message" | "send_streaming_message" => "start",
            other => other,
        }
    }

    fn tally(sim: &Sim) -> Tally {
        let stats = sim.a2a_stats();
        Tally {
            starts: stats.starts,
            answers: stats.questions.iter().map(|asked| asked.answers).collect(),
        }
    }

    fn reported(output: &a2a::Answer) -> String {
        format!("{:?} {:?}", output.text(), output.json())
    }
}

/// What is run, and what a human does meanwhile.
pub(crate) struct Scenario<P: Simulated> {
    pub(crate) name: &'static str,
    pub(crate) provider: P,
    /// The simulator's switches.
    pub(crate) file: &'static str,
    pub(crate) job: fn(&Sim) -> P::Job,
    pub(crate) answer: fn(&Question) -> Answer,
    /// The endpoint from whose first exchange on operations fail: what comes before is another scenario's.
    pub(crate) from: &'static str,
    /// Whether the task is cancelled as soon as it has started.
    pub(crate) cancels: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Adapter {
    Hyper,
    Ureq,
}

/// What a run left behind.
#[derive(Debug, PartialEq)]
pub(crate) struct Record {
    pub(crate) end: String,
    /// The provider's own events, where they are numbered: `SEQ TYPE`.
    pub(crate) log: Vec<String>,
    /// What else was reported, except statuses, retries and acknowledgements: which are seen depends on when the task is polled.
    pub(crate) reported: Vec<String>,
    pub(crate) tally: Tally,
}

/// A run, and what passed the proxy.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) record: Record,
    pub(crate) operations: Vec<Operation>,
    /// Whether the operation that was to fail was met.
    pub(crate) struck: bool,
}

/// What the human does about an event.
enum Reaction {
    Nothing,
    Answer(QuestionId, Answer),
    Cancel,
    Leave,
}

struct Stage<'a, P: Simulated> {
    scenario: &'a Scenario<P>,
    sim: Sim,
    proxy: Proxy,
    policy: Policy,
    log: Vec<String>,
    reported: Vec<String>,
    /// What was told of each output, as who shows it puts it together.
    told: BTreeMap<String, String>,
}

/// Runs a scenario through an adapter, failing what the target says.
pub(crate) fn run<P: Simulated>(
    adapter: Adapter,
    scenario: &Scenario<P>,
    target: Option<(Operation, Fault)>,
    runtime: &Runtime,
) -> Run {
    let sim = P::sim(scenario.file);
    let mut policy = Policy::default();
    policy.limits.stream_idle = STREAM_SILENCE;
    if matches!(target, Some((_, Fault::Timeout))) {
        policy.limits.status_head = P::SILENCE;
        policy.limits.head = P::SILENCE;
        policy.limits.upload_head = P::SILENCE;
        policy.limits.idle = P::SILENCE;
    }
    let mut stage = Stage {
        scenario,
        proxy: Proxy::new(runtime, sim.address(), P::endpoint, target),
        sim,
        policy,
        log: Vec::new(),
        reported: Vec::new(),
        told: BTreeMap::new(),
    };
    let end = match adapter {
        Adapter::Hyper => runtime.block_on(stage.through_hyper()),
        Adapter::Ureq => stage.through_ureq(),
    };
    let end = end.map_or_else(|error| format!("error {error}"), describe::<P>);
    if end.starts_with("succeeded") {
        for text in stage.told.values().filter(|text| !text.is_empty()) {
            let shown = format!("{text:?}");
            assert!(
                end.contains(shown.trim_matches('"')),
                "{shown} is told, and it {end}"
            );
        }
    }
    let record = Record {
        end,
        log: stage.log,
        reported: stage.reported,
        tally: P::tally(&stage.sim),
    };
    Run {
        record,
        operations: stage.proxy.operations(),
        struck: stage.proxy.has_struck(),
    }
}

impl<P: Simulated> Stage<'_, P> {
    async fn through_hyper(&mut self) -> Result<Option<RunResult<P::Output>>, Error> {
        let client = taskward::Client::<P>::builder()
            .api_key(P::key(&self.sim).into())
            .base_url(&self.proxy.url())
            .policy(self.policy.clone())
            .speed(P::SPEED)
            .build()?
            .with_provider(self.scenario.provider.clone());
        let job = (self.scenario.job)(&self.sim);
        let mut running = client.run(job).start().await?;
        while let Some(event) = running.next().await? {
            match self.react(&event) {
                Reaction::Nothing => {}
                Reaction::Answer(question, answer) => {
                    running.answer(&question, answer).expect("it is open");
                }
                Reaction::Cancel => running.cancel()?,
                Reaction::Leave => return Ok(None),
            }
        }
        running.wait().await.map(Some)
    }

    fn through_ureq(&mut self) -> Result<Option<RunResult<P::Output>>, Error> {
        let client = taskward::blocking::Client::<P>::builder()
            .api_key(P::key(&self.sim).into())
            .base_url(&self.proxy.url())
            .policy(self.policy.clone())
            .speed(P::SPEED)
            .build()?
            .with_provider(self.scenario.provider.clone());
        let job = (self.scenario.job)(&self.sim);
        let mut running = client.run(job).start()?;
        while let Some(event) = running.next()? {
            match self.react(&event) {
                Reaction::Nothing => {}
                Reaction::Answer(question, answer) => {
                    running.answer(&question, answer).expect("it is open");
                }
                Reaction::Cancel => running.cancel()?,
                Reaction::Leave => return Ok(None),
            }
        }
        running.wait().map(Some)
    }

    fn react(&mut self, event: &Event) -> Reaction {
        let (line, reaction) = match event {
            Event::Provider(event) => {
                if let Some(seq) = event.seq {
                    self.log.push(format!("{} {}", seq.0, event.name));
                }
                return Reaction::Nothing;
            }
            Event::Retrying { .. } => {
                self.proxy.reopen();
                return Reaction::Nothing;
            }
            Event::PossibleGap if !P::GOES_ON => return Reaction::Nothing,
            Event::Output(piece) => {
                let text = self.told.entry(piece.artifact.clone()).or_default();
                if !piece.append {
                    text.clear();
                }
                text.push_str(&piece.text);
                return Reaction::Nothing;
            }
            Event::Status(_) | Event::Cancelling => return Reaction::Nothing,
            Event::Created { .. } if self.scenario.cancels => ("started", Reaction::Cancel),
            Event::Created { .. } => ("started", Reaction::Nothing),
            Event::Question(question) => {
                let answer = (self.scenario.answer)(question);
                ("question", Reaction::Answer(question.id.clone(), answer))
            }
            Event::Answered { how, .. } => match how {
                Answered::Applied => ("applied", Reaction::Nothing),
                Answered::Unknown => ("unknown", Reaction::Leave),
                _ => ("not applied", Reaction::Nothing),
            },
            other => {
                self.reported.push(format!("{other:?}"));
                return Reaction::Nothing;
            }
        };
        self.reported.push(line.to_owned());
        reaction
    }
}

fn describe<P: Simulated>(end: Option<RunResult<P::Output>>) -> String {
    match end {
        None => "left answer unknown".to_owned(),
        Some(RunResult::Detached(left)) => format!("left {:?}", left.reason),
        Some(RunResult::Ended(outcome)) => match outcome {
            Outcome::Succeeded { output, .. } => format!("succeeded {}", P::reported(&output)),
            Outcome::Stopped {
                by, failure: fault, ..
            } => format!("stopped by {by:?} {:?}", fault.reason),
            Outcome::Failed { failure: fault, .. } => {
                format!("failed {:?} {:?}", fault.reason, fault.message)
            }
            Outcome::Unknown { likely: true, .. } => "likely started".to_owned(),
            other => other.code().to_owned(),
        },
    }
}
