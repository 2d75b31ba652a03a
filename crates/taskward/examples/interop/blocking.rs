//! What the client does, without a runtime.

use std::thread::sleep;

use serde_json::{Value, json};
use taskward::a2a::operations::{CardReply, GetAgentCard, ListTasks};
use taskward::a2a::{A2a, CardUrl};
use taskward::blocking::{Client, Recovery, Run};
use taskward::error::BoxError;

use super::{Args, PATIENCE, report};

pub(crate) fn perform(args: &Args) -> Result<Value, BoxError> {
    let client = client(args)?;
    match args.what.as_str() {
        "run" => follow(args, client.run(args.job())),
        "recover" => recover(args, &client),
        "cancel" => {
            let mut running = client.attach(args.task.as_str()).start()?;
            // Nothing can be cancelled once it is over.
            let _ = running.cancel();
            Ok(report(args, running.wait()))
        }
        "list" => {
            let page = client.list(ListTasks::new(client.provider())).next_page()?;
            let tasks = page.into_iter().flatten().filter_map(|task| task.id);
            let tasks: Vec<String> = tasks.map(|id| id.to_string()).collect();
            Ok(json!({ "tasks": tasks }))
        }
        other => Err(format!("there is nothing called {other:?}").into()),
    }
}

/// Reads the card, and returns a client of its agent.
fn client(args: &Args) -> Result<Client<A2a>, BoxError> {
    let url = CardUrl::parse(&args.card)?;
    let at = Client::<A2a>::builder()
        .base_url(&url.origin().to_string())
        .build()?;
    let CardReply::Card(card, _) = at.call(GetAgentCard::new(url.clone()))? else {
        return Err("no card".into());
    };
    let found = A2a::from_card(&card, &url, Some(args.binding()))?;
    let streams = found.agent.streams() && !args.no_stream;
    Ok(Client::<A2a>::builder()
        .base_url(&found.root)
        .provider(found.agent.with_streaming(streams))
        .journal(args.journal()?)
        .build()?)
}

fn recover(args: &Args, client: &Client<A2a>) -> Result<Value, BoxError> {
    let stored = args.stored()?.snapshot;
    match client.recover(stored.clone())? {
        Recovery::Follow(run) => follow(args, run),
        Recovery::Found(found) => {
            let [one] = &found.candidates[..] else {
                return Err(format!("{} tasks are found", found.candidates.len()).into());
            };
            follow(args, client.resume(stored.adopting(one.id.clone())))
        }
        _ => Err("an unknown way to recover".into()),
    }
}

fn follow(args: &Args, run: Run<A2a>) -> Result<Value, BoxError> {
    let (mut answers, after) = (args.answers.clone().into_iter(), args.answer_after);
    let run = run.deadline(PATIENCE).answer_deadline(PATIENCE);
    let asked = args.asked.clone();
    let run = run.on_question(move |question| {
        if let Ok(mut asked) = asked.lock() {
            asked.push(question.text().to_owned());
        }
        let Some(answer) = answers.next() else {
            sleep(PATIENCE);
            return Err("nobody answers".into());
        };
        sleep(after);
        Ok(taskward::Answer::text(answer))
    });
    let mut running = run.start()?;
    // Whoever takes the events is not asked: the handler answers in `wait` only.
    while args.cancels() {
        let Some(event) = running.next()? else {
            break;
        };
        if args.cancels_at(&event.event) {
            running.cancel()?;
        }
    }
    Ok(report(args, running.wait()))
}
