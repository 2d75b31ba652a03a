//! Examines simulated platforms in virtual time.

use bytes::Bytes;
use http::StatusCode;
use taskward_core::{Body, Provider as _, Request, Response};
use taskward_providers::a2a::A2a;
use taskward_providers::agent_harness::AgentHarness;
use taskward_providers::doctor::{Examination, Examined, Finding, Recording, Scope, examine};
use taskward_providers::nanonets::Nanonets;
use taskward_sim::platform::SimPlatform;
use taskward_sim::platforms::PLATFORMS;
use taskward_sim::{Answer, Pulled, Scenario, SimBody};

/// When the simulated time begins: 2026-05-12T10:15:00Z.
const START: u64 = 1_778_580_900_000;

/// How long a stream is read.
const STREAM_MS: u64 = 10_000;

/// The prompt of whatever is in the account before.
pub(crate) const CANARY: &str = "canary-4f1c2b7e9d";

/// A simulated platform and its time.
pub(crate) struct World {
    server: Box<dyn SimPlatform>,
    pub(crate) now: u64,
    /// What becomes of each reply on its way.
    pub(crate) replies: fn(Response) -> Response,
}

impl World {
    /// Sets up the platform with this scenario.
    pub(crate) fn of<P: Examined>(scenario: &str) -> Self {
        let scenario = Scenario::parse(scenario).expect("a scenario");
        let registered = PLATFORMS.iter().find(|platform| platform.name == P::NAME);
        let registered = registered.expect("a simulated platform");
        Self {
            server: (registered.server)(7, &scenario, START),
            now: START,
            replies: |reply| reply,
        }
    }

    /// Sends one request.
    pub(crate) fn send(&mut self, request: &Request, key: Option<&str>) -> Response {
        self.now += 20;
        let target = request.target().as_str();
        let mut sent = taskward_sim::Request::new(request.method().as_str(), target);
        for (name, value) in request.headers() {
            sent = sent.header(name.as_str(), value.to_str().expect("text"));
        }
        let key = key.unwrap_or_else(|| self.server.api_key()).to_owned();
        sent = sent.header("authorization", &format!("Bearer {key}"));
        if let Body::Bytes(bytes) = request.body() {
            sent.body = SimBody::Bytes(bytes.to_vec());
        }
        let answer = match self.server.admit(&sent.head) {
            Ok(()) => self.server.handle(sent, self.now),
            Err(refused) => Answer::Whole(refused),
        };
        let reply = match answer {
            Answer::Whole(reply) => reply,
            Answer::Later { id } => loop {
                self.now += 100;
                if let Some(reply) = self.server.late_reply(id, self.now) {
                    break reply;
                }
            },
            Answer::Stream { mut head, id } => {
                let end = self.now + STREAM_MS;
                while self.now < end {
                    match self.server.pull(id, self.now) {
                        Pulled::Frames(frames) => {
                            frames
                                .into_iter()
                                .for_each(|frame| head.body.extend(frame.bytes));
                        }
                        Pulled::Pending => self.now += 100,
                        Pulled::End => break,
                    }
                }
                self.server.close(id);
                head
            }
        };
        let status = StatusCode::from_u16(reply.status).expect("a status");
        let mut response = Response::new(status, Bytes::from(reply.body));
        for (name, value) in reply.headers {
            let value = value.parse().expect("a value");
            response.head.headers.insert(name, value);
        }
        (self.replies)(response)
    }

    /// Examines it to the end.
    pub(crate) fn examine<P: Examined>(&mut self, scope: Scope) -> Examination {
        let mut examination = Examination::of::<P>(scope);
        while let Some(ask) = examination.next_step() {
            let again = examination.next_step().expect("the same");
            assert_eq!(again.request.target(), ask.request.target());
            self.now += u64::try_from(ask.wait.as_millis()).expect("a wait");
            let key = ask
                .probe
                .wrong_key
                .then_some("doctor_no_key:none-of-this-account");
            let reply = self.send(&ask.request, key);
            examination.take(&ask, Ok(&reply));
        }
        examination
    }
}

/// A start of what each simulated platform has.
pub(crate) fn start(of: &str) -> Scope {
    Scope {
        start: Some((of.to_owned(), "doctor-1".to_owned())),
        ..Scope::default()
    }
}

/// Examines a simulated agent, with a start.
pub(crate) fn agent(switches: &str) -> Recording {
    let mut agent = World::of::<A2a>(switches);
    agent
        .examine::<A2a>(start("work 2; artifact ready"))
        .recording()
}

/// Examines all simulated platforms, each with a start.
pub(crate) fn all(switches: &str) -> Recording {
    let mut recording = both(switches);
    recording.exchanges.extend(agent(switches).exchanges);
    recording
}

/// Examines the simulated platforms but A2A, each with a start.
pub(crate) fn both(switches: &str) -> Recording {
    let mut nanonets = World::of::<Nanonets>(switches);
    let mut harness = World::of::<AgentHarness>(switches);
    let mut recording = nanonets.examine::<Nanonets>(start("echo")).recording();
    let more = harness
        .examine::<AgentHarness>(start("Say ready."))
        .recording();
    recording.exchanges.extend(more.exchanges);
    recording
}

/// The findings, a line each.
pub(crate) fn findings(recording: &Recording) -> Vec<String> {
    let all = [
        (Nanonets::NAME, examine::<Nanonets>(recording)),
        (AgentHarness::NAME, examine::<AgentHarness>(recording)),
        (A2a::NAME, examine::<A2a>(recording)),
    ];
    let lines = all.into_iter().flat_map(|(platform, judged)| {
        judged.into_iter().map(move |one| {
            let (word, detail) = (one.finding.as_str(), one.finding.detail());
            format!("{platform} {}: {word}: {detail}", one.id)
        })
    });
    lines.collect()
}

/// The names of the assumptions that were found different.
pub(crate) fn different(recording: &Recording) -> Vec<String> {
    let mut names = Vec::new();
    let all = [
        examine::<Nanonets>(recording),
        examine::<AgentHarness>(recording),
        examine::<A2a>(recording),
    ];
    for one in all.into_iter().flatten() {
        if matches!(one.finding, Finding::Different(_)) {
            names.push(one.id.to_owned());
        }
    }
    names
}
