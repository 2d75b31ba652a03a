//! Who replied: the platform, or something in its place.

use super::exchange::{Exchange, RecordedBody};
use super::recording::Recording;
use super::{Evidence, Examined, Stage};

/// Who replied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The platform.
    Platform,
    /// The platform or something in front of it, which takes the key for none.
    KeyRejected,
    /// Something else; what it replied.
    Other(String),
    /// Nobody; why.
    Nobody(String),
}

/// Tells who replied in a recording. Where it was not the platform, no reply says anything of the platform.
#[must_use]
pub fn identify<P: Examined>(recording: &Recording) -> Identity {
    let evidence = Evidence::new(recording, P::NAME, &P::VOCABULARY);
    let of_platform = |one: &&Exchange| one.provider == P::NAME;
    let exchanges: Vec<&Exchange> = recording.exchanges.iter().filter(of_platform).collect();
    let wrong_key = |one: &&&Exchange| {
        P::PROBES
            .iter()
            .any(|probe| probe.wrong_key && probe.name == one.probe)
    };
    let own: Vec<&&Exchange> = exchanges.iter().filter(|one| !wrong_key(one)).collect();
    let status = |one: &&&Exchange| one.reply().map(|reply| reply.status);
    if own.iter().any(|one| status(one) == Some(401)) {
        return Identity::KeyRejected;
    }
    if (P::PROOF)(&evidence) {
        return Identity::Platform;
    }
    let replies = own.iter().filter_map(|one| one.reply());
    let mut seen: Vec<String> = Vec::new();
    for reply in replies {
        let what = match &reply.body {
            RecordedBody::Other { kind, .. } if kind == "html" => "a web page",
            RecordedBody::Other { .. } => "something that is not JSON",
            RecordedBody::Empty => "nothing",
            RecordedBody::Json(_) => "other JSON",
            RecordedBody::Events(_) => "a stream",
            RecordedBody::Outline(_) => "a description",
        };
        let what = format!("{what} with status {}", reply.status);
        if !seen.contains(&what) {
            seen.push(what);
        }
    }
    if !seen.is_empty() {
        seen.truncate(3);
        return Identity::Other(seen.join(", "));
    }
    let failure = own.iter().find_map(|one| one.failure());
    Identity::Nobody(failure.unwrap_or("nothing was asked").to_owned())
}

/// Returns the status with which the start was refused.
#[must_use]
pub fn refused_start<P: Examined>(recording: &Recording) -> Option<u16> {
    let starts = P::PROBES.iter().filter(|probe| probe.stage == Stage::Start);
    let names: Vec<&str> = starts.map(|probe| probe.name).collect();
    let mut exchanges = recording.exchanges.iter();
    let start =
        exchanges.find(|one| one.provider == P::NAME && names.contains(&one.probe.as_str()));
    let status = start?.reply()?.status;
    (!(200..300).contains(&status)).then_some(status)
}
