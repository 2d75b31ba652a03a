//! The server: a thread for each connection, no parsing beyond what an honest reply needs.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read as _, Write as _, copy, sink};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use crate::decode::{TASK_ID, TASK_JSON};

/// A server in a process of its own, so that what it takes is not taken for the client's. It ends with this value.
#[derive(Debug)]
pub struct Process {
    process: Child,
    said: BufReader<ChildStdout>,
    address: String,
}

impl Process {
    /// Starts the program that a command runs, which prints its address first, and serves until its input ends.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> std::io::Result<Self> {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn()?;
        let output = process.stdout.take();
        let output = output.ok_or_else(|| std::io::Error::other("it has no output"))?;
        let mut said = BufReader::new(output);
        let mut address = String::new();
        said.read_line(&mut address)?;
        Ok(Self {
            process,
            said,
            address: address.trim().to_owned(),
        })
    }

    /// Returns host and port.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Ends it; returns what it prints at the end.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub fn end(mut self) -> std::io::Result<String> {
        drop(self.process.stdin.take());
        let mut rest = String::new();
        self.said.read_to_string(&mut rest)?;
        self.process.wait()?;
        Ok(rest)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// How often each task was asked for.
type Asked = Arc<Mutex<HashMap<String, u64>>>;

/// Prints its address and answers until its input ends.
///
/// # Errors
/// When it cannot listen.
pub fn serve() -> std::io::Result<()> {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    println!("{}", listener.local_addr()?);
    std::thread::spawn(move || {
        let asked = Asked::default();
        for stream in listener.incoming().flatten() {
            let asked = asked.clone();
            std::thread::spawn(move || {
                // A client that goes away is no error of the server's.
                let _ = answer(stream, &asked);
            });
        }
    });
    copy(&mut std::io::stdin(), &mut sink())?;
    Ok(())
}

fn answer(stream: TcpStream, asked: &Asked) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::with_capacity(256 * 1024, stream.try_clone()?);
    let mut writer = stream;
    while let Some(path) = read_request(&mut reader)? {
        let body = body(&path, asked);
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length:";
        // One write: a reply in two packets would measure the kernel's patience.
        writer.write_all(format!("{head} {}\r\n\r\n{body}", body.len()).as_bytes())?;
    }
    Ok(())
}

/// Reads a request, its body included, and returns its path; `None` once the connection ends.
///
/// # Errors
/// When the connection breaks.
pub fn read_request(reader: &mut impl BufRead) -> std::io::Result<Option<String>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    copy(&mut reader.take(length), &mut sink())?;
    Ok(Some(path))
}

/// Replies about the task that is asked for, in as many bytes whatever its id is; one named `N-…` is over once it was polled
/// N times.
fn body(path: &str, asked: &Asked) -> String {
    let is_summary = path.ends_with("/summary");
    let path = path.trim_end_matches("/summary");
    let id = path.rsplit('/').next().unwrap_or_default();
    let title = "A".repeat(TASK_ID.len().saturating_sub(id.len()) + 1);
    let running = TASK_JSON
        .replace(TASK_ID, id)
        .replace(r#""A""#, &format!("\"{title}\""));
    let done = || running.replace("running", "completed");
    if is_summary {
        return done().replace(r#""title""#, r#""result":{"summary":"done"},"title""#);
    }
    let polls = id.split('-').next().and_then(|n| n.parse::<u64>().ok());
    let Some(polls) = polls else {
        return running;
    };
    let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
    let count = asked.entry(id.to_owned()).or_default();
    *count += 1;
    if *count < polls {
        return running;
    }
    asked.remove(id);
    done()
}
