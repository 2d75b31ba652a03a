//! `taskward doctor`: what is wrong here, on the way, or with what is assumed of a platform.
//!
//! What the platforms have is data of theirs (`taskward::error::doctor::Examined`); nothing here knows which platform it is. The
//! checks of this machine stand in a file each: `settings`, `journal`, `clock`, `network`. `live` asks a platform with a
//! key, `recorded` keeps what came, `report` prints.

mod check;
mod clock;
mod exchange;
mod journal;
mod live;
mod network;
mod recorded;
mod report;
mod settings;

use taskward::Provider as _;
use taskward::core::Origin;
use taskward::error::doctor::{
    Examined as _, Identity, Recording, Scope, differences, examine, identify, refused_start,
};

use check::Check;
use live::LiveResult;
use report::Report;

use crate::agent_url::AgentNaming as _;
use crate::answers;
use crate::args::Doctor;
use crate::codes::Code;
use crate::cx::Cx;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::keys::{ApiAccess, CredentialForm};
use crate::platform::Platform;
use crate::registry::{ProviderName, Registered as _, on_platform};
use crate::signals::Signals;

/// Does what was asked.
pub(crate) async fn doctor(cx: &Cx, args: Doctor) -> CliResult<Exit> {
    let mut report = Report::default();
    if let Some(path) = &args.replay {
        return replay(cx, path, report);
    }
    let names = platforms(cx, &args)?;
    if let (Some(what), false) = (&args.start, args.yes) {
        confirm(cx, names[0], what).await?;
    }
    let shared = settings::shared(&cx.global);
    report.checks(&cx.out, "Settings", &shared)?;
    report.checks(&cx.out, "Journal", &journal::check(&cx.global))?;
    let mut signals = Signals::listen();
    let mut recording = Recording::default();
    let mut lost = None;
    for name in names {
        let work =
            on_platform!(name, P => platform::<P>(cx, &args, &mut report, &mut signals).await);
        let Some(mut result) = work? else { continue };
        recording.made_by = std::mem::take(&mut result.recording.made_by);
        recording.exchanges.append(&mut result.recording.exchanges);
        report.task = report.task.or(result.started);
        lost = lost.or(result.unconfirmed);
    }
    let mut unwritten = None;
    if args.live && !recording.exchanges.is_empty() {
        match recorded::write(&recording, args.record.as_deref()) {
            Ok(path) => report.recording = Some(path.display().to_string()),
            Err(error) => unwritten = Some(error),
        }
    }
    let found = report.end(&cx.out);
    // A task that may exist comes before all else, and a recording that does not before what was found.
    match lost.or(unwritten) {
        Some(error) => Err(error),
        None => found,
    }
}

/// The platforms to check: the one that is named, or those with a key, or all.
fn platforms(cx: &Cx, args: &Doctor) -> CliResult<Vec<ProviderName>> {
    let global = &cx.global;
    if let Some(task) = &args.task {
        return Ok(vec![global.task(task)?.provider()]);
    }
    if let Some(agent) = &args.agent {
        let of_agent = ProviderName::of_agent(agent);
        let name = global.named_provider().or(of_agent);
        let name = name.unwrap_or_else(|| global.provider());
        return match on_platform!(name, P => P::AGENTS_HAVE_URLS) {
            true => Ok(vec![name]),
            false => Err(answers::not_here("--agent", name)),
        };
    }
    let takes_key = global.key_stdin || global.key_file.is_some();
    if global.named_provider().is_some() || takes_key || args.start.is_some() {
        return Ok(vec![global.provider()]);
    }
    let has_key = |name: &ProviderName| {
        settings::value(on_platform!(*name, P => P::DEFAULTS.key_variable)).is_some()
    };
    let with_key: Vec<ProviderName> = ProviderName::ALL.into_iter().filter(has_key).collect();
    Ok(match with_key.is_empty() {
        true => ProviderName::ALL.to_vec(),
        false => with_key,
    })
}

/// Asks before a task is started.
async fn confirm(cx: &Cx, name: ProviderName, what: &str) -> CliResult<()> {
    answers::attended(&cx.global, "a task that is started may be paid for")?;
    let starts = on_platform!(name, P => P::STARTS);
    let question = format!(
        "start {starts} {what:?} on {}? It may be paid for",
        name.title()
    );
    match answers::sure(&cx.out, &question).await {
        true => Ok(()),
        false => Err(answers::declined("not started; nothing was sent")),
    }
}

/// Checks one platform.
async fn platform<P: Platform>(
    cx: &Cx,
    args: &Doctor,
    report: &mut Report,
    signals: &mut Signals,
) -> CliResult<Option<LiveResult>> {
    let place = Place::of::<P>(args);
    let (mut checks, access) = settings::of_platform::<P>(&cx.global, place.as_ref());
    if let Some(access) = &access {
        let credential = access.credential(&CredentialForm::Bearer)?;
        credential.into_iter().for_each(|one| cx.out.redact(one));
    }
    let known = place.and_then(|place| Some((place.origin.ok()?, place.card)));
    let Some((origin, card)) = known else {
        checks.push(clock::alone(clock::now()));
        report.checks(&cx.out, P::TITLE, &checks)?;
        return Ok(None);
    };
    let simulated = access.as_ref().is_some_and(|access| access.is_simulated);
    let mut unless_interrupted = signals.clone();
    let reached = tokio::select! {
        reached = network::reach::<P>(&origin) => reached,
        exit = unless_interrupted.recv() => return Err(live::interrupted(exit)),
    };
    checks.extend(reached.checks.into_iter().map(|check| check.of(P::ID)));
    checks.push(clock::alone(clock::now()));
    checks.push(match reached.times {
        Some(_) if simulated => clock::incomparable("a simulator's runs as fast as it likes"),
        Some((here, there)) => clock::compared(here, there, P::TITLE),
        None => clock::incomparable("it did not tell the time"),
    });
    let live = match (args.live, access) {
        (true, Some(access)) if reached.answers && access.key().is_some() => {
            Some(examined::<P>(cx, args, (&origin, card), access, signals).await?)
        }
        (true, access) if access.as_ref().and_then(ApiAccess::key).is_none() => {
            checks.push(Check::problem("key", "--live needs a key").of(P::ID));
            None
        }
        _ => None,
    };
    checks.extend(
        live.iter()
            .filter_map(|live| identity::<P>(&live.recording)),
    );
    checks.extend(live.iter().filter_map(|live| refused::<P>(&live.recording)));
    checks.extend(live.iter().filter_map(left_running));
    report.checks(&cx.out, P::TITLE, &checks)?;
    if let Some(live) = &live {
        judged::<P>(cx, report, &live.recording)?;
    }
    Ok(live)
}

/// The server of a platform.
struct Place {
    /// Its URL; or that it is none.
    origin: Result<Origin, String>,
    /// The path of the agent's card, where the platform has many servers.
    card: Option<String>,
    /// What said so.
    source: &'static str,
}

impl Place {
    /// The one that an option or a setting names, or the default, if there is one.
    fn of<P: Platform>(args: &Doctor) -> Option<Self> {
        let names = P::DEFAULTS;
        let set = settings::value(names.base_url_variable);
        let set = set.map(|url| url.to_string_lossy().into_owned());
        let set = set.filter(|url| !url.trim().is_empty());
        let (url, source) = match (&args.agent, set) {
            (Some(url), _) => (url.clone(), "--agent"),
            (None, Some(url)) => (url, names.base_url_variable),
            (None, None) if names.base_url.is_empty() => return None,
            (None, None) => (names.base_url.to_owned(), ""),
        };
        let origin =
            |url: &str| Origin::parse(url, names.api_prefix).map_err(|error| error.to_string());
        let (origin, card) = match P::card_of(&url) {
            Ok(None) => (origin(&url), None),
            Ok(Some(place)) => (origin(&place.root), Some(place.path)),
            Err(error) => (Err(error), None),
        };
        Some(Self {
            origin,
            card,
            source,
        })
    }
}

async fn examined<P: Platform>(
    cx: &Cx,
    args: &Doctor,
    (origin, card): (&Origin, Option<String>),
    access: ApiAccess,
    signals: &mut Signals,
) -> CliResult<LiveResult> {
    let start = match &args.start {
        Some(what) => Some((what.clone(), fresh_key()?)),
        None => None,
    };
    let scope = Scope {
        task: args.task.as_ref().map(|task| task.id().to_string()),
        card,
        start,
    };
    live::examine::<P>(&cx.out, origin, access, scope, signals).await
}

/// A key for the one start.
fn fresh_key() -> CliResult<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        let what = format!("the system gives no random numbers for a key: {error}");
        CliError::new(Code::Local, what).why("Nothing was sent.")
    })?;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("doctor-{hex}"))
}

/// Says who replied, when it was not the platform.
fn identity<P: Platform>(recording: &Recording) -> Option<Check> {
    let check = match identify::<P>(recording) {
        Identity::Platform => {
            Check::ok("platform", format!("it is {}, and takes the key", P::TITLE))
        }
        Identity::KeyRejected => {
            Check::problem("key", "the server rejects the API key").hint(P::KEYS)
        }
        Identity::Other(seen) => {
            let what = format!("what answers is not {} as it is known: {seen}", P::TITLE);
            Check::problem("platform", what).hint("check the server that is named, and the proxy")
        }
        Identity::Nobody(why) => Check::problem("platform", format!("no reply: {why}")),
    };
    Some(check.of(P::ID))
}

/// Says that the start was refused.
fn refused<P: Platform>(recording: &Recording) -> Option<Check> {
    let status = refused_start::<P>(recording)?;
    let what = format!("the server refused the start with status {status}");
    let hint = format!("--start starts {}: is there such a one?", P::STARTS);
    Some(Check::problem("task", what).hint(hint).of(P::ID))
}

/// Says that a started task has not ended.
fn left_running(live: &LiveResult) -> Option<Check> {
    let task = live.started.as_ref().filter(|_| !live.is_over)?;
    let what = format!("{task} was started and has not ended");
    Some(Check::warning("task", what).hint(format!("taskward watch {}", task.quoted())))
}

fn judged<P: Platform>(cx: &Cx, report: &mut Report, recording: &Recording) -> CliResult<()> {
    report.assumptions(&cx.out, P::ID, &examine::<P>(recording))?;
    match differences::<P>(recording) {
        Some(found) => report.differences(&cx.out, P::ID, &found),
        None => Ok(()),
    }
}

/// Judges a recording again.
fn replay(cx: &Cx, path: &std::path::Path, mut report: Report) -> CliResult<Exit> {
    let recording = recorded::read(path)?;
    for name in ProviderName::ALL {
        let is_there = recording
            .exchanges
            .iter()
            .any(|one| one.provider == name.as_str());
        if is_there {
            on_platform!(name, P => {
                let check = identity::<P>(&recording);
                report.checks(&cx.out, P::TITLE, &Vec::from_iter(check))?;
                judged::<P>(cx, &mut report, &recording)?;
            });
        }
    }
    report.end(&cx.out)
}
