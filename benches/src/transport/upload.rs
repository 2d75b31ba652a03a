//! One large file, sent to start a task.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use taskward::nanonets::Job;
use taskward::nanonets::operations::RunAgent;

use super::{Taken, measured, poll};

/// A client that uploads.
pub struct Uploader {
    /// Its name in tables.
    pub name: &'static str,
    /// Sends this file to the server of this address.
    pub run: fn(&str, &Path) -> Taken,
}

/// All of them, the floor first.
pub const UPLOADERS: [Uploader; 5] = [
    Uploader {
        name: "read+write",
        run: read_and_write,
    },
    Uploader {
        name: "async",
        run: ours_async,
    },
    Uploader {
        name: "blocking",
        run: ours_blocking,
    },
    Uploader {
        name: "ureq-body",
        run: ureq,
    },
    Uploader {
        name: "reqwest-form",
        run: reqwest_form,
    },
];

/// What the loops by hand read and write at once.
const PIECE: usize = 256 * 1024;
const TARGET: &str = "/api/v1/agents/some/run";

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

/// No client at all: the file, piece by piece, into a socket.
fn read_and_write(server: &str, path: &Path) -> Taken {
    measured(|| {
        let mut file = File::open(path).expect("the file");
        let length = file.metadata().expect("its size").len();
        let mut stream = TcpStream::connect(server).expect("the server");
        let head =
            format!("POST {TARGET} HTTP/1.1\r\nHost: {server}\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("the head");
        let mut piece = vec![0; PIECE];
        loop {
            let read = file.read(&mut piece).expect("the file");
            if read == 0 {
                break;
            }
            stream.write_all(&piece[..read]).expect("the body");
        }
        let read = stream.read(&mut piece).expect("a reply");
        assert!(piece[..read].starts_with(b"HTTP/1.1 200"));
        1
    })
}

fn ours_async(server: &str, path: &Path) -> Taken {
    let client = poll::client(server);
    let runtime = runtime();
    measured(|| {
        let run = RunAgent(Job::agent("some").file(path));
        runtime.block_on(client.call(run)).expect("a task");
        1
    })
}

fn ours_blocking(server: &str, path: &Path) -> Taken {
    let client = poll::blocking(server);
    measured(|| {
        client
            .call(RunAgent(Job::agent("some").file(path)))
            .expect("a task");
        1
    })
}

/// Without a form: the file is the body.
fn ureq(server: &str, path: &Path) -> Taken {
    let agent = ureq::Agent::new_with_config(ureq::Agent::config_builder().proxy(None).build());
    measured(|| {
        let reply = agent
            .post(format!("http://{server}{TARGET}"))
            .send(File::open(path).expect("the file"))
            .expect("a reply");
        assert!(reply.status().is_success());
        1
    })
}

fn reqwest_form(server: &str, path: &Path) -> Taken {
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let runtime = runtime();
    measured(|| {
        let reply = runtime.block_on(async {
            let form = reqwest::multipart::Form::new()
                .file("files", path)
                .await
                .expect("the file");
            client
                .post(format!("http://{server}{TARGET}"))
                .multipart(form)
                .send()
                .await
        });
        assert!(reply.expect("a reply").status().is_success());
        1
    })
}
