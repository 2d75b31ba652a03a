//! From an agent's URL to its server: the card says where the agent is and what it can do.

use taskward::a2a::operations::CardReply;
use taskward::a2a::types::AgentCard;
use taskward::a2a::{A2a, AgentAt, Binding, CardError, CardUrl, Security, WantedCredential};
use taskward::{Error, Provider as _, Snapshot};

use super::cards::{Cache, Read, ReadCard, Stored};
use crate::agent_url::AgentNaming as _;
use crate::args::Global;
use crate::codes::Code;
use crate::connection::Connection;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::keys::CredentialForm;
use crate::platform::Platform as _;
use crate::server::{self, At, Search, Server};
use crate::shell::quote;

/// Finds the server of a command.
pub(super) async fn find(search: &Search<'_>) -> CliResult<Server<A2a>> {
    let kept = match search.at {
        At::Kept(kept) => Some(kept.clone()),
        At::Task(task) => search.kept(task),
        At::Agent(_) | At::Settings => None,
    };
    if let Some(server) = kept.and_then(|kept| stored(search, &kept)) {
        return Ok(server);
    }
    let wanted = wanted(&search.cx.global)?;
    let (url, is_named) = agent(search)?;
    let card = read(search, &url, is_named).await?;
    server_of(&card, &url, is_named, wanted)
}

/// The binding of `--binding`.
pub(super) fn wanted(global: &Global) -> CliResult<Option<Binding>> {
    let Some(word) = &global.binding else {
        return Ok(None);
    };
    match Binding::of(word) {
        Some(binding) => Ok(Some(binding)),
        None => {
            let known: Vec<&str> = Binding::ALL.iter().map(|one| one.as_str()).collect();
            let what = format!("--binding {word:?} is none: it is {}", known.join(" or "));
            Err(CliError::new(Code::Usage, what).why("Nothing was sent."))
        }
    }
}

/// The URL that a command names, and whether it is the caller's own word.
fn agent(search: &Search<'_>) -> CliResult<(CardUrl, bool)> {
    let names = A2a::DEFAULTS;
    let given = match search.at {
        At::Agent(Some(url)) => Some((url.to_owned(), true)),
        At::Task(task) => task.agent().map(|agent| (agent.to_string(), false)),
        At::Kept(kept) => A2a::agent_of(kept).map(|agent| (agent.to_string(), false)),
        At::Agent(None) | At::Settings => None,
    };
    let settings = || {
        let url = &search.access.base_url;
        (!url.is_empty()).then(|| (url.clone(), true))
    };
    let Some((url, is_named)) = given.or_else(settings) else {
        let what = format!(
            "which agent? --agent takes its URL, or set {}",
            names.base_url_variable
        );
        let error = CliError::new(Code::Usage, what).why("Nothing was sent.");
        return Err(error.next(
            "or",
            format!("taskward {}", A2a::SIMULATED),
            "a simulated one",
        ));
    };
    match CardUrl::parse(&url) {
        Ok(url) => Ok((url, is_named)),
        Err(error) => {
            let what = format!("{url:?} is no agent's URL: {error}");
            Err(CliError::input(what).why("Nothing was sent."))
        }
    }
}

/// The server that what is kept of a task names, as it was found when the task was started or first followed.
fn stored(search: &Search<'_>, kept: &Snapshot) -> Option<Server<A2a>> {
    let provider = kept.provider_value::<A2a>().ok()?;
    let agent = A2a::agent_of(kept)?;
    let url = kept.origin()?.to_owned();
    let card = CardUrl::parse(agent.as_str()).ok();
    let card = card.and_then(|url| Some((Cache::of(search.cx)?.stored(&url)?, url)));
    let form = card.and_then(|(stored, url)| Some(form(&stored.chosen(&url)?.security)));
    Some(Server {
        provider,
        url,
        is_named: false,
        agent: Some(agent),
        form: form.unwrap_or(CredentialForm::Bearer),
    })
}

/// The server that a card names.
fn server_of(
    card: &AgentCard,
    url: &CardUrl,
    is_named: bool,
    wanted: Option<Binding>,
) -> CliResult<Server<A2a>> {
    let at = A2a::from_card(card, url, wanted).map_err(|error| unusable(&error))?;
    if let Some(refusal) = at.security.refusal() {
        return Err(CliError::new(Code::Config, refusal).why("Nothing was sent to the agent."));
    }
    let form = form(&at.security);
    let AgentAt {
        agent,
        root,
        is_elsewhere,
        ..
    } = at;
    Ok(Server {
        provider: agent,
        url: root,
        // The caller named the card's server, and the card another one.
        is_named: is_named && !is_elsewhere,
        agent: Some(A2a::agent_url(&url.short()).map_err(CliError::input)?),
        form,
    })
}

/// How an agent wants the key.
pub(super) fn form(security: &Security) -> CredentialForm {
    match &security.wanted {
        Some(WantedCredential::Basic) => CredentialForm::Basic,
        Some(WantedCredential::Header(name)) => CredentialForm::Header(name.clone()),
        Some(_) | None => CredentialForm::Bearer,
    }
}

/// Reads the card at this URL: without the key first, and with it where the server wants it and the caller named the
/// server. A card that was read before is asked for by its ETag.
pub(super) async fn read(
    search: &Search<'_>,
    url: &CardUrl,
    is_named: bool,
) -> CliResult<AgentCard> {
    let cache = Cache::of(search.cx);
    let stored = cache.as_ref().and_then(|cache| cache.stored(url));
    let etag = stored.as_ref().and_then(|stored| stored.etag.clone());
    let server = || Server {
        provider: A2a::default(),
        url: url.root().to_owned(),
        is_named,
        agent: A2a::agent_url(&url.short()).ok(),
        form: CredentialForm::Bearer,
    };
    let open = Connection::for_search(search, server(), false)?;
    let first = open.perform(ReadCard::new(url, etag)).await?;
    let (reply, is_public) = match first {
        Err(error) if is_refusal(&error) && search.access.key().is_some() => {
            let server = server();
            let credential = search.access.credential(&server.form)?;
            server::check(search.cx, search.access, &server, credential.as_ref())?;
            let known = Connection::for_search(search, server, true)?;
            (known.perform(ReadCard::new(url, None)).await?, false)
        }
        first => (first, true),
    };
    match reply.map_err(|error| unread(&open, url, &error))? {
        Read(CardReply::Card(card, etag), body) => {
            // What only those may see whom the agent knows is not written down.
            if let Some(cache) = cache.filter(|_| is_public) {
                cache.keep(url, &Stored::new(etag, &body));
            }
            Ok(*card)
        }
        Read(_, _) => stored.and_then(|stored| stored.card()).ok_or_else(|| {
            let what = format!(
                "the server says that its card at {url} has not changed, and it was not read before"
            );
            CliError::new(Code::Protocol, what)
        }),
    }
}

fn is_refusal(error: &Error) -> bool {
    error
        .status()
        .is_some_and(|status| matches!(status.as_u16(), 401 | 403))
}

/// A card that could not be read.
fn unread(connection: &Connection<A2a>, url: &CardUrl, error: &Error) -> CliError {
    let words = match error.api_error() {
        Some(api) => Some(api.message.clone()),
        None if is_card_error(error) => Some(error.to_string()),
        None => None,
    };
    let Some(words) = words else {
        return connection.cli_error(error);
    };
    if is_refusal(error) {
        let key = connection.key_came_from();
        let error = CliError::new(Code::Auth, words)
            .why(key)
            .why("Nothing was started.");
        return error.next("see", "taskward help environment", "where keys come from");
    }
    let exit = match error.is_retryable() {
        true => Exit::TryLater,
        false => Exit::Usage,
    };
    let code = match exit {
        Exit::TryLater => Code::Transport,
        _ => Code::Config,
    };
    let show = format!("taskward agents show {}", quote(&url.short()));
    CliError::new(code, words)
        .ending(exit)
        .why("Nothing was sent to the agent.")
        .next("see", show, "what is there")
}

fn is_card_error(error: &Error) -> bool {
    matches!(
        error.kind(),
        taskward::ErrorKind::Decode | taskward::ErrorKind::Protocol
    )
}

/// A card that names no interface of ours.
fn unusable(error: &CardError) -> CliError {
    CliError::new(Code::Config, error.to_string()).why("Nothing was sent to the agent.")
}
