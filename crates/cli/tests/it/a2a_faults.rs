//! What the program tells where the wire or a server does something else: lost starts of A2A agents, other credentials,
//! a stream that was reopened, and an agent of which nothing is heard. Whole outputs, without what no two runs share.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use taskward_sim::{Fault, FaultRule, Scenario, Sim};

use crate::common::{Ended, SPEED, World, assert_hidden, bare, end};

/// A world whose agents behave as these switches say.
fn world(switches: &str) -> World {
    let scenario = Scenario::parse(&format!("[a2a]\n{switches}")).expect("a scenario");
    World::of(Sim::builder().scenario(scenario), SPEED)
}

/// What was printed, with words in the place of what no two runs share: the server, ids, and how long something took.
fn told(ended: &Ended, url: &str) -> String {
    let text = format!("{}{}[exit {}]\n", ended.stdout, ended.stderr, ended.code);
    let host = url.trim_start_matches("http://");
    let text = text.replace(url, "SIM").replace(host, "SIM");
    let mut told = String::new();
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        let mut words: Vec<String> = Vec::new();
        for word in line.split_whitespace().map(named) {
            // A time has several words: 10m 08s.
            match words.last_mut() {
                Some(last) if last == "TIME" && word.starts_with("TIME") => *last = word,
                _ => words.push(word),
            }
        }
        told += &format!("{}{}\n", &line[..indent], words.join(" "));
    }
    told
}

/// A word that no two runs share, by its kind; what stands around it stays, but for the brackets of a time.
fn named(word: &str) -> String {
    let bare = word.trim_matches(['(', ')', ';', ':', ',', '.', '\'']);
    let is = |text: &str, len: usize, dashes: usize| {
        let hex = text.bytes().filter(u8::is_ascii_hexdigit).count();
        text.len() == len && hex + dashes == len
    };
    let number = bare.trim_end_matches(['s', 'm', 'h', 'd']);
    let is_time =
        number.len() + 1 == bare.len() && number.bytes().all(|byte| byte.is_ascii_digit());
    let (agent, id) = bare.split_once('#').unwrap_or(("", bare));
    match bare {
        _ if is_time && !number.is_empty() => word.replace(bare, "TIME").replace(['(', ')'], ""),
        _ if is(id, 36, 4) && agent.is_empty() => word.replace(id, "TASK"),
        _ if is(id, 36, 4) => word.replace(id, "TASK"),
        _ if is(bare, 12, 0) => word.replace(bare, "INTENT"),
        _ if bare.starts_with("20") && bare.ends_with('Z') => word.replace(bare, "WHEN"),
        _ => word.to_owned(),
    }
}

/// A server in front of the simulator that sends the first start twice, and its reply to nobody.
struct Doubling {
    address: SocketAddr,
}

impl Doubling {
    fn of(world: &World) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let sim = world.sim.address();
        std::thread::spawn(move || {
            let is_done = AtomicBool::new(false);
            for client in listener.incoming().flatten() {
                // One after the other: the program opens a connection for each.
                pass_on(client, sim, &is_done);
            }
        });
        Self { address }
    }

    fn agent(&self, name: &str) -> String {
        format!("http://{}/agents/{name}", self.address)
    }
}

/// Passes one request on, and its reply back; a start goes twice the first time.
fn pass_on(mut client: TcpStream, sim: SocketAddr, is_done: &AtomicBool) {
    let Some(request) = request(&mut client) else {
        return;
    };
    let text = String::from_utf8_lossy(&request);
    let is_start = ["\"SendMessage\"", "\"SendStreamingMessage\""]
        .iter()
        .any(|method| text.contains(method));
    let twice = is_start && !is_done.swap(true, Ordering::SeqCst);
    for _ in 0..1 + usize::from(twice) {
        let mut server = TcpStream::connect(sim).expect("the simulator");
        server.write_all(&request).expect("sent");
        if twice {
            // Once it is answered, there is a task.
            let _ = server.read(&mut [0; 1]).expect("a reply");
        } else {
            let _ = std::io::copy(&mut server, &mut client);
        }
    }
    let _ = client.shutdown(Shutdown::Both);
}

/// Reads a request, and asks for the end of the connection behind its reply.
fn request(client: &mut TcpStream) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let text = String::from_utf8(head).expect("a head");
    let length = text.lines().find_map(|line| {
        line.to_ascii_lowercase()
            .strip_prefix("content-length: ")?
            .parse()
            .ok()
    });
    let mut body = vec![0; length.unwrap_or(0)];
    client.read_exact(&mut body).ok()?;
    let head = text.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    Some([head.as_bytes(), &body].concat())
}

/// All that is written down in a folder.
fn written(folder: &Path) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        all += &match path.is_dir() {
            true => written(&path),
            false => String::from_utf8_lossy(&std::fs::read(&path).expect("a file")).into_owned(),
        };
    }
    all
}

/// Two tasks of one start: something on the way sent it twice. Both are named, and none is adopted.
///
/// Rows: P15.
#[test]
fn two_tasks_of_a_start_whose_reply_is_lost_are_both_named_and_none_is_adopted() {
    let world = world("");
    let doubling = Doubling::of(&world);
    let agent = doubling.agent("echo");
    let ended = world.a2a(&[
        "run",
        "--agent",
        &agent,
        "Hi",
        "--speed",
        &SPEED.to_string(),
    ]);
    let place = format!("http://{}", doubling.address);
    assert_eq!(
        told(&ended, &place),
        "\
error: the task was probably started, and its id is lost
  the server made several tasks of this one start: TASK, TASK
  Nothing was sent again.
  Look at each, follow the one that is wanted, and cancel the others.
  see: taskward recover INTENT --allow-origin SIM (looks for it once more)
  or: taskward run --force-new --agent SIM/agents/echo Hi --speed 20 (starts another one, which may be billed twice)
  follow: taskward watch 'a2a:SIM/agents/echo#TASK' --allow-origin SIM
  follow: taskward watch 'a2a:SIM/agents/echo#TASK' --allow-origin SIM
  intent INTENT attempts 1 exit 5
[exit 5]
"
    );
    assert_eq!(world.sim.a2a_stats().starts, 2);
    let local = world.a2a(&["ls", "--local", "--json"]);
    assert_eq!(
        local.lines()[0]["task"],
        serde_json::Value::Null,
        "{local:?}"
    );
    // Looking once more finds the same two.
    let see = first_words(&ended, "see") + " --speed 20";
    assert_eq!(
        told(&world.a2a_shell(&see), &place),
        "\
looking for the task of this start among those of its agent
error: the task was probably started, and its id is lost
  the server made several tasks of this one start: TASK, TASK
  It was looked for, and nothing was sent again.
  Look at each, follow the one that is wanted, and cancel the others.
  later: taskward recover INTENT --allow-origin SIM (looks for it once more)
  forget: taskward recover INTENT --allow-origin SIM --forget (once its outcome is known)
  follow: taskward watch 'a2a:SIM/agents/echo#TASK' --allow-origin SIM
  follow: taskward watch 'a2a:SIM/agents/echo#TASK' --allow-origin SIM
  intent INTENT attempts 1 exit 5
[exit 5]
"
    );
}

/// The command printed behind a label, without its note.
fn first_words(ended: &Ended, label: &str) -> String {
    let command = ended.printed(label);
    command
        .split("  (")
        .next()
        .expect("a command")
        .trim_end()
        .to_owned()
}

/// What is printed once no task of a start was listed.
const NONE_LISTED: &str = "\
error: the task may have been started
  the connection was lost: SIM closed the connection before it answered; no task of it was listed within 60 s
  Nothing was sent again.
  see: taskward recover INTENT --allow-origin SIM (looks for it once more)
  or: taskward run --force-new --agent SIM/agents/echo Hi --speed 20 (starts another one, which may be billed twice)
  intent INTENT attempts 1 exit 5
[exit 5]
";

/// Rows: P15.
#[test]
fn a_start_of_which_no_task_is_listed_is_unknown_and_recovered_once_there_is_one() {
    let world = world("");
    let url = world.sim.url();
    let start = "send_streaming_message";
    let run = || {
        world.a2a(&[
            "run",
            "--agent",
            &world.agent("echo"),
            "Hi",
            "--speed",
            "20",
        ])
    };
    world.sim.set_faults(vec![
        FaultRule::new(Fault::LostReplyAfterApply { after_bytes: 0 }).on(start),
        FaultRule::new(Fault::CloseBeforeHead).on("list_tasks"),
    ]);
    let ended = run();
    assert_eq!(told(&ended, &url), NONE_LISTED);
    world.sim.set_faults(Vec::new());
    // The same is not started again unasked.
    let twin = run();
    assert_eq!(
        told(&twin, &url),
        "\
error: the same was started just now, and it is unknown whether that created a task
  Nothing was sent now.
  see: taskward recover INTENT --allow-origin SIM (finds out)
  or: taskward run --force-new --agent SIM/agents/echo Hi --speed 20 (starts another one, which may be billed twice)
  intent INTENT exit 5
[exit 5]
"
    );
    let found = world.a2a_shell(&(first_words(&ended, "see") + " --speed 20"));
    assert_eq!(
        told(&found, &url),
        "\
a2a:SIM/agents/echo#TASK
looking for the task of this start among those of its agent
task a2a:SIM/agents/echo#TASK TIME
follow: taskward watch 'a2a:SIM/agents/echo#TASK' --allow-origin SIM
[exit 0]
"
    );
    assert_eq!(world.sim.a2a_stats().starts, 1);
    assert_eq!(
        told(&world.a2a(&["recover"]), &url),
        "Nothing to recover: every task started from this machine is accounted for.\n[exit 0]\n"
    );
}

/// Rows: P15.
#[test]
fn a_timeout_before_the_task_of_a_start_is_found_tells_what_became_of_the_reply() {
    let world = world("");
    let lost = Fault::LostReplyAfterApply { after_bytes: 0 };
    world.sim.set_faults(vec![
        FaultRule::new(lost).on("send_streaming_message"),
        FaultRule::new(Fault::CloseBeforeHead).on("list_tasks"),
    ]);
    let agent = world.agent("echo");
    let run = ["run", "--agent", &agent, "Hi", "--speed", "20"];
    let ended = world.a2a(&[&run[..], &["--timeout", "10s"]].concat());
    assert_eq!(ended.code, 5, "{ended:?}");
    ended.says(&[
        "error: the task may have been started\n",
        "  --timeout was reached before it was known what the start did: the connection ",
        "  Nothing was sent again.\n",
        "intent ",
    ]);
}

/// Rows: P15.
#[test]
fn a_start_that_made_no_task_is_searched_for_and_never_sent_again() {
    let world = world("");
    let url = world.sim.url();
    let never = FaultRule::new(Fault::CloseBeforeHead).on("send_streaming_message");
    world.sim.set_faults(vec![never]);
    let ended = world.a2a(&[
        "run",
        "--agent",
        &world.agent("echo"),
        "Hi",
        "--speed",
        "20",
    ]);
    assert_eq!(told(&ended, &url), NONE_LISTED);
    world.sim.set_faults(Vec::new());
    let searched = world.a2a_shell(&(first_words(&ended, "see") + " --speed 20"));
    assert_eq!(
        told(&searched, &url),
        "\
looking for the task of this start among those of its agent
error: the task may have been started
  the process ended before the reply to the start came; no task of it was listed within 60 s
  It was looked for, and nothing was sent again.
  later: taskward recover INTENT --allow-origin SIM (looks for it once more)
  forget: taskward recover INTENT --allow-origin SIM --forget (once its outcome is known)
  intent INTENT attempts 1 exit 5
[exit 5]
"
    );
    assert_eq!(world.sim.a2a_stats().starts, 0);
}

/// Rows: P18.
#[test]
fn a_stream_that_was_reopened_tells_what_may_be_missing() {
    let world = world("");
    let cut = FaultRule::new(Fault::StreamEof { after_events: 3 }).on("send_streaming_message");
    world.sim.set_faults(vec![cut]);
    let script = [
        "run",
        "--agent",
        &world.agent("script"),
        "work 1; quiet 60; artifact There.",
    ];
    let ended = world.a2a(&[&script[..], &["--speed", "20"]].concat());
    assert_eq!(
        told(&ended, &world.sim.url()),
        "\
There.
task a2a:SIM/agents/script#TASK submitted TIME
working TIME
step 1
the server ended the stream; retrying
the stream was reopened; what the agent said in between may be missing
said: There.
completed TIME
[exit 0]
"
    );
}

/// Rows: P20.
#[test]
fn no_progress_is_told_by_the_servers_own_time() {
    let scenario = Scenario::parse("[a2a]\nstreaming = false\n").expect("a scenario");
    // Its clock hardly moves, and that of the program does.
    let world = World::of(Sim::builder().scenario(scenario), 1);
    let run = ["run", "--agent", &world.agent("script"), "quiet 100000"];
    let ended = world.a2a(&[&run[..], &["--speed", "200", "--timeout", "12m"]].concat());
    assert_eq!(
        told(&ended, &world.sim.url()),
        "\
task a2a:SIM/agents/script#TASK submitted TIME
working TIME
no progress for TIME: the status is of WHEN by the server's clock; the agent may be at work, or the server may have forgotten the task
timed out after TIME (--timeout); the task is still running
  The task was working after TIME.
  reattach: taskward watch 'a2a:SIM/agents/script#TASK' --allow-origin SIM
  cancel: taskward cancel 'a2a:SIM/agents/script#TASK' --yes --allow-origin SIM
  task a2a:SIM/agents/script#TASK exit 124
[exit 124]
"
    );
}

/// Text in base64 (RFC 4648, section 4).
fn in_base64(text: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in text.as_bytes().chunks(3) {
        let bits = three
            .iter()
            .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - three.len()));
        for at in 0..4 {
            let letter = char::from(LETTERS[(bits >> (18 - 6 * at)) as usize & 63]);
            out.push(if at <= three.len() { letter } else { '=' });
        }
    }
    out
}

/// A user with a password, and a key in a header of its own: the server gets them, and neither the journal nor any output.
///
/// Rows: P25.
#[test]
fn a_password_and_a_key_in_a_named_header_reach_the_agent_and_nothing_else() {
    assert_eq!(
        ["", "a", "ab", "abc"].map(in_base64),
        ["", "YQ==", "YWI=", "YWJj"]
    );
    for (switches, user, option) in [
        ("auth = \"basic\"", Some("anna"), &[][..]),
        (
            "auth = \"api_key\"\nauth_header = \"X-Agent-Key\"",
            None,
            &[][..],
        ),
        (
            "auth = \"api_key\"\nauth_header = \"X-Agent-Key\"",
            None,
            &["--auth-header", "x-agent-key"][..],
        ),
    ] {
        let world = world(switches);
        let secret = world.sim.a2a().api_key;
        let key = user.map_or_else(|| secret.clone(), |user| format!("{user}:{secret}"));
        let run = |args: &[&str]| {
            let mut command = bare(&[args, option].concat());
            command
                .env("XDG_STATE_HOME", world.state.path())
                .env("A2A_API_KEY", &key);
            end(command, "")
        };
        let agent = world.agent("asker");
        let asked = run(&["run", "--agent", &agent, "Hi", "--verbose", "--speed", "20"]);
        assert_eq!(asked.code, 8, "{switches}: {asked:?}");
        let reply = asked.printed("reply");
        let flags = option.join(" ");
        assert!(reply.contains(&flags), "{reply}");
        let task = reply.split('\'').nth(1).expect("a task").to_owned();
        let origin = world.sim.url();
        let answer = [
            "reply",
            &task,
            "EUR",
            "--watch",
            "--json",
            "--speed",
            "20",
            "--allow-origin",
            &origin,
        ];
        let done = run(&answer);
        assert_eq!(done.code, 0, "{switches}: {done:?}");
        let debug = run(&["status", &task, "--allow-origin", &origin]);
        let forms = [secret.clone(), in_base64(&key), in_base64(&secret)];
        let all = written(world.state.path());
        assert!(all.contains("asker"), "nothing was written down");
        let outputs =
            [&asked, &done, &debug].map(|ended| format!("{}{}", ended.stdout, ended.stderr));
        assert_hidden(&forms, &[&all, &outputs.concat()]);
        assert!(world.sim.a2a_stats().starts == 1);
    }
}

/// Rows: P25.
#[test]
fn a_key_in_the_wrong_header_or_without_a_user_starts_nothing() {
    let world = world("auth = \"api_key\"\nauth_header = \"X-Agent-Key\"");
    let url = world.sim.url();
    let run = [
        "run",
        "--agent",
        &world.agent("echo"),
        "Hi",
        "--auth-header",
        "X-Other",
    ];
    assert_eq!(
        told(&world.a2a(&run), &url),
        "\
error: the server rejected the start
  the server answered 401 Unauthorized: unauthorized: no credential of the kind that the card names
  The key came from the environment variable A2A_API_KEY.
  see: taskward help environment
  http 401 attempts 1 exit 4
[exit 4]
"
    );
    assert_eq!(world.sim.a2a_stats().starts, 0);
    let world = self::world("auth = \"basic\"");
    let url = world.sim.url();
    let run = ["run", "--agent", &world.agent("echo"), "Hi"];
    assert_eq!(
        told(&world.a2a(&run), &url),
        "\
error: the server wants a user and a password, and the key is not USER:PASSWORD
  The key came from the environment variable A2A_API_KEY. Nothing was sent.
  see: taskward help run
  exit 2
[exit 2]
"
    );
    assert_eq!(world.sim.a2a_stats().starts, 0);
}

/// A sign-in that nobody here can do: what is asked, and the two ways on.
///
/// Rows: P16.
#[test]
fn a_sign_in_that_nobody_here_can_do_ends_with_the_ways_on() {
    let world = world("");
    let ended = world.a2a(&[
        "run",
        "--agent",
        &world.agent("auth"),
        "Hi",
        "--speed",
        "20",
        "--answer",
        "x",
    ]);
    let question = ended.printed("reply");
    let (_, question) = question.split_once("--question ").expect("a question");
    let question = question.split(' ').next().expect("an id");
    assert_eq!(
        told(&ended, &world.sim.url()).replace(question, "QUESTION"),
        "\
task a2a:SIM/agents/auth#TASK submitted TIME
working TIME
step 1
auth-required TIME
The agent is waiting for a credential, and may go on by itself once that has arrived.
  sign in at http://127.0.0.1/consent
  reply: taskward reply 'a2a:SIM/agents/auth#TASK' 'YOUR ANSWER' --question QUESTION --watch --allow-origin SIM (if it wants words)
  watch: taskward watch 'a2a:SIM/agents/auth#TASK' --allow-origin SIM (once the credential has arrived elsewhere)
  cancel: taskward cancel 'a2a:SIM/agents/auth#TASK' --yes --allow-origin SIM
  task a2a:SIM/agents/auth#TASK question QUESTION exit 8
[exit 8]
"
    );
}

/// The form that the server refused was no start: nothing of it is left to recover.
///
/// Rows: G9.
#[test]
fn of_a_start_whose_conversation_is_refused_nothing_stays_unknown() {
    let world = world("context_ids = \"refused\"\n");
    let url = world.sim.url();
    let run = format!("taskward run --agent {url}/agents/echo Hi --detach --speed {SPEED}");
    let started = world.a2a_shell(&run);
    assert_eq!(started.code, 0, "{started:?}");
    let listed = world.run(&["ls", "--local"]);
    let states: Vec<&str> = listed
        .stdout
        .lines()
        .filter_map(|line| line.split('\t').nth(1))
        .collect();
    assert_eq!(states, ["known"], "{listed:?}");
    world.run(&["recover"]).says(&["Nothing to recover"]);
    let again = world.a2a_shell(&run);
    assert_eq!(again.code, 0, "{again:?}");
}
