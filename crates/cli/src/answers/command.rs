//! The command of `--on-question`.

use std::io::{self, IsTerminal as _};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};

use super::MAX_ANSWER;

/// The longest line of its stderr that is passed on as one.
const MAX_LINE: u64 = 8 * 1024;

/// How long the last of its stderr is waited for once it has ended: something that it started may keep it open.
const LAST_LINES: Duration = Duration::from_millis(200);

/// What the command of `--on-question` prints; `None` when it prints nothing. Its stderr is ours, or goes to `hear` line by
/// line.
///
/// # Errors
/// What it did instead of answering, as a sentence.
pub(super) async fn run(
    command: &str,
    question: String,
    hear: Option<impl Fn(&str)>,
) -> Result<Option<String>, String> {
    let failed = |why: String| format!("the command of --on-question, {command:?}, {why}");
    let (mut child, mut group) =
        spawn(command, hear.is_some()).map_err(|e| failed(format!("cannot be run: {e}")))?;
    let stderr = child.stderr.take();
    let heard = async {
        if let (Some(stderr), Some(hear)) = (stderr, hear) {
            lines(stderr, hear).await;
        }
    };
    let fed_and_read = feed_and_read(&mut child, question);
    tokio::pin!(fed_and_read, heard);
    let mut is_heard = false;
    let read = loop {
        tokio::select! {
            read = &mut fed_and_read => break read,
            () = &mut heard, if !is_heard => is_heard = true,
        }
    };
    if !is_heard {
        // What it said last often is why it failed.
        let _ = tokio::time::timeout(LAST_LINES, heard).await;
    }
    let (bytes, status) = read.map_err(|e: io::Error| failed(format!("was lost: {e}")))?;
    let Some(status) = status else {
        return Err(failed(format!("printed more than {MAX_ANSWER} bytes")));
    };
    group.0 = None;
    if !status.success() {
        return Err(failed(format!("ended with {status}")));
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| failed("printed something that is not UTF-8 text".to_owned()))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    Ok((!text.trim().is_empty()).then(|| text.to_owned()))
}

/// Starts the command in a shell, with its stderr as ours unless it is `heard`.
fn spawn(command: &str, heard: bool) -> io::Result<(Child, Group)> {
    let (shell, flag) = if cfg!(windows) {
        ("cmd", "/C")
    } else {
        ("sh", "-c")
    };
    let stderr = match heard {
        true => Stdio::piped(),
        false => Stdio::inherit(),
    };
    let mut process = Command::new(shell);
    process
        .args([flag, command])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(stderr)
        .kill_on_drop(true);
    // At a terminal it stays in our group: a group of its own could not ask the person there, and Ctrl-C reaches
    // all of ours.
    let alone = cfg!(unix) && !io::stdin().is_terminal();
    #[cfg(unix)]
    if alone {
        process.process_group(0);
    }
    let child = process.spawn()?;
    let group = Group(child.id().filter(|_| alone));
    Ok((child, group))
}

/// Gives the question to the command and reads what it prints, with how it ended unless that is too much.
async fn feed_and_read(
    child: &mut Child,
    question: String,
) -> io::Result<(Vec<u8>, Option<ExitStatus>)> {
    let stdin = child.stdin.take();
    let stdout = child.stdout.take();
    let feed = async move {
        if let Some(mut stdin) = stdin {
            // A command that does not read its stdin need not.
            let _ = stdin.write_all(question.as_bytes()).await;
            let _ = stdin.write_all(b"\n").await;
        }
    };
    let read = async {
        let mut bytes = Vec::new();
        if let Some(stdout) = stdout {
            let mut stdout = stdout.take(MAX_ANSWER as u64 + 1);
            stdout.read_to_end(&mut bytes).await?;
        }
        if bytes.len() <= MAX_ANSWER {
            let status = child.wait().await?;
            return Ok((bytes, Some(status)));
        }
        Ok((bytes, None))
    };
    tokio::pin!(read, feed);
    // A command that has said enough need not hear the rest.
    tokio::select! {
        read = &mut read => read,
        () = &mut feed => read.await,
    }
}

/// Passes on each line, a part of it where it is too long, until the end.
async fn lines(stderr: impl tokio::io::AsyncRead + Unpin, hear: impl Fn(&str)) {
    let mut stderr = BufReader::new(stderr);
    let mut line = Vec::new();
    // A stream that cannot be read any further has nothing more to say.
    while let Ok(1..) = (&mut stderr)
        .take(MAX_LINE)
        .read_until(b'\n', &mut line)
        .await
    {
        hear(String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']));
        line.clear();
    }
}

/// A command in a group of its own, with everything that it started: all of it ends with this value.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        let Some(leader) = self.0 else { return };
        // The shell's own kill: no library of ours sends a signal. Nobody is left to tell that it failed.
        let _ = std::process::Command::new("sh")
            .args(["-c", "kill -s KILL -- \"-$0\"", &leader.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}
