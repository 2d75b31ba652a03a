//! The rows of the table: what the client must do right with each server.

use anyhow::{Result, ensure};
use serde_json::Value;

use super::Kind;
use super::bench::Bench;
use super::proxy::{Act, Wanted};
use super::table::Cell;
use super::walk::pause;

pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&mut Bench<'_>) -> Result<Cell>,
}

const fn row(name: &'static str, run: fn(&mut Bench<'_>) -> Result<Cell>) -> Row {
    Row { name, run }
}

/// All of them. The last one restarts the server.
pub(crate) const ROWS: &[Row] = &[
    row("start", start),
    row("start with files", start_with_files),
    row("poll to the end", poll_to_the_end),
    row("stream with a cut", stream_with_a_cut),
    row("question and answer", question_and_answer),
    row("stream cut before a question", cut_before_a_question),
    row("two questions", two_questions),
    row("sign in by answer", sign_in),
    row("cancel while working", cancel_working),
    row("cancel while asking", cancel_asking),
    row("cancel when finished", cancel_finished),
    row("refused cancel", refused_cancel),
    row("list", list),
    row("lost reply to the start", lost_start),
    row("cut reply to the start", cut_start),
    row("lost reply to an answer", lost_answer),
    row("kill -9 while starting", killed_starting),
    row("kill -9 while working", killed_working),
    row("kill -9 while asking", killed_asking),
    row("kill -9 while answering", killed_answering),
    row("server restarted", server_restarted),
];

/// Returns why LangGraph has no such row, on LangGraph.
fn not_on_graphs(bench: &Bench<'_>, why: &str) -> Option<Cell> {
    (bench.column.kind == Kind::Langgraph).then(|| Cell::Cannot(why.to_owned()))
}

fn start(bench: &mut Bench<'_>) -> Result<Cell> {
    bench.run("artifact one;done", &[])?.answered("one")?;
    one_start(bench)
}

fn start_with_files(bench: &mut Bench<'_>) -> Result<Cell> {
    if let Some(cannot) = not_on_graphs(bench, "it takes files in the shape of version 0.3 only") {
        return Ok(cannot);
    }
    let report = bench.run("artifact one;done", &["--file", "notes.txt"])?;
    report.answered("one")?;
    let task = bench.task(report.text("task"))?;
    let parts = task["history"][0]["parts"].to_string();
    ensure!(
        parts.contains("notes.txt"),
        "no file in the message: {parts}"
    );
    Ok(Cell::Ok)
}

fn poll_to_the_end(bench: &mut Bench<'_>) -> Result<Cell> {
    let report = bench.run("work 1;artifact one;done", &["--no-stream"])?;
    report.answered("one")?;
    one_start(bench)
}

fn stream_with_a_cut(bench: &mut Bench<'_>) -> Result<Cell> {
    bench.proxy.once(Wanted::Start, Act::CutAfterEvents(3));
    let report = bench.run("chunks 5 0.4;done", &[])?;
    let all = if bench.column.kind == Kind::Langgraph {
        "piece 5"
    } else {
        "piece 1 piece 2 piece 3 piece 4 piece 5"
    };
    report.answered(all)?;
    one_start(bench)
}

fn question_and_answer(bench: &mut Bench<'_>) -> Result<Cell> {
    let report = bench.run("ask colour?;done", &["--answer", "red"])?;
    report.answered("colour? -> red")?;
    report.asked(&["colour?"])?;
    one_answer(bench, report.text("task"), "red")
}

fn cut_before_a_question(bench: &mut Bench<'_>) -> Result<Cell> {
    bench.proxy.once(Wanted::Start, Act::CutAfterEvents(1));
    let report = bench.run("quiet 1;ask colour?;done", &["--answer", "red"])?;
    report.answered("colour? -> red")?;
    // On LangGraph nothing but the stream says it.
    report.asked(match bench.column.kind {
        Kind::Langgraph => &[""],
        Kind::Py | Kind::Js => &["colour?"],
    })?;
    one_answer(bench, report.text("task"), "red")
}

fn two_questions(bench: &mut Bench<'_>) -> Result<Cell> {
    let report = bench.run(
        "ask colour?;ask size?;done",
        &["--answer", "red", "--answer", "large"],
    )?;
    report.answered("size? -> large")?;
    report.asked(&["colour?", "size?"])?;
    ensure!(
        bench.proxy.count(Wanted::Answer) == 2,
        "{} answers were sent",
        bench.proxy.count(Wanted::Answer)
    );
    Ok(Cell::Ok)
}

fn sign_in(bench: &mut Bench<'_>) -> Result<Cell> {
    if let Some(cannot) = not_on_graphs(bench, "a graph cannot say auth-required") {
        return Ok(cannot);
    }
    let report = bench.run("auth-in;done", &["--answer", "1234"])?;
    report.answered("auth -> 1234")?;
    Ok(Cell::Ok)
}

fn cancel_working(bench: &mut Bench<'_>) -> Result<Cell> {
    bench
        .run("quiet 20;done", &["--cancel", "working"])?
        .ended("task_stopped")?;
    Ok(Cell::Ok)
}

fn cancel_asking(bench: &mut Bench<'_>) -> Result<Cell> {
    let report = bench.run("ask colour?;done", &["--cancel", "asking"])?;
    report.ended("task_stopped")?;
    Ok(Cell::Ok)
}

fn cancel_finished(bench: &mut Bench<'_>) -> Result<Cell> {
    let journal = bench.fresh();
    let report = bench.client("run", &journal, &["--text", "artifact one;done"])?;
    report.answered("one")?;
    // What is over stays as it ended.
    let cancelled = bench.client("cancel", &journal, &["--task", report.text("task")])?;
    cancelled.ended("succeeded")?;
    Ok(Cell::Ok)
}

fn refused_cancel(bench: &mut Bench<'_>) -> Result<Cell> {
    if let Some(cannot) = not_on_graphs(bench, "a run is always cancelled") {
        return Ok(cannot);
    }
    let report = bench.run(
        "nocancel;quiet 3;artifact one;done",
        &["--cancel", "working"],
    )?;
    // The Python SDK has ended the agent before it lets it refuse.
    match bench.column.kind {
        Kind::Py => report.ended("task_failed")?,
        Kind::Js | Kind::Langgraph => report.answered("one")?,
    }
    Ok(Cell::Ok)
}

fn list(bench: &mut Bench<'_>) -> Result<Cell> {
    let journal = bench.fresh();
    let report = bench.client("run", &journal, &["--text", "done"])?;
    let listed = bench.client("list", &journal, &[])?;
    let ids = listed.value()["tasks"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let task = Value::from(report.text("task"));
    ensure!(
        ids.contains(&task),
        "{task} is not in the list: {}",
        listed.value()
    );
    Ok(Cell::Ok)
}

fn lost_start(bench: &mut Bench<'_>) -> Result<Cell> {
    bench.proxy.once(Wanted::Start, Act::Drop);
    let report = bench.run("quiet 1;artifact one;done", &[])?;
    report.answered("one")?;
    one_task(bench, report.text("task"))
}

fn cut_start(bench: &mut Bench<'_>) -> Result<Cell> {
    bench.proxy.once(Wanted::Start, Act::CutAfterBytes(200));
    let report = bench.run("quiet 1;artifact one;done", &[])?;
    report.answered("one")?;
    one_task(bench, report.text("task"))
}

fn lost_answer(bench: &mut Bench<'_>) -> Result<Cell> {
    bench.proxy.once(Wanted::Answer, Act::Drop);
    let report = bench.run("ask colour?;quiet 1;done", &["--answer", "red"])?;
    report.answered("colour? -> red")?;
    one_answer(bench, report.text("task"), "red")
}

fn killed_starting(bench: &mut Bench<'_>) -> Result<Cell> {
    let journal = bench.fresh();
    bench.proxy.once(Wanted::Start, Act::Hold);
    let victim = bench.spawn(&journal, "quiet 1;artifact one;done", &[])?;
    bench.proxy.wait_for(Wanted::Start, 1)?;
    pause(5);
    victim.kill()?;
    let report = bench.client("recover", &journal, &[])?;
    report.answered("one")?;
    one_task(bench, report.text("task"))
}

fn killed_working(bench: &mut Bench<'_>) -> Result<Cell> {
    let journal = bench.fresh();
    let victim = bench.spawn(&journal, "quiet 3;artifact one;done", &[])?;
    bench.proxy.wait_for(Wanted::Start, 1)?;
    pause(15);
    victim.kill()?;
    let report = bench.client("recover", &journal, &[])?;
    report.answered("one")?;
    one_task(bench, report.text("task"))
}

fn killed_asking(bench: &mut Bench<'_>) -> Result<Cell> {
    let journal = bench.fresh();
    let victim = bench.spawn(&journal, "ask colour?;done", &[])?;
    bench.proxy.wait_for(Wanted::Start, 1)?;
    pause(20);
    victim.kill()?;
    let report = bench.client("recover", &journal, &["--answer", "red"])?;
    report.answered("colour? -> red")?;
    report.asked(&["colour?"])?;
    one_answer(bench, report.text("task"), "red")
}

fn killed_answering(bench: &mut Bench<'_>) -> Result<Cell> {
    let journal = bench.fresh();
    bench.proxy.once(Wanted::Answer, Act::Hold);
    let victim = bench.spawn(&journal, "ask colour?;quiet 1;done", &["--answer", "red"])?;
    bench.proxy.wait_for(Wanted::Answer, 1)?;
    pause(3);
    victim.kill()?;
    let report = bench.client("recover", &journal, &["--answer", "red"])?;
    report.answered("colour? -> red")?;
    one_answer(bench, report.text("task"), "red")
}

fn server_restarted(bench: &mut Bench<'_>) -> Result<Cell> {
    match bench.column.kind {
        Kind::Py => {}
        Kind::Js => {
            return Ok(Cell::Cannot(
                "the SDK's database store needs a compiler".to_owned(),
            ));
        }
        Kind::Langgraph => {
            return Ok(Cell::Cannot(
                "the development server keeps runs in memory".to_owned(),
            ));
        }
    }
    let journal = bench.fresh();
    let victim = bench.spawn(
        &journal,
        "ask colour?;done",
        &["--answer", "red", "--answer-after", "6"],
    )?;
    bench.proxy.wait_for(Wanted::Start, 1)?;
    pause(20);
    bench.restart()?;
    let report = victim.report()?;
    report.answered("colour? -> red")?;
    one_answer(bench, report.text("task"), "red")
}

/// Fails unless one start was sent.
fn one_start(bench: &Bench<'_>) -> Result<Cell> {
    let starts = bench.proxy.count(Wanted::Start);
    ensure!(starts == 1, "{starts} starts were sent");
    Ok(Cell::Ok)
}

/// Fails unless one start was sent and the server has one task of it.
fn one_task(bench: &Bench<'_>, id: &str) -> Result<Cell> {
    let task = bench.task(id)?;
    let tasks = bench.tasks_of(&task["contextId"])?;
    ensure!(tasks.len() == 1, "{} tasks were made", tasks.len());
    one_start(bench)
}

/// Fails unless one answer was sent and the task's history has it once.
fn one_answer(bench: &Bench<'_>, id: &str, text: &str) -> Result<Cell> {
    let answers = bench.proxy.count(Wanted::Answer);
    ensure!(answers == 1, "{answers} answers were sent");
    // LangGraph keeps no answers.
    if bench.column.kind != Kind::Langgraph {
        let history = bench.task(id)?["history"].take();
        let said = |message: &&Value| {
            message["role"] == "ROLE_USER" && message["parts"][0]["text"] == text
        };
        let count = history
            .as_array()
            .into_iter()
            .flatten()
            .filter(said)
            .count();
        ensure!(count == 1, "the answer is {count} times in the history");
    }
    Ok(Cell::Ok)
}
