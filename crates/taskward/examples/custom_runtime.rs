//! The core driven by hand over plain `std::net` sockets: one task sends JSON and asks a question, another uploads a
//! file, and every third status read is lost. (A real driver draws the seed and stores snapshots at `Step::Save`.)

use std::io::{self, ErrorKind::NotFound, ErrorKind::UnexpectedEof, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, SystemTime};

use taskward::core::{http::HeaderName, *};
use taskward::nanonets::{self, Nanonets};
use taskward_sim::{Fault, FaultRule, Sim};

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

pub(crate) fn main() -> Result<()> {
    let lost = FaultRule::new(Fault::Reset { after_bytes: None })
        .on("status")
        .every(3);
    let sim = Sim::builder().speed(20.0).fault(lost).spawn()?;
    let runtime = Runtime {
        origin: Origin::parse(&sim.url(), Nanonets::DEFAULTS.api_prefix)?,
        credential: Credential::bearer(&sim.nanonets().api_key.into())?,
    };
    let asker = nanonets::Job::agent(sim.agent("asker")).query("What does a table cost?");
    println!("{:?}\n", runtime.run(asker)?.text());
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/invoice.csv");
    let invoice = nanonets::Job::agent(sim.agent("invoice")).file(file);
    println!("{:?}", runtime.run(invoice)?.json());
    Ok(())
}

pub(crate) struct Runtime {
    pub(crate) origin: Origin,
    pub(crate) credential: Credential,
}

impl Runtime {
    /// Performs the driver's whole duty: do each step, acknowledge it, report what happened.
    pub(crate) fn run(&self, mut job: nanonets::Job) -> Result<nanonets::Answer> {
        for source in job.sources() {
            source.len = source.as_path().ok_or("no file")?.metadata()?.len();
        }
        let mut policy = Policy::default();
        policy.poll_backoff = policy.poll_backoff.sped_up(20);
        let shared = OriginBudget::new();
        let mut task = Task::start(Nanonets, &job, policy, Seed([7; 32]), now())?;
        loop {
            match task.next_step(now(), &shared) {
                Step::Save { revision } => task.saved(revision),
                Step::Send { id, request, .. } => {
                    let request = request.clone();
                    task.sent(id);
                    match self.exchange(&request) {
                        Ok(reply) => task.handle_response(id, reply, now()),
                        Err(failure) => task.handle_failure(id, failure, now()),
                    }
                }
                Step::Event { no, event, .. } => {
                    println!("{event:?}");
                    task.taken(no);
                    if let Event::Question(question) = &*event {
                        task.answer(&question.id, Answer::text("EUR"), now())?;
                    }
                }
                Step::Wait { until, .. } => std::thread::sleep(until.since(now())),
                Step::Done => return Ok(task.into_outcome().ok_or("none")?.into_answer()?),
                step => return Err(format!("there are no streams here: {step:?}").into()),
            }
        }
    }

    /// Sends one request on a connection of its own. How far it came decides what may be repeated.
    fn exchange(&self, request: &Request) -> Result<Response, ExchangeFailure> {
        let (host, port) = (self.origin.host(), self.origin.port());
        let stream = TcpStream::connect((host, port)).map_err(|e| {
            let why = format!("{host}:{port} ({e})");
            ExchangeFailure::new(ExchangeProgress::NotSent, Cause::Refused, why)
        })?;
        self.talk(stream, request).map_err(|e| {
            ExchangeFailure::new(ExchangeProgress::MaybeSent, Cause::Reset, e.to_string())
        })
    }

    fn talk(&self, mut stream: TcpStream, request: &Request) -> io::Result<Response> {
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let agent = http::HeaderValue::from_static("custom-runtime");
        let sealed = self.origin.seal(request, &self.credential, &agent);
        let (method, target, host) = (request.method(), request.target(), self.origin.host());
        write!(stream, "{method} {target} HTTP/1.1\r\nhost: {host}\r\n")?;
        for (name, value) in sealed.headers() {
            let value = value.to_str().map_err(io::Error::other)?;
            write!(stream, "{name}: {value}\r\n")?;
        }
        stream.write_all(b"connection: close\r\n\r\n")?;
        for segment in request.body().segments() {
            match segment {
                Segment::Bytes(bytes) => stream.write_all(bytes)?,
                Segment::Source(source) => {
                    let file = std::fs::File::open(source.as_path().ok_or(NotFound)?)?;
                    io::copy(&mut file.take(source.len), &mut stream)?;
                }
            }
        }
        let mut bytes = Vec::new();
        stream.take(16 << 20).read_to_end(&mut bytes)?;
        let mut reply = read_reply(&bytes).ok_or(UnexpectedEof)?;
        // Before anything reads it: servers say the key back.
        self.credential.redact_head(&mut reply.head);
        reply.body = self.credential.redact_body(reply.body);
        Ok(reply)
    }
}

fn read_reply(bytes: &[u8]) -> Option<Response> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let mut lines = str::from_utf8(&bytes[..end]).ok()?.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let mut reply = Response::new(status, bytes[end + 4..].to_vec());
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        let headers = &mut reply.head.headers;
        headers.append(HeaderName::try_from(name).ok()?, value.parse().ok()?);
    }
    let length = reply.head.headers.get("content-length")?.to_str().ok()?;
    (reply.body.len().to_string() == length).then_some(reply)
}

fn now() -> Timestamp {
    Timestamp::from_millis(0).after(SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default())
}
