//! The examination of a platform with a key.

use std::time::Duration;

use taskward::ErrorKind;
use taskward::core::{Credential, Origin};
use taskward::error::doctor::{Ask, Examination, Recording, Scope, Stage};

use super::exchange::Server;
use crate::codes::Code;
use crate::error::{CliError, CliResult};
use crate::keys::{ApiAccess, CredentialForm};
use crate::out::Out;
use crate::platform::Platform;
use crate::signals::Signals;
use crate::task_ref::TaskRef;

/// Requests in a row without a reply after which the rest is left alone.
const GIVEN_UP: u32 = 2;

/// What an examination brought.
pub(super) struct LiveResult {
    pub(super) recording: Recording,
    /// The task that was started.
    pub(super) started: Option<TaskRef>,
    pub(super) is_over: bool,
    /// That the reply to the start was lost.
    pub(super) unconfirmed: Option<CliError>,
}

/// Asks what the scope allows.
pub(super) async fn examine<P: Platform>(
    out: &Out,
    origin: &Origin,
    access: ApiAccess,
    scope: Scope,
    signals: &mut Signals,
) -> CliResult<LiveResult> {
    let config = |error: taskward::Error| CliError::new(Code::Config, error.to_string());
    let redactor = access.credential(&CredentialForm::Bearer)?;
    let redactor = redactor.ok_or_else(|| CliError::new(Code::NoKey, "--live needs a key"))?;
    let own = Server::<P>::open(origin, access.key().cloned()).map_err(config)?;
    let wrong = Server::<P>::open(origin, None).map_err(config)?;
    let mut examination = Examination::of::<P>(scope);
    let mut unconfirmed = None;
    let mut silent = 0;
    while let Some(ask) = examination.next_step() {
        let server = if ask.probe.wrong_key { &wrong } else { &own };
        let work = one(server, &redactor, &ask, &mut examination);
        let ended = tokio::select! {
            ended = work => ended,
            exit = signals.recv() => {
                let started = started::<P>(&examination);
                return Err(interrupted(exit).task(&started));
            }
        };
        match ended {
            Ended::Replied => {
                silent = 0;
                if ask.probe.stage == Stage::Start
                    && let Some(task) = started::<P>(&examination)
                {
                    out.say(&format!(
                        "started {task}; it is read until it ends or waits"
                    ));
                }
            }
            Ended::Silent => silent += 1,
            Ended::Unconfirmed(why) => {
                unconfirmed = Some(lost::<P>(&why));
                break;
            }
        }
        if silent >= GIVEN_UP {
            break;
        }
    }
    let started = started::<P>(&examination);
    Ok(LiveResult {
        recording: examination.recording(),
        started,
        is_over: examination.is_over(),
        unconfirmed,
    })
}

/// The task that was started.
fn started<P: Platform>(examination: &Examination) -> Option<TaskRef> {
    let id = examination.started()?;
    Some(TaskRef::new(P::ID, None, id.to_owned().into()))
}

enum Ended {
    Replied,
    Silent,
    Unconfirmed(String),
}

async fn one<P: Platform>(
    server: &Server<P>,
    redactor: &Credential,
    ask: &Ask,
    examination: &mut Examination,
) -> Ended {
    if ask.wait > Duration::ZERO {
        tokio::time::sleep(ask.wait).await;
    }
    let seen = server.observe(ask.request.clone(), ask.safety()).await;
    match (&seen.reply, &seen.result) {
        (Some(reply), _) => {
            // A client knows its own key alone, and a server may say the other one.
            let mut reply = reply.clone();
            redactor.redact_head(&mut reply.head);
            reply.body = redactor.redact_body(reply.body);
            examination.take(ask, Ok(&reply));
            Ended::Replied
        }
        (None, Err(error)) => {
            let why = redactor.redact(&server.failure(error));
            examination.take(ask, Err(why.clone()));
            match error.kind() {
                ErrorKind::OutcomeUnknown => Ended::Unconfirmed(why),
                _ => Ended::Silent,
            }
        }
        (None, Ok(())) => Ended::Silent,
    }
}

pub(super) fn interrupted(exit: crate::exit::Exit) -> CliError {
    CliError::new(Code::Interrupted, "interrupted")
        .headed("stopped")
        .ending(exit)
}

/// The end of a start whose reply was lost: it was not repeated.
fn lost<P: Platform>(why: &str) -> CliError {
    CliError::new(Code::OutcomeUnknown, "the reply to the start was lost")
        .why(why.to_owned())
        .why(format!(
            "The task may exist on {}. Nothing was sent again.",
            P::TITLE
        ))
}
