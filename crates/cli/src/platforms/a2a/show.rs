//! `taskward agents show URL`: an agent's card in words.

use serde_json::{Value, json};
use taskward::a2a::types::{AgentCard, AgentInterface};
use taskward::a2a::{A2a, AgentAt, CardError, CardUrl, Security, WantedCredential};
use taskward::core::sanitise::one_line;

use super::discovery;
use crate::args::Agents;
use crate::codes::Code;
use crate::cx::Cx;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::keys;
use crate::lines::{LineType, line};
use crate::registry::{Feature, Registered as _};
use crate::server::{At, Search};

/// Shows one agent: the protocol knows no list of them, and nobody else changes one.
pub(super) async fn agents(cx: &Cx, args: Agents) -> CliResult<Exit> {
    let Agents::Show { agent } = args else {
        let what = format!(
            "of its agents {} tells one at a time: {} show URL",
            A2a::TITLE,
            Feature::Agents.command()
        );
        return Err(CliError::new(Code::Unsupported, what).why("Nothing was sent."));
    };
    let url = CardUrl::parse(&agent).map_err(|error| {
        let what = format!("{agent:?} is no agent's URL: {error}");
        CliError::input(what).why("Nothing was sent.")
    })?;
    let access = keys::api_access::<A2a>(&cx.global)?;
    let search = Search {
        cx,
        access: &access,
        at: At::Agent(Some(&agent)),
        speed: 1,
        store: None,
    };
    let wanted = discovery::wanted(&cx.global)?;
    let card = discovery::read(&search, &url, true).await?;
    let chosen = A2a::from_card(&card, &url, wanted);
    if cx.out.is_json() {
        cx.out
            .line(line(LineType::Agent, None, fields(&card, &url, &chosen)));
    } else {
        cx.out.print(&described(&card, &url, &chosen))?;
    }
    match chosen {
        Ok(_) => Ok(Exit::Ok),
        Err(error) => Err(CliError::new(Code::Config, error.to_string())),
    }
}

/// The interfaces that a card names, in its order.
fn interfaces(card: &AgentCard) -> Vec<&AgentInterface> {
    let all = card.supported_interfaces.readable();
    all.chain(card.additional_interfaces.readable()).collect()
}

fn fields(card: &AgentCard, url: &CardUrl, chosen: &Result<AgentAt, CardError>) -> Value {
    let interfaces = interfaces(card).into_iter().map(|one| {
        json!({ "url": one.url, "binding": one.protocol_binding, "version": one.protocol_version })
    });
    let skills = card.skills.readable().map(
        |skill| json!({ "id": skill.id, "name": skill.name, "description": skill.description }),
    );
    let used = chosen.as_ref().ok().map(|at| {
        json!({
            "url": format!("{}{}", at.root, at.agent.path()),
            "binding": at.agent.binding().as_str(),
            "tenant": at.agent.tenant(),
        })
    });
    json!({
        "id": url.short(),
        "name": card.name,
        "status": Value::Null,
        "is_active": chosen.is_ok(),
        "agent_group_id": Value::Null,
        "version_number": Value::Null,
        "created_at": Value::Null,
        "updated_at": Value::Null,
        "config": {
            "card": url.to_string(),
            "description": card.description,
            "version": card.version,
            "interfaces": interfaces.collect::<Vec<Value>>(),
            "used": used,
            "streaming": card.capabilities.streaming,
            "push_notifications": card.capabilities.push_notifications,
            "extended_card": card.capabilities.extended_agent_card,
            "credential": chosen.as_ref().ok().map(|at| credential(&at.security)),
            "skills": skills.collect::<Vec<Value>>(),
            "security_schemes": card.security_schemes.keys().collect::<Vec<_>>(),
        },
    })
}

/// The card in words, a line for each thing.
fn described(card: &AgentCard, url: &CardUrl, chosen: &Result<AgentAt, CardError>) -> String {
    let mut page = Page::default();
    let version = card.version.as_deref().map(|version| format!(" {version}"));
    let name = card.name.as_deref().unwrap_or("(without a name)");
    page.add("agent", &format!("{name}{}", version.unwrap_or_default()));
    page.add("about", card.description.as_deref().unwrap_or_default());
    page.add(
        "by",
        card.provider
            .as_ref()
            .and_then(|by| by.organization.as_deref())
            .unwrap_or_default(),
    );
    page.add("card", &url.to_string());
    for one in interfaces(card) {
        page.add("interface", &interface(one, chosen));
    }
    page.add("can", &abilities(card));
    if let Ok(at) = chosen {
        page.add("credential", &credential(&at.security));
        for extension in &at.required_extensions {
            page.add(
                "requires",
                &format!("the extension {extension}, which this program does not know"),
            );
        }
        if at.is_elsewhere {
            let place = format!("the agent is on another server than its card: {}", at.root);
            page.add("note", &place);
        }
    }
    page.add(
        "takes",
        &card
            .default_input_modes
            .clone()
            .unwrap_or_default()
            .join(", "),
    );
    page.add(
        "gives",
        &card
            .default_output_modes
            .clone()
            .unwrap_or_default()
            .join(", "),
    );
    for skill in card.skills.readable() {
        let name = skill
            .name
            .as_deref()
            .or(skill.id.as_ref().map(|id| id.as_str()));
        let about = skill.description.as_deref().unwrap_or_default();
        let words = [name.unwrap_or_default(), about];
        let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
        page.add("skill", &words.join(": "));
    }
    page.0
}

/// A page of labelled lines.
#[derive(Default)]
struct Page(String);

impl Page {
    /// Adds a line, if there is anything to say.
    fn add(&mut self, label: &str, text: &str) {
        let text = one_line(text);
        if !text.is_empty() {
            self.0 += &format!("{label:<11} {text}\n");
        }
    }
}

fn interface(one: &AgentInterface, chosen: &Result<AgentAt, CardError>) -> String {
    let url = one.url.as_deref().unwrap_or_default();
    let binding = one
        .protocol_binding
        .as_deref()
        .or(one.transport.as_deref())
        .unwrap_or("?");
    let version = one.protocol_version.as_deref().unwrap_or("?");
    let is_used = chosen.as_ref().is_ok_and(|at| {
        let used = format!("{}{}", at.root, at.agent.path());
        at.agent.binding().as_str().eq_ignore_ascii_case(binding)
            && used.trim_end_matches('/') == url.trim_end_matches('/')
    });
    let mark = if is_used { "  (used)" } else { "" };
    format!("{binding} {version} at {url}{mark}")
}

/// What the agent can do beyond taking tasks.
fn abilities(card: &AgentCard) -> String {
    let can = [
        (card.capabilities.streaming, "stream its work"),
        (card.capabilities.push_notifications, "call web hooks"),
        (
            card.capabilities.extended_agent_card,
            "show more to those whom it knows",
        ),
    ];
    let can: Vec<&str> = can
        .iter()
        .filter(|(can, _)| *can)
        .map(|(_, what)| *what)
        .collect();
    match can.is_empty() {
        true => "be asked and answered; it does not stream".to_owned(),
        false => can.join(", "),
    }
}

/// Which credential the agent wants.
fn credential(security: &Security) -> String {
    if let Some(refusal) = security.refusal() {
        return refusal;
    }
    let wanted = match &security.wanted {
        None => return "none".to_owned(),
        Some(WantedCredential::Bearer) => "a bearer key".to_owned(),
        Some(WantedCredential::Basic) => {
            "a user and a password; the key is USER:PASSWORD".to_owned()
        }
        Some(WantedCredential::Header(name)) => format!("a key in the header {name}"),
        Some(_) => "one that this version does not know".to_owned(),
    };
    match security.is_required {
        true => wanted,
        false => format!("{wanted}, or none"),
    }
}
