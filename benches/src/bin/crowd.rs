//! Follows many tasks at once. `crowd [TASKS]` attaches to 10,000 of them, in a process that may have 1,024 descriptors, on a
//! server that serves 2,000 requests a second, and prints what went wrong here, how many connections the server saw, and
//! when the last task was first seen. `crowd limited [TASKS]` does so on a server that accepts 500 requests in each second and
//! refuses the others with `Retry-After: 1`, and prints what it accepted and refused after the first ten seconds.

use std::cell::RefCell;
use std::error::Error;
use std::io::{BufReader, Write as _, copy, sink};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, ExitCode};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, setrlimit};
use taskward::Event;
use taskward::nanonets::Nanonets;
use taskward_benches::TASK_JSON;
use taskward_benches::row::Row;
use taskward_benches::transport::server::{Process, read_request};
use taskward_core::SecretString;

const TASKS: usize = 10_000;
const DESCRIPTORS: u64 = 1_024;
/// The time that one request takes of the server's.
const SERVED_EVERY: Duration = Duration::from_micros(500);
/// What a limited server accepts in each second.
const LIMIT: u64 = 500;
/// How long the tasks of a limited server are followed, and from when on it counts.
const LIMITED_FOR: Duration = Duration::from_secs(40);
const COUNTED_FROM: Duration = Duration::from_secs(10);
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
        ["limited"] => limited(TASKS),
        ["limited", tasks] => limited(tasks.parse()?),
        ["serve"] => serve(None),
        ["serve-limited"] => serve(Some(Limit::default())),
        [tasks] => measure(tasks.parse()?),
        _ => {
            eprintln!("usage: crowd [limited] [TASKS]");
            Ok(ExitCode::from(2))
        }
    }
}

/// Follows so many tasks on a server of this kind; returns when each was seen first, how many requests failed, and what the
/// server counted.
fn crowd(
    kind: &str,
    tasks: usize,
    until: Until,
) -> Result<(Vec<Duration>, usize, String), Box<dyn Error>> {
    let server = Process::start(Command::new(std::env::current_exe()?).arg(kind))?;
    setrlimit(Resource::RLIMIT_NOFILE, DESCRIPTORS, DESCRIPTORS)?;
    let (seen, failed) = follow(tasks, server.address(), until)?;
    Ok((seen, failed, server.end()?))
}

/// How long tasks are followed.
#[derive(Clone, Copy)]
enum Until {
    /// Until all were seen.
    Seen,
    /// For this long.
    After(Duration),
}

fn limited(tasks: usize) -> Result<ExitCode, Box<dyn Error>> {
    let (seen, _, counted) = crowd("serve-limited", tasks, Until::After(LIMITED_FOR))?;
    let counts: Vec<u64> = counted
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    let [accepted, refused] = counts[..] else {
        return Err(format!("the server counted {counted:?}").into());
    };
    let capacity = LIMIT * (LIMITED_FOR - COUNTED_FROM).as_secs();
    println!(
        "tasks {tasks}, seen {}; after 10 s: {accepted} requests accepted of {capacity}, {refused} refused",
        seen.len()
    );
    let percent = |part: u64, whole: u64| part as f64 * 100.0 / whole.max(1) as f64;
    Ok(told(&[
        Row::new(
            "F2",
            "capacity used after 10 s",
            percent(accepted, capacity),
            "%",
        )
        .at_least(90.0),
        Row::new(
            "F2",
            "requests refused after 10 s",
            percent(refused, accepted + refused),
            "%",
        )
        .at_most(5.0),
    ]))
}

/// Prints the rows; the exit code tells whether all are met.
fn told(rows: &[Row]) -> ExitCode {
    let missed = rows.iter().filter(|row| !row.print()).count();
    ExitCode::from(u8::from(missed > 0))
}

fn measure(tasks: usize) -> Result<ExitCode, Box<dyn Error>> {
    let (seen, failed, peak) = crowd("serve", tasks, Until::Seen)?;
    let peak: usize = peak.trim().parse()?;
    let last = seen.iter().max().copied().unwrap_or_default();
    println!(
        "tasks {tasks}, seen {}, the last after {:.1} s",
        seen.len(),
        last.as_secs_f64()
    );
    println!("failed requests {failed}, connections at once {peak}");
    Ok(told(&[
        Row::new("F1", "local failures", failed as f64, "requests").at_most(0.0),
        Row::new("F1", "connections at once", peak as f64, "connections")
            .at_most(MOST_CONNECTIONS as f64),
        Row::new("F1", "tasks seen", seen.len() as f64, "tasks").at_least(tasks as f64),
        Row::new(
            "F1",
            "the last task first seen after",
            last.as_secs_f64(),
            "s",
        )
        .at_most(SEEN_WITHIN.as_secs_f64()),
    ]))
}

/// Returns when each task was first seen, and how many requests failed.
fn follow(
    tasks: usize,
    server: &str,
    until: Until,
) -> Result<(Vec<Duration>, usize), Box<dyn Error>> {
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
        let is_over = || match until {
            Until::Seen => seen.borrow().len() >= tasks || begun.elapsed() >= GIVEN_UP,
            Until::After(time) => begun.elapsed() >= time,
        };
        while !is_over() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let seen = seen.borrow().clone();
    let failed = *failed.borrow();
    Ok((seen, failed))
}

/// What a server accepts in each second.
#[derive(Default)]
struct Limit {
    /// The number of the second, and what was accepted in it.
    second: Mutex<(u64, u64)>,
    /// Accepted and refused once the client has had time to settle.
    accepted: AtomicU64,
    refused: AtomicU64,
}

impl Limit {
    fn accepts(&self, age: Duration) -> bool {
        let mut second = self.second.lock().unwrap_or_else(PoisonError::into_inner);
        if second.0 != age.as_secs() {
            *second = (age.as_secs(), 0);
        }
        let accepts = second.1 < LIMIT;
        second.1 += u64::from(accepts);
        if age >= COUNTED_FROM && age < LIMITED_FOR {
            let count = if accepts {
                &self.accepted
            } else {
                &self.refused
            };
            count.fetch_add(1, Ordering::Relaxed);
        }
        accepts
    }
}

/// What the connections of a server share.
struct Server {
    open: AtomicUsize,
    peak: AtomicUsize,
    /// When the first request came.
    begun: OnceLock<Instant>,
    /// When the next request is served, by a server that takes its time.
    next: Mutex<Instant>,
    limit: Option<Limit>,
}

/// Serves so many requests a second and no more: later, or never. Prints its address, and once its input ends, what it counted.
fn serve(limit: Option<Limit>) -> Result<ExitCode, Box<dyn Error>> {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    println!("{}", listener.local_addr()?);
    std::io::stdout().flush()?;
    let server = Arc::new(Server {
        open: AtomicUsize::new(0),
        peak: AtomicUsize::new(0),
        begun: OnceLock::new(),
        next: Mutex::new(Instant::now()),
        limit,
    });
    let shared = server.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let server = shared.clone();
            let open = server.open.fetch_add(1, Ordering::SeqCst) + 1;
            server.peak.fetch_max(open, Ordering::SeqCst);
            std::thread::spawn(move || {
                // A client that goes away is no error of the server's.
                let _ = answer(stream, &server);
                server.open.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    copy(&mut std::io::stdin(), &mut sink())?;
    match &server.limit {
        None => println!("{}", server.peak.load(Ordering::SeqCst)),
        Some(limit) => {
            let [accepted, refused] =
                [&limit.accepted, &limit.refused].map(|count| count.load(Ordering::Relaxed));
            println!("{accepted} {refused}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn answer(stream: TcpStream, server: &Server) -> std::io::Result<()> {
    const REFUSED: &[u8] =
        b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    while let Some(path) = read_request(&mut reader)? {
        let age = server.begun.get_or_init(Instant::now).elapsed();
        match &server.limit {
            Some(limit) if !limit.accepts(age) => {
                writer.write_all(REFUSED)?;
                continue;
            }
            Some(_) => {}
            None => {
                let due = {
                    let mut next = server.next.lock().unwrap_or_else(PoisonError::into_inner);
                    *next = (*next).max(Instant::now()) + SERVED_EVERY;
                    *next
                };
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
        }
        let body = TASK_JSON.replace(ID, path.rsplit('/').next().unwrap_or_default());
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length:";
        writer.write_all(format!("{head} {}\r\n\r\n{body}", body.len()).as_bytes())?;
    }
    Ok(())
}
