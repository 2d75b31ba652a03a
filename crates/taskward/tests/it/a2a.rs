//! Agents of the A2A protocol, found through their cards: the same tasks through both adapters, over both bindings, at a
//! simulator that behaves like each of three servers.

use std::time::Duration;

use taskward::a2a::operations::{
    CardReply, CreateTaskPushNotificationConfig, DeleteTaskPushNotificationConfig, GetAgentCard,
    GetTaskPushNotificationConfig, ListTaskPushNotificationConfigs, PushConfig,
};
use taskward::a2a::types::TaskPushNotificationConfig;
use taskward::a2a::{A2a, AgentAt, Binding, CardUrl, Job};
use taskward::event::NumberedEvent;
use taskward::{Answer, Error, Event, Outcome, Output as _, RunResult};
use taskward_sim::{Scenario, Sim};

const SPEED: u32 = 20;

/// The servers, each with the bindings that it has.
const SERVERS: [(&str, &[Binding]); 4] = [
    ("spec", Binding::ALL),
    ("py", Binding::ALL),
    ("js", Binding::ALL),
    ("langgraph", &[Binding::JsonRpc]),
];

fn sim(profile: &str) -> Sim {
    let scenario = format!("[a2a]\nprofile = \"{profile}\"\n");
    Sim::builder()
        .speed(f64::from(SPEED))
        .scenario(Scenario::parse(&scenario).expect("a scenario"))
        .spawn()
        .expect("loopback has a free port")
}

fn card_url(sim: &Sim, agent: &str) -> CardUrl {
    let agents = sim.a2a().agents;
    let agent = agents.iter().find(|known| known.name == agent);
    CardUrl::parse(&agent.expect("an agent").card_url).expect("a card's URL")
}

fn found(reply: CardReply, url: &CardUrl, binding: Binding) -> AgentAt {
    let CardReply::Card(card, _) = reply else {
        panic!("a card is read whole the first time");
    };
    A2a::from_card(&card, url, Some(binding)).expect("an interface")
}

/// What a run told, in order: each kind of event once in a row.
fn told(events: &[NumberedEvent]) -> Vec<String> {
    let mut told: Vec<String> = events
        .iter()
        .map(|event| match &**event {
            Event::Created { .. } => "created".to_owned(),
            Event::Status(status) => status.to_string(),
            Event::Question(question) => format!("asked {}", question.text),
            Event::Answered { how, .. } => format!("answered {how:?}"),
            Event::Output(piece) => format!("piece {}", piece.text),
            Event::Provider(_) => "event".to_owned(),
            other => format!("{other:?}"),
        })
        .collect();
    told.dedup();
    told
}

/// A job for the scripted agent, what is answered, and what comes of it.
struct Case {
    script: &'static str,
    answer: &'static str,
    ends: &'static str,
    text: &'static str,
}

const CASES: [Case; 7] = [
    Case {
        script: "work 2; artifact hello",
        answer: "",
        ends: "succeeded",
        text: "hello",
    },
    Case {
        script: "chunks 4",
        answer: "",
        ends: "succeeded",
        text: "piece 1 piece 2 piece 3 piece 4 ",
    },
    Case {
        script: "ask which one?; done",
        answer: "red",
        ends: "succeeded",
        text: "red",
    },
    Case {
        script: "ask which one?; ask which size?; done",
        answer: "red",
        ends: "succeeded",
        text: "red",
    },
    Case {
        script: "fail it broke",
        answer: "",
        ends: "task_failed",
        text: "",
    },
    Case {
        script: "crash",
        answer: "",
        ends: "task_failed",
        text: "",
    },
    Case {
        script: "reply hi",
        answer: "",
        ends: "answered",
        text: "hi",
    },
];

fn check(
    case: &Case,
    server: &str,
    binding: Binding,
    end: Result<RunResult<taskward::a2a::Answer>, Error>,
    events: &[NumberedEvent],
) {
    let told = told(events);
    let place = format!("{} at {server} over {binding}: {told:?}", case.script);
    let outcome = match end.unwrap_or_else(|error| panic!("{place}: {error}")) {
        RunResult::Ended(outcome) => outcome,
        RunResult::Detached(detached) => panic!("{place}: {:?}", detached.reason),
    };
    assert_eq!(outcome.code(), case.ends, "{place}: {outcome}");
    if let Outcome::Succeeded { output, .. } | Outcome::Answered { output } = &outcome {
        let text = output.text().unwrap_or_default();
        assert!(text.contains(case.text), "{place}: {text}");
    }
    let asked = told.iter().filter_map(|line| line.strip_prefix("asked "));
    let asks = case.script.split("; ");
    let asks = asks.filter_map(|step| step.strip_prefix("ask "));
    assert!(asked.eq(asks), "{place}");
    // A crash ends the stream before the task is known to have failed, and a task of LangGraph cannot be subscribed to.
    let is_calm = !told.iter().any(|line| line.starts_with("Retrying"));
    assert!(
        is_calm || case.script == "crash" || server == "langgraph",
        "{place}"
    );
}

/// Returns whether a server can do what a case needs: a graph of LangGraph always makes a task, and keeps no pieces of an
/// answer.
fn can(server: &str, case: &Case) -> bool {
    !(server == "langgraph" && (case.ends == "answered" || case.script.starts_with("chunks")))
}

#[cfg(feature = "async")]
async fn run_async(sim: &Sim, case: &Case, server: &str, binding: Binding) {
    let url = card_url(sim, "script");
    let client = taskward::Client::<A2a>::builder()
        .base_url(&sim.url())
        .api_key(sim.a2a().api_key.into())
        .speed(SPEED)
        .build()
        .expect("a client");
    let reply = client
        .call(GetAgentCard::new(url.clone()))
        .await
        .expect("a card");
    let client = client.with_provider(found(reply, &url, binding).agent);
    let events = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = events.clone();
    let answer = case.answer;
    let end = client
        .run(Job::text(case.script))
        .deadline(Duration::from_secs(300))
        .on_event(move |event| seen.lock().expect("events").push(event.clone()))
        .on_question(move |_| async move { Ok(Answer::text(answer)) })
        .await;
    check(case, server, binding, end, &events.lock().expect("events"));
}

#[cfg(feature = "async")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_of_three_servers_in_both_bindings_end_as_they_should_in_async() {
    for (server, bindings) in SERVERS {
        let sim = sim(server);
        for binding in bindings {
            for case in CASES.iter().filter(|case| can(server, case)) {
                run_async(&sim, case, server, *binding).await;
            }
        }
    }
}

#[cfg(feature = "blocking")]
fn run_blocking(sim: &Sim, case: &Case, server: &str, binding: Binding) {
    let url = card_url(sim, "script");
    let client = taskward::blocking::Client::<A2a>::builder()
        .base_url(&sim.url())
        .api_key(sim.a2a().api_key.into())
        .speed(SPEED)
        .build()
        .expect("a client");
    let reply = client.call(GetAgentCard::new(url.clone())).expect("a card");
    let client = client.with_provider(found(reply, &url, binding).agent);
    let events = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = events.clone();
    let answer = case.answer;
    let end = client
        .run(Job::text(case.script))
        .deadline(Duration::from_secs(300))
        .on_event(move |event| seen.lock().expect("events").push(event.clone()))
        .on_question(move |_| Ok(Answer::text(answer)))
        .wait();
    check(case, server, binding, end, &events.lock().expect("events"));
}

#[cfg(feature = "blocking")]
#[test]
fn tasks_of_three_servers_in_both_bindings_end_as_they_should_in_blocking() {
    for (server, bindings) in SERVERS {
        let sim = sim(server);
        for binding in bindings {
            for case in CASES.iter().filter(|case| can(server, case)) {
                run_blocking(&sim, case, server, *binding);
            }
        }
    }
}

/// The operations of a task's web hooks.
struct Hooks {
    create: CreateTaskPushNotificationConfig,
    get: GetTaskPushNotificationConfig,
    list: ListTaskPushNotificationConfigs,
    delete: DeleteTaskPushNotificationConfig,
}

impl Hooks {
    fn new(agent: &A2a, task: &str) -> Self {
        let (agent, task, config) = (agent.clone(), task.to_owned(), "mine".to_owned());
        let hook = PushConfig::new("http://127.0.0.1:9/hook").id(config.as_str());
        let hook = hook.token("canary-token".to_owned().into());
        Self {
            list: ListTaskPushNotificationConfigs::new(&agent, task.as_str()),
            create: CreateTaskPushNotificationConfig {
                agent: agent.clone(),
                task: task.clone(),
                config: hook.authentication("Bearer", Some("canary-key".to_owned().into())),
            },
            get: GetTaskPushNotificationConfig {
                agent: agent.clone(),
                task: task.clone(),
                config: config.clone(),
            },
            delete: DeleteTaskPushNotificationConfig {
                agent,
                task,
                config,
            },
        }
    }

    /// Checks what was made, read and listed: the secrets are there, and nothing shows them.
    fn check(&self, seen: &[TaskPushNotificationConfig], place: &str) {
        assert_eq!(seen.len(), 3, "{place}");
        for config in seen {
            let token = config.token.as_ref().map(|token| token.expose());
            assert_eq!(token, Some("canary-token"), "{place}");
            let key = config.authentication.as_ref();
            let key = key.and_then(|with| with.credentials.as_ref());
            assert_eq!(key.map(|key| key.expose()), Some("canary-key"), "{place}");
        }
        let shown = format!("{seen:?} {:?}", self.create);
        assert!(!shown.contains("canary"), "{place}: {shown}");
    }
}

/// Returns the servers that have web hooks.
fn with_hooks() -> impl Iterator<Item = (&'static str, &'static [Binding])> {
    SERVERS.into_iter().filter(|(name, _)| *name != "langgraph")
}

#[cfg(feature = "async")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn web_hooks_are_made_read_listed_and_removed_in_async() {
    for (server, bindings) in with_hooks() {
        let sim = sim(server);
        let url = card_url(&sim, "script");
        for binding in bindings {
            let place = format!("{server} over {binding}");
            let client = taskward::Client::<A2a>::builder()
                .base_url(&sim.url())
                .api_key(sim.a2a().api_key.into())
                .speed(SPEED)
                .build()
                .expect("a client");
            let card = client.call(GetAgentCard::new(url.clone())).await;
            let agent = found(card.expect("a card"), &url, *binding).agent;
            let client = client.with_provider(agent.clone());
            let run = client.run(Job::text("done")).await.expect("it ends");
            let RunResult::Ended(Outcome::Succeeded { id, .. }) = run else {
                panic!("{place}: {run:?}");
            };
            let hooks = Hooks::new(&agent, id.as_str());
            let made = client.call(hooks.create.clone()).await.expect(&place);
            let read = client.call(hooks.get.clone()).await.expect(&place);
            let page = client.call(hooks.list.clone()).await.expect(&place);
            let mut seen = vec![made, read];
            seen.extend(page.configs.readable().cloned());
            hooks.check(&seen, &place);
            for _ in 0..2 {
                client.call(hooks.delete.clone()).await.expect(&place);
            }
            let gone = client.call(hooks.get.clone()).await;
            assert!(gone.is_err(), "{place}");
        }
    }
}

#[cfg(feature = "blocking")]
#[test]
fn web_hooks_are_made_read_listed_and_removed_in_blocking() {
    for (server, bindings) in with_hooks() {
        let sim = sim(server);
        let url = card_url(&sim, "script");
        for binding in bindings {
            let place = format!("{server} over {binding}");
            let client = taskward::blocking::Client::<A2a>::builder()
                .base_url(&sim.url())
                .api_key(sim.a2a().api_key.into())
                .speed(SPEED)
                .build()
                .expect("a client");
            let card = client.call(GetAgentCard::new(url.clone()));
            let agent = found(card.expect("a card"), &url, *binding).agent;
            let client = client.with_provider(agent.clone());
            let run = client.run(Job::text("done")).wait().expect("it ends");
            let RunResult::Ended(Outcome::Succeeded { id, .. }) = run else {
                panic!("{place}: {run:?}");
            };
            let hooks = Hooks::new(&agent, id.as_str());
            let made = client.call(hooks.create.clone()).expect(&place);
            let read = client.call(hooks.get.clone()).expect(&place);
            let page = client.call(hooks.list.clone()).expect(&place);
            let mut seen = vec![made, read];
            seen.extend(page.configs.readable().cloned());
            hooks.check(&seen, &place);
            for _ in 0..2 {
                client.call(hooks.delete.clone()).expect(&place);
            }
            let gone = client.call(hooks.get.clone());
            assert!(gone.is_err(), "{place}");
        }
    }
}
