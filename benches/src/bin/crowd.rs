//! Follows many tasks at once: `crowd [TASKS]` attaches to 10,000 of them, in a process that may have 1,024 descriptors, on a
//! server that serves 2,000 requests a second, and prints what went wrong here, how many connections the server saw, and
//! when the last task was first seen.

use std::cell::RefCell;
use std::error::Error;
use std::io::{BufRead as _, BufReader, Read as _, Write as _, copy, sink};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, ExitCode, Stdio};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, setrlimit};
use taskward::Event;
use taskward::nanonets::Nanonets;
use taskward_benches::TASK_JSON;
use taskward_benches::transport::server::read_request;
use taskward_core::SecretString;

const TASKS: usize = 10_000;
const DESCRIPTORS: u64 = 1_024;
/// The time that one request takes of the server's.
const SERVED_EVERY: Duration = Duration::from_micros(500);
const MOST_CONNECTIONS: usize = 64;
/// All must have been seen once within this time.
const SEEN_WITHIN: Duration = Duration::from_secs(15);
/// Whoever was not seen by then is not waited for.
const GIVEN_UP: Duration = Duration::from_secs(60);
/// The id of the task that every reply of the benches is about.
const ID: &str = "8c1e0a4e-5c0b-4f6e-9d1a-000000000001";

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        [] => measure(TASKS),
        ["serve"] => serve(),
        [tasks] => measure(tasks.parse()?),
        _ => {
            eprintln!("usage: crowd [TASKS]");
            Ok(ExitCode::from(2))
        }
    }
}

fn measure(tasks: usize) -> Result<ExitCode, Box<dyn Error>> {
    let mut server = Command::new(std::env::current_exe()?)
        .arg("serve")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut said = BufReader::new(server.stdout.take().ok_or("no output")?);
    let mut address = String::new();
    said.read_line(&mut address)?;
    setrlimit(Resource::RLIMIT_NOFILE, DESCRIPTORS, DESCRIPTORS)?;
    let (seen, failed) = follow(tasks, address.trim())?;
    drop(server.stdin.take());
    let mut peak = String::new();
    said.read_to_string(&mut peak)?;
    server.wait()?;
    let peak: usize = peak.trim().parse()?;
    let last = seen.iter().max().copied().unwrap_or_default();
    println!(
        "tasks {tasks}, seen {}, the last after {:.1} s",
        seen.len(),
        last.as_secs_f64()
    );
    println!("failed requests {failed}, connections at once {peak}");
    let claims = [
        ("no request failed", failed == 0),
        ("at most 64 connections", peak <= MOST_CONNECTIONS),
        (
            "all first seen within 15 s",
            seen.len() == tasks && last <= SEEN_WITHIN,
        ),
    ];
    for (claim, holds) in claims {
        println!("{}: {claim}", if holds { "met" } else { "missed" });
    }
    Ok(ExitCode::from(u8::from(
        !claims.iter().all(|(_, holds)| *holds),
    )))
}

/// Returns when each task was first seen, and how many requests failed.
fn follow(tasks: usize, server: &str) -> Result<(Vec<Duration>, usize), Box<dyn Error>> {
    let client = taskward::Client::<Nanonets>::builder()
        .api_key(SecretString::from("key-of-nobody"))
        .base_url(&format!("http://{server}"))
        .build()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let seen = Rc::new(RefCell::new(Vec::new()));
    let failed = Rc::new(RefCell::new(0));
    let local = tokio::task::LocalSet::new();
    let begun = Instant::now();
    for number in 0..tasks {
        let run = client.attach(format!("task-{number}"));
        let (seen, failed) = (seen.clone(), failed.clone());
        local.spawn_local(async move {
            let Ok(mut running) = run.start().await else {
                *failed.borrow_mut() += 1;
                return;
            };
            let mut is_seen = false;
            loop {
                match running.next().await {
                    Ok(Some(event)) => match event.event {
                        Event::Status(_) if !is_seen => {
                            is_seen = true;
                            seen.borrow_mut().push(begun.elapsed());
                        }
                        Event::Retrying { .. } => *failed.borrow_mut() += 1,
                        _ => {}
                    },
                    Ok(None) => return,
                    Err(_) => {
                        *failed.borrow_mut() += 1;
                        return;
                    }
                }
            }
        });
    }
    local.block_on(&runtime, async {
        while seen.borrow().len() < tasks && begun.elapsed() < GIVEN_UP {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let seen = seen.borrow().clone();
    let failed = *failed.borrow();
    Ok((seen, failed))
}

/// Serves so many requests a second and no more; prints its address, and once its input ends, how many connections there were
/// at once.
fn serve() -> Result<ExitCode, Box<dyn Error>> {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    println!("{}", listener.local_addr()?);
    std::io::stdout().flush()?;
    let (open, peak) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let highest = peak.clone();
    let next = Arc::new(Mutex::new(Instant::now()));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (open, next) = (open.clone(), next.clone());
            peak.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::spawn(move || {
                // A client that goes away is no error of the server's.
                let _ = answer(stream, &next);
                open.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    copy(&mut std::io::stdin(), &mut sink())?;
    println!("{}", highest.load(Ordering::SeqCst));
    Ok(ExitCode::SUCCESS)
}

fn answer(stream: TcpStream, next: &Mutex<Instant>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    while let Some(path) = read_request(&mut reader)? {
        let due = {
            let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
            *next = (*next).max(Instant::now()) + SERVED_EVERY;
            *next
        };
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let body = TASK_JSON.replace(ID, path.rsplit('/').next().unwrap_or_default());
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length:";
        writer.write_all(format!("{head} {}\r\n\r\n{body}", body.len()).as_bytes())?;
    }
    Ok(())
}
