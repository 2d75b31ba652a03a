//! HTTP/1.1 as far as the tests of other people's servers need it, without any of the code that is tested.

use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// The longest that a server may be silent.
const SILENCE: Duration = Duration::from_secs(60);

/// One request to a server on the loopback interface; its connection is used once.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) port: u16,
    pub(crate) method: &'static str,
    /// The path and the query.
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Option<String>,
}

impl Request {
    /// Returns a request without a body.
    pub(crate) fn get(port: u16, path: &str) -> Self {
        Self {
            port,
            method: "GET",
            path: path.to_owned(),
            headers: Vec::new(),
            body: None,
        }
    }

    /// Returns a request with a JSON body.
    pub(crate) fn post(port: u16, path: &str, body: &Value) -> Self {
        let request = Self {
            method: "POST",
            body: Some(body.to_string()),
            ..Self::get(port, path)
        };
        request.header("Content-Type", "application/json")
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// Sends it; returns once the head of the reply is there.
    pub(crate) fn send(&self) -> Result<Reply> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(SILENCE))?;
        let mut head = format!(
            "{} {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n",
            self.method, self.path, self.port
        );
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        let body = self.body.as_deref().unwrap_or_default();
        if self.body.is_some() {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        stream.write_all(format!("{head}\r\n{body}").as_bytes())?;
        Reply::read(BufReader::new(stream))
    }
}

/// A reply whose body is still to be read.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    body: BufReader<Body>,
}

impl Reply {
    fn read(mut stream: BufReader<TcpStream>) -> Result<Self> {
        let status = line(&mut stream)?;
        let status = status.split(' ').nth(1).and_then(|word| word.parse().ok());
        let status = status.context("no status line")?;
        let (mut content_type, mut framing) = (String::new(), Framing::ToEnd);
        loop {
            let line = line(&mut stream)?;
            let Some((name, value)) = line.split_once(':') else {
                break;
            };
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "content-type" => value.clone_into(&mut content_type),
                "content-length" => framing = Framing::Length(value.parse()?),
                "transfer-encoding" if value == "chunked" => framing = Framing::Chunks(0),
                _ => {}
            }
        }
        Ok(Self {
            status,
            content_type,
            body: BufReader::new(Body { stream, framing }),
        })
    }

    /// Reads the whole body.
    pub(crate) fn text(mut self) -> Result<String> {
        let mut text = String::new();
        self.body.read_to_string(&mut text)?;
        Ok(text)
    }

    /// Reads the whole body as JSON.
    pub(crate) fn json(self) -> Result<Value> {
        let text = self.text()?;
        serde_json::from_str(&text).with_context(|| format!("no JSON: {text:?}"))
    }

    /// Reads up to the end of the next event; none at the end of the stream. Comments are passed over.
    pub(crate) fn event(&mut self) -> Result<Option<Event>> {
        let mut event = Event::default();
        loop {
            let mut text = String::new();
            if self.body.read_line(&mut text)? == 0 {
                return Ok(None);
            }
            let text = text.trim_end_matches(['\r', '\n']);
            match text.split_once(':') {
                _ if text.is_empty() && event != Event::default() => return Ok(Some(event)),
                Some(("data", data)) => event.data.push_str(data.trim_start()),
                Some(("event", name)) => name.trim_start().clone_into(&mut event.name),
                Some(("id", _)) => bail!("an event with an id: {text}"),
                _ => {}
            }
        }
    }
}

/// A server-sent event.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) data: String,
}

/// Where a body ends.
enum Framing {
    /// After so many bytes.
    Length(u64),
    /// With an empty chunk; so much of this one is still to come.
    Chunks(u64),
    /// With the connection.
    ToEnd,
}

struct Body {
    stream: BufReader<TcpStream>,
    framing: Framing,
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = match &mut self.framing {
            Framing::ToEnd => return self.stream.read(buffer),
            Framing::Length(left) => left,
            Framing::Chunks(left) => {
                if *left == 0 {
                    let size = line(&mut self.stream)?;
                    *left = u64::from_str_radix(size.trim(), 16).map_err(io::Error::other)?;
                    if *left == 0 {
                        self.framing = Framing::Length(0);
                        return Ok(0);
                    }
                }
                left
            }
        };
        let wanted = buffer
            .len()
            .min(usize::try_from(*left).unwrap_or(usize::MAX));
        let read = self.stream.read(&mut buffer[..wanted])?;
        if read == 0 && wanted > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        *left -= read as u64;
        if *left == 0 && matches!(self.framing, Framing::Chunks(_)) {
            line(&mut self.stream)?;
        }
        Ok(read)
    }
}

/// Reads one line, without what ends it.
fn line(stream: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
