//! Which server a command goes to, and where the credential may go.

use taskward::Snapshot;
use taskward::core::{Credential, NamedOrigins, Origin};

use crate::agent_url::{AgentNaming as _, AgentUrl};
use crate::args::Global;
use crate::codes::Code;
use crate::command_line;
use crate::cx::Cx;
use crate::error::{CliError, CliResult};
use crate::keys::{self, ApiAccess, CredentialForm};
use crate::platform::Platform;
use crate::registry::{ProviderName, on_platform};
use crate::shell::quote;
use crate::store::TaskStore;
use crate::task_ref::TaskRef;

/// What a command says of the server that it goes to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum At<'a> {
    /// Nothing: it is the one of the settings.
    Settings,
    /// What `--agent` says, where an agent has a URL.
    Agent(Option<&'a str>),
    /// The one that a task is on.
    Task(&'a TaskRef),
    /// The one that what is kept of a task names.
    Kept(&'a Snapshot),
}

/// The server of a command, and what can be done there.
pub(crate) struct Server<P> {
    pub(crate) provider: P,
    /// Its URL.
    pub(crate) url: String,
    /// Whether the caller named its origin; otherwise the credential goes there only if an option allows it.
    pub(crate) is_named: bool,
    /// The agent, where the provider has many servers.
    pub(crate) agent: Option<AgentUrl>,
    /// How the server wants the key.
    pub(crate) form: CredentialForm,
}

/// What is known before the server of a command is found.
pub(crate) struct Search<'a> {
    pub(crate) cx: &'a Cx,
    pub(crate) access: &'a ApiAccess,
    pub(crate) at: At<'a>,
    pub(crate) speed: u32,
    pub(crate) store: Option<&'a TaskStore>,
}

impl Search<'_> {
    /// The server of the settings.
    pub(crate) fn settings<P: Platform>(&self) -> Server<P> {
        Server {
            provider: P::default(),
            url: self.access.base_url.clone(),
            is_named: true,
            agent: None,
            form: CredentialForm::Bearer,
        }
    }

    /// What is kept here of a task.
    pub(crate) fn kept(&self, task: &TaskRef) -> Option<Snapshot> {
        match self.store {
            Some(store) => store.kept(task),
            None => TaskStore::existing(self.cx)?.kept(task),
        }
    }
}

/// The origins that the caller named: the server of the settings, the one of this command, and those of
/// `--allow-origin`.
pub(crate) fn named_origins<P: Platform>(
    cx: &Cx,
    access: &ApiAccess,
    server: &Server<P>,
) -> CliResult<NamedOrigins> {
    let mut named = NamedOrigins::none();
    if !access.base_url.is_empty()
        && let Ok(origin) = Origin::parse(&access.base_url, P::DEFAULTS.api_prefix)
    {
        named.add(&origin);
    }
    if server.is_named
        && let Ok(origin) = Origin::parse(&server.url, P::DEFAULTS.api_prefix)
    {
        named.add(&origin);
    }
    for url in &cx.global.allow_origin {
        named.allow(url).map_err(|error| {
            let what = format!("--allow-origin {url:?} names no origin: {error}");
            CliError::input(what).why("Nothing was sent.")
        })?;
    }
    Ok(named)
}

/// Refuses a server that the credential may not go to.
pub(crate) fn check<P: Platform>(
    cx: &Cx,
    access: &ApiAccess,
    server: &Server<P>,
    credential: Option<&Credential>,
) -> CliResult<()> {
    let named = named_origins(cx, access, server)?;
    let Ok(origin) = Origin::parse(&server.url, P::DEFAULTS.api_prefix) else {
        // It is refused in its own words.
        return Ok(());
    };
    if credential.is_none() || named.check(&origin).is_ok() {
        return Ok(());
    }
    let root = root(&origin);
    let what = format!("nothing in this command says that the API key is for {root}");
    let why = "A task's name and an agent's card are written by others, so the key goes only where this command, or the environment, allows it.";
    let allowed = format!(
        "{} --allow-origin {}",
        command_line::as_given(),
        quote(&root)
    );
    Err(CliError::new(Code::Config, what)
        .why(why)
        .why(format!(
            "The key came from {}. Nothing was sent there.",
            access.source
        ))
        .next("allow", allowed, "if it is that server's key"))
}

/// The option that a printed command needs so that the key goes to the server at this URL, with a space in front: the
/// settings of the next command name theirs, and nothing else.
pub(crate) fn allowing<P: Platform>(settings: &str, url: &str) -> String {
    let origin = |url: &str| Origin::parse(url, P::DEFAULTS.api_prefix).ok();
    let Some(to) = origin(url) else {
        return String::new();
    };
    match origin(settings).is_some_and(|settings| root(&settings) == root(&to)) {
        true => String::new(),
        false => format!(" --allow-origin {}", quote(&root(&to))),
    }
}

/// What a printed command about what is kept of a task needs for the same key, where no connection was opened.
pub(crate) fn flags_of_kept(global: &Global, kept: &Snapshot) -> String {
    let key = keys::flags(global);
    let Some(provider) = ProviderName::named(kept.provider()) else {
        return key;
    };
    on_platform!(provider, P => match (P::AGENTS_HAVE_URLS, kept.origin(), keys::base_url::<P>()) {
        (true, Some(url), Ok(settings)) => key + &allowing::<P>(&settings, url),
        _ => key,
    })
}

/// An origin as options take it.
pub(crate) fn root(origin: &Origin) -> String {
    let url = origin.to_string();
    let host = url.find("://").map_or(0, |at| at + "://".len());
    match url[host..].find('/') {
        Some(end) => url[..host + end].to_owned(),
        None => url,
    }
}
