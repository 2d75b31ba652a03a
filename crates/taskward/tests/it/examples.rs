//! The examples, run against the simulator.

#[cfg(feature = "async")]
#[allow(dead_code)]
#[path = "../../examples/approvals.rs"]
mod approvals;
#[cfg(feature = "blocking")]
#[allow(dead_code)]
#[path = "../../examples/approvals_blocking.rs"]
mod approvals_blocking;
#[cfg(all(feature = "async", feature = "journal"))]
#[allow(dead_code)]
#[path = "../../examples/batch.rs"]
mod batch;
#[allow(dead_code)]
#[path = "../../examples/custom_runtime.rs"]
mod custom_runtime;
#[cfg(feature = "async")]
#[allow(dead_code)]
#[path = "../../examples/follow_many.rs"]
mod follow_many;
#[cfg(feature = "blocking")]
#[allow(dead_code)]
#[path = "../../examples/own_database.rs"]
mod own_database;
#[cfg(feature = "async")]
#[allow(dead_code)]
#[path = "../../examples/quickstart.rs"]
mod quickstart;
#[cfg(feature = "blocking")]
#[allow(dead_code)]
#[path = "../../examples/quickstart_blocking.rs"]
mod quickstart_blocking;
#[cfg(feature = "async")]
#[allow(dead_code)]
#[path = "../../examples/resume_elsewhere.rs"]
mod resume_elsewhere;

use taskward::core::{Credential, Origin, Output as _};
use taskward::nanonets::Job;
use taskward_sim::{Fault, FaultRule, Sim};

/// The simulator and the clients run this many times faster than the world.
const SPEED: u32 = 20;

const INVOICE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/invoice.csv");

fn sim() -> Sim {
    let sim = Sim::builder().speed(f64::from(SPEED)).spawn();
    sim.expect("loopback has a free port")
}

#[cfg(feature = "async")]
fn client(sim: &Sim) -> taskward::Client<taskward::nanonets::Nanonets> {
    taskward::Client::builder()
        .api_key(sim.nanonets().api_key.into())
        .base_url(&sim.url())
        .speed(SPEED)
        .build()
        .expect("the simulator's key and address can be used")
}

#[cfg(feature = "async")]
fn harness_client(sim: &Sim) -> taskward::Client<taskward::agent_harness::AgentHarness> {
    taskward::Client::builder()
        .api_key(sim.harness().api_key.into())
        .base_url(&sim.url())
        .speed(SPEED)
        .build()
        .expect("the simulator's key and address can be used")
}

/// Returns what ended each wait, and how many signals came for it.
fn signals(sim: &Sim) -> Vec<(String, u64)> {
    let waits = sim.harness_stats().waits.into_iter();
    let of = |wait: taskward_sim::harness::WaitStats| (wait.action, wait.received);
    waits
        .map(of)
        .map(|(action, received)| (action.unwrap_or_default(), received))
        .collect()
}

/// Method and path of every request, without ids, and equal neighbours once.
fn trace(sim: &Sim) -> Vec<String> {
    let mut trace: Vec<String> = sim
        .requests()
        .iter()
        .map(|request| format!("{} {}", request.method, request.endpoint))
        .collect();
    trace.dedup();
    trace
}

#[test]
fn a_runtime_of_ones_own_asks_uploads_and_survives_lost_replies() {
    custom_runtime::main().unwrap();

    let busy = Fault::Status {
        code: 503,
        retry_after: Some("1".to_owned()),
        after_bytes: None,
    };
    let sim = Sim::builder()
        .speed(f64::from(SPEED))
        .fault(FaultRule::new(busy).on("status").count(1))
        .fault(
            FaultRule::new(Fault::CutBody { bytes: 9 })
                .on("summary")
                .count(1),
        )
        .spawn()
        .unwrap();
    let runtime = custom_runtime::Runtime {
        origin: Origin::parse(&sim.url(), "/api/v1").unwrap(),
        credential: Credential::bearer(&sim.nanonets().api_key.into()).unwrap(),
    };
    let answer = runtime.run(Job::agent(sim.agent("asker")).query("Price?"));
    assert_eq!(answer.unwrap().text().as_deref(), Some("Done, in EUR."));
    let answers: Vec<u64> = sim.stats().questions.iter().map(|q| q.answers).collect();
    assert_eq!(answers, [1]);
    let struck: Vec<String> = sim.requests().into_iter().filter_map(|r| r.fault).collect();
    assert_eq!(struck, ["status", "cut-body"]);

    let answer = runtime.run(Job::agent(sim.agent("invoice")).file(INVOICE));
    let answer = answer.unwrap();
    let data = answer.json().unwrap();
    assert_eq!(data["total"], 302.1);
    assert_eq!(
        data["files"][0]["size"],
        std::fs::metadata(INVOICE).unwrap().len()
    );
}

#[cfg(feature = "async")]
#[tokio::test]
async fn the_quickstart_reads_the_line_items() {
    let sim = sim();
    let agent = sim.agent("invoice");
    let invoice = quickstart::extract(&client(&sim), &agent, INVOICE)
        .await
        .unwrap();
    assert_eq!((invoice.items.len(), invoice.total), (4, 302.1));
    assert_eq!(invoice.items[3].description, "Delivery, \"express\"");
    assert_eq!(trace(&sim), ["POST run", "GET status", "GET summary"]);
}

#[cfg(feature = "blocking")]
#[test]
fn the_blocking_quickstart_reads_the_line_items() {
    let sim = sim();
    let client = taskward::blocking::Client::builder()
        .api_key(sim.nanonets().api_key.into())
        .base_url(&sim.url())
        .speed(SPEED)
        .build()
        .unwrap();
    let invoice = quickstart_blocking::extract(&client, &sim.agent("invoice"), INVOICE).unwrap();
    assert_eq!((invoice.items.len(), invoice.total), (4, 302.1));
    assert_eq!(invoice.items[3].description, "Delivery, \"express\"");
    assert_eq!(trace(&sim), ["POST run", "GET status", "GET summary"]);
}

#[cfg(feature = "async")]
#[tokio::test]
async fn a_task_started_here_is_finished_there_from_its_file() {
    let sim = sim();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("task.json");
    let agent = sim.agent("asker");
    let id = resume_elsewhere::start(&client(&sim), &agent, file.clone())
        .await
        .unwrap();
    let stored = std::fs::read_to_string(&file).unwrap();
    assert!(stored.contains(id.as_str()), "{stored}");
    assert!(!stored.contains(&sim.nanonets().api_key), "{stored}");

    // Another client: nothing is left of the first but the file.
    let answer = resume_elsewhere::finish(&client(&sim), file, "CHF".to_owned())
        .await
        .unwrap();
    assert_eq!(answer.text().as_deref(), Some("Done, in CHF."));
    let stats = sim.stats();
    assert_eq!((stats.starts, stats.questions[0].answers), (1, 1));
}

#[cfg(feature = "async")]
#[tokio::test]
async fn the_id_alone_leads_back_to_the_task() {
    let sim = sim();
    let job = Job::agent(sim.agent("echo")).query("hello");
    let id = client(&sim).start(job).await.unwrap().id();
    let answer = client(&sim).attach(id).await.unwrap().into_answer();
    assert_eq!(answer.unwrap().text().as_deref(), Some("hello"));
    assert_eq!(sim.stats().starts, 1);
}

#[cfg(feature = "async")]
#[tokio::test]
async fn a_run_goes_on_once_it_was_approved_and_fails_once_it_was_not() {
    let sim = sim();
    let client = harness_client(&sim);
    approvals::run(&client, "Write.", async |question| {
        // Whoever decides sees what is asked, and nothing else than a clear word decides.
        let shown = approvals::describe(&question);
        for words in [
            question.id.as_str(),
            "contacts.search",
            "Subject: Weekly team update",
        ] {
            assert!(shown.contains(words), "{words:?} in {shown}");
        }
        assert_eq!(approvals::decision("y"), None);
        Ok(approvals::decision("approve").expect("a decision"))
    })
    .await
    .unwrap();
    let refused = approvals::run(&client, "Write.", async |_| {
        let reason = Some("not today".to_owned());
        Ok(taskward::Answer::Reject { reason })
    });
    let error = refused.await.unwrap_err().to_string();
    assert!(error.contains("failed"), "{error}");
    let expected = ["approve", "reject"].map(|action| (action.to_owned(), 1));
    assert_eq!(signals(&sim), expected);
    assert_eq!(sim.harness_stats().streams, 2);
}

#[cfg(feature = "blocking")]
#[test]
fn a_run_goes_on_once_it_was_approved_without_a_runtime() {
    let sim = sim();
    let client = taskward::blocking::Client::builder()
        .api_key(sim.harness().api_key.into())
        .base_url(&sim.url())
        .speed(SPEED)
        .build()
        .unwrap();
    approvals_blocking::run(&client, "Write.", |question| {
        let shown = approvals_blocking::describe(&question);
        assert!(shown.contains("Subject: Weekly team update"), "{shown}");
        assert_eq!(approvals_blocking::decision(""), None);
        Ok(approvals_blocking::decision("approve").expect("a decision"))
    })
    .unwrap();
    assert_eq!(signals(&sim), [("approve".to_owned(), 1)]);
}

#[cfg(feature = "async")]
#[tokio::test]
async fn each_of_many_runs_gets_its_own_answer() {
    let sim = sim();
    let (handling, mut questions) = tokio::sync::mpsc::channel::<follow_many::Open>(5);
    let people = tokio::spawn(async move {
        while let Some(open) = questions.recv().await {
            let answer = match open.goal.as_str() {
                "goal 3" => taskward::Answer::Reject { reason: None },
                _ => taskward::Answer::Approve,
            };
            open.answer.send(answer).expect("the run waits");
        }
    });
    let goals = (1..=10).map(|n| format!("goal {n}"));
    let client = harness_client(&sim);
    let ends = follow_many::follow(&client, goals, handling).await.unwrap();
    people.await.unwrap();
    let failed: Vec<&str> = ends
        .iter()
        .filter(|(_, end)| !end.starts_with("succeeded"))
        .map(|(goal, _)| goal.as_str())
        .collect();
    assert_eq!((ends.len(), failed), (10, vec!["goal 3"]));
    assert!(signals(&sim).iter().all(|(_, signals)| *signals == 1));
}

#[cfg(feature = "blocking")]
#[test]
fn an_order_whose_start_was_lost_is_worked_on_by_the_task_that_it_made() {
    let sim = sim();
    let lost = FaultRule::new(Fault::LostReplyAfterApply { after_bytes: 0 });
    sim.set_faults(vec![lost.on("run").count(1)]);
    let client = taskward::blocking::Client::builder()
        .api_key(sim.nanonets().api_key.into())
        .base_url(&sim.url())
        .speed(SPEED)
        .build()
        .expect("the simulator's key and address can be used");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("shop.db");
    let shop = own_database::Shop::open(&file).expect("a database");
    let agent = sim.agent("echo");
    let work = |shop| own_database::work(&client, shop, 17, &agent, "Find the supplier.");
    let error = work(&shop).expect_err("its reply was lost");
    assert!(error.to_string().contains("may"), "{error}");
    // Another worker.
    let shop = own_database::Shop::open(&file).expect("a database");
    let answer = work(&shop).expect("it is found");
    assert_eq!(answer.text().as_deref(), Some("Find the supplier."));
    assert_eq!(sim.stats().starts, 1);
    let task = shop.task(17).expect("it can be read").expect("it is kept");
    assert!(task.is_ended());
    work(&shop).expect("once more, and nothing is started");
    assert_eq!(sim.stats().starts, 1);
}

#[cfg(feature = "blocking")]
#[test]
fn an_order_whose_start_never_arrived_is_started_when_the_server_is_back() {
    let sim = sim();
    let client = |url: &str| {
        let client = taskward::blocking::Client::builder()
            .api_key(sim.nanonets().api_key.into())
            .base_url(url)
            .speed(SPEED)
            .build();
        client.expect("the simulator's key can be used")
    };
    let folder = tempfile::tempdir().expect("a folder");
    let shop = own_database::Shop::open(&folder.path().join("shop.db")).expect("a database");
    let agent = sim.agent("echo");
    let work = |url: &str| own_database::work(&client(url), &shop, 17, &agent, "Find it.");
    // Nobody listens there.
    let down = work("http://127.0.0.1:9").expect_err("the server is down");
    let task = shop.task(17).expect("it can be read").expect("it is kept");
    assert!(task.task().is_none() && !task.is_unknown(), "{down}");
    let answer = work(&sim.url()).expect("it is back");
    assert_eq!(answer.text().as_deref(), Some("Find it."));
    assert_eq!(sim.stats().starts, 1);
}

/// Rows: G18, G21.
#[cfg(all(feature = "async", feature = "journal"))]
#[tokio::test]
async fn a_batch_of_files_has_a_row_for_each_and_sends_none_twice() {
    let (sim, place) = (sim(), tempfile::tempdir().expect("a folder"));
    let folder = place.path().join("files");
    std::fs::create_dir(&folder).expect("made");
    for number in 0..5 {
        let text = format!("number {number}");
        std::fs::write(folder.join(format!("{number}.txt")), text).expect("written");
    }
    let agents = sim.a2a().agents;
    let agent = agents.iter().find(|agent| agent.name == "work");
    let batch = batch::Batch {
        card: agent.expect("an agent").card_url.clone(),
        key: Some(sim.a2a().api_key),
        speed: SPEED,
        folder,
        results: place.path().join("results.csv"),
        begin_again: false,
    };
    assert_eq!(batch.run().await.expect("it runs"), 0);
    let rows = || std::fs::read_to_string(&batch.results).expect("rows");
    let first = rows();
    let said = first
        .lines()
        .filter(|row| row.contains("\"succeeded\",\"Worked on: "));
    assert_eq!((said.count(), first.lines().count()), (5, 5), "{first}");
    // A kill in the middle of a row, and in its journal everything is known.
    std::fs::write(&batch.results, &first[..first.len() - 9]).expect("cut");
    assert_eq!(batch.run().await.expect("it runs"), 0);
    assert_eq!(rows(), first);
    assert_eq!(sim.a2a_stats().starts, 5);
}
