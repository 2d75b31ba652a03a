//! The command of `--on-question`.

use std::io::{self, IsTerminal as _};
use std::process::Stdio;

use taskward::BoxError;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use super::MAX_ANSWER;

/// What the command of `--on-question` prints; `None` when it prints nothing.
pub(super) async fn run(
    command: &str,
    question: String,
    quiet: bool,
) -> Result<Option<String>, BoxError> {
    let (shell, flag) = if cfg!(windows) {
        ("cmd", "/C")
    } else {
        ("sh", "-c")
    };
    let stderr = if quiet {
        Stdio::null()
    } else {
        Stdio::inherit()
    };
    let failed = |why: String| -> BoxError {
        format!("the command of --on-question, {command:?}, {why}").into()
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
    let mut child = process
        .spawn()
        .map_err(|e| failed(format!("cannot be run: {e}")))?;
    let mut group = Group(child.id().filter(|_| alone));
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
    let fed_and_read = async {
        tokio::pin!(read, feed);
        // A command that has said enough need not hear the rest.
        tokio::select! {
            read = &mut read => read,
            () = &mut feed => read.await,
        }
    };
    let (bytes, status) = fed_and_read
        .await
        .map_err(|e: io::Error| failed(format!("was lost: {e}")))?;
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
