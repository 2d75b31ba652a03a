//! Prints how much memory a followed task takes while it waits: the task of the core alone, and a session of the asynchronous
//! client.

use std::error::Error;
use std::future::IntoFuture as _;
use std::process::{Command, ExitCode};
use std::time::Duration;

use taskward::nanonets::Nanonets;
use taskward_benches::{
    alloc, machine,
    row::Row,
    transport::server::{self, Process},
};
use taskward_core::SecretString;

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;

/// Tasks that are held at once.
const TASKS: u64 = 200;
/// In which each of them makes its first poll and begins to wait.
const FIRST_POLL: Duration = Duration::from_millis(25);

fn main() -> Result<ExitCode, Box<dyn Error>> {
    if std::env::args().nth(1).as_deref() == Some("serve") {
        server::serve()?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows = [
        (
            "task of the core while it waits",
            machine::held(TASKS),
            1_200.0,
        ),
        (
            "session of the asynchronous client while it waits",
            sessions()?,
            2_200.0,
        ),
    ];
    let missed = rows
        .map(|(what, bytes, most)| Row::new("P7", what, bytes as f64, "B").at_most(most))
        .iter()
        .any(|row| !row.print());
    Ok(ExitCode::from(u8::from(missed)))
}

/// Returns the bytes of a session that waits for its next poll.
fn sessions() -> Result<u64, Box<dyn Error>> {
    let server = Process::start(Command::new(std::env::current_exe()?).arg("serve"))?;
    let client = taskward::Client::<Nanonets>::builder()
        .api_key(SecretString::from("not-a-key"))
        .base_url(&format!("http://{}", server.address()))
        .build()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        #[expect(
            clippy::async_yields_async,
            reason = "the session is kept, not awaited"
        )]
        let waiting = async |number: u64| {
            let mut session = client.attach(format!("1000000-{number}")).into_future();
            // One after the other: then they share one connection, which is not weighed.
            let first = tokio::time::timeout(FIRST_POLL, &mut session).await;
            assert!(first.is_err(), "the task does not end");
            session
        };
        let _warm = waiting(0).await;
        let before = alloc::live();
        let mut sessions = Vec::with_capacity(TASKS as usize);
        let list = alloc::live() - before;
        for number in 1..=TASKS {
            sessions.push(waiting(number).await);
        }
        Ok((alloc::live() - before - list) / TASKS)
    })
}
