//! Credentials on the wire: each in its header, at the servers that the caller named, and in nothing that comes back.

use taskward_core::{Credential, ErrorKind, KeyHeader, Output as _, RunResult, SecretString};
use taskward_providers::a2a::{A2a, Binding, Job};
use taskward_providers::nanonets::Nanonets;
use taskward_sim::{Scenario, Sim};

use super::support::{Ended, KEY, Probe, Server, ended, impatient, key, ok};
use crate::adapter::{Builder, Client, calls, follow};

fn builder() -> Builder<Nanonets> {
    Client::builder().policy(impatient())
}

fn basic() -> Credential {
    Credential::basic("ann", &SecretString::from(KEY)).expect("a pair")
}

fn api_key() -> Credential {
    let header = KeyHeader::new("X-Api-Key").expect("a name");
    Credential::api_key(header, &SecretString::from(KEY)).expect("a key")
}

/// `ann:` and the key of the tests.
const PAIR: &str = "YW5uOmNhbmFyeS00ZjFjMmI3ZTlk";

/// Rows: L21.
#[test]
fn each_form_of_a_credential_is_sent_in_its_header_and_comes_back_in_nothing() {
    let server = Server::new(|conn, _| {
        while let Some(seen) = conn.request() {
            // All that the client said comes back: as it is, and in base64.
            let said = format!(
                "{} {}",
                seen.header("authorization").unwrap_or_default(),
                seen.header("x-api-key").unwrap_or_default()
            );
            let body = format!(r#"{{"you said":"{said}","and":"{PAIR}"}}"#);
            let reply = ok(&body).replacen("\r\n", &format!("\r\nX-Said: {said}\r\n"), 1);
            if !conn.say(reply) {
                return;
            }
        }
    });
    let bearer = format!("Bearer {KEY}");
    let pair = format!("Basic {PAIR}");
    for (builder, authorization, api_key) in [
        (builder().api_key(key()), Some(bearer.as_str()), None),
        (builder().credential(basic()), Some(pair.as_str()), None),
        (builder().credential(api_key()), None, Some(KEY)),
        // The last one counts.
        (
            builder().credential(basic()).api_key(key()),
            Some(bearer.as_str()),
            None,
        ),
        (
            builder().api_key(key()).credential(api_key()),
            None,
            Some(KEY),
        ),
    ] {
        let client = builder.base_url(&server.url()).build().expect("settings");
        assert!(!format!("{client:?}").contains(KEY));
        let reply = calls(&client, &[Probe::get()]).remove(0).expect("a reply");
        let seen = server.seen();
        let seen = seen.last().expect("a request");
        assert_eq!(seen.header("authorization"), authorization);
        assert_eq!(seen.header("x-api-key"), api_key);
        let shown = format!("{:?} {:?}", reply.head, reply.body);
        assert!(shown.contains("[key]"), "{shown}");
        for secret in [KEY, "Y2FuYX", "NhbmFy", "jYW5hcnkt"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}

/// Rows: L23.
#[test]
fn a_credential_is_not_sent_to_a_server_that_somebody_else_named() {
    let (named, other) = (Server::says(ok("{}")), Server::says(ok("{}")));
    let discovered = || {
        let builder = builder().base_url(&named.url());
        builder.discovered_url(&format!("{}/agent", other.url()))
    };
    for builder in [
        discovered().api_key(key()),
        discovered().credential(basic()),
        discovered().credential(api_key()),
        // Some other origin, and not this one.
        discovered()
            .api_key(key())
            .allow_origin("https://h.example"),
        discovered().api_key(key()).allow_origin(&named.url()),
    ] {
        let refused = builder.build().expect_err("refused");
        assert_eq!(refused.kind(), ErrorKind::Config);
        let words = refused.to_string();
        for part in [
            &named.url(),
            &other.url(),
            "allow that origin",
            "nothing was sent",
        ] {
            assert!(words.contains(part), "{words}");
        }
        assert!(!format!("{words}{refused:?}").contains(KEY));
    }
    assert_eq!((named.seen().len(), other.seen().len()), (0, 0));

    let allowed = discovered().api_key(key()).allow_origin(&other.url());
    let client = allowed.build().expect("settings");
    assert_eq!(client.base_url(), format!("{}/agent", other.url()));
    let reply = calls(&client, &[Probe::get()]).remove(0);
    assert_eq!(ended(&reply), Ended::Ok(200));
    let bearer = format!("Bearer {KEY}");
    assert_eq!(
        other.seen()[0].header("authorization"),
        Some(bearer.as_str())
    );
    assert_eq!(named.seen().len(), 0);

    // The caller's own server, as somebody else names it.
    let same = builder().base_url(&named.url()).api_key(key());
    let client = same.discovered_url(&format!("{}/agent/", named.url()));
    let client = client.build().expect("settings");
    assert_eq!(
        ended(&calls(&client, &[Probe::get()]).remove(0)),
        Ended::Ok(200)
    );
    assert!(named.seen()[0].line().starts_with("GET /agent/"));
}

/// Rows: L24.
#[test]
fn a_platform_that_needs_a_key_gets_no_client_without_one() {
    let refused = builder().base_url("http://127.0.0.1:1").build();
    let refused = refused.expect_err("refused");
    assert_eq!(refused.kind(), ErrorKind::Config);
    assert!(
        refused.to_string().contains("NANONETS_API_KEY"),
        "{refused}"
    );
}

/// Rows: L24.
#[test]
fn an_agent_that_asks_for_no_credential_is_sent_none() {
    let (named, agent) = (Server::says(ok("{}")), Server::says(ok("{}")));
    let open = || Client::<A2a>::builder().policy(impatient());
    let refused = open().build().expect_err("no server is known");
    assert!(refused.to_string().contains("A2A_BASE_URL"), "{refused}");
    // Without anything secret, wherever somebody says that the agent is.
    let found = open().base_url(&named.url()).discovered_url(&agent.url());
    let client = found.build().expect("settings");
    let reply = calls(&client, &[Probe::keyed("x")]).remove(0);
    assert_eq!(ended(&reply), Ended::Ok(200));
    assert_eq!(agent.seen()[0].header("authorization"), None);
    assert_eq!(agent.seen()[0].header("content-length"), Some("3"));
    let known = open().base_url(&agent.url()).build().expect("settings");
    assert_eq!(
        ended(&calls(&known, &[Probe::get()]).remove(0)),
        Ended::Ok(200)
    );
    assert_eq!(agent.seen()[1].header("authorization"), None);

    let found = || {
        let found = open().base_url(&named.url()).discovered_url(&agent.url());
        found.header("x-team", "canary")
    };
    let refused = found()
        .build()
        .expect_err("an extra header may be a secret");
    assert!(
        refused.to_string().contains("allow that origin"),
        "{refused}"
    );
    found()
        .allow_origin(&agent.url())
        .build()
        .expect("settings");
    assert_eq!((named.seen().len(), agent.seen().len()), (0, 2));
}

/// Rows: L21, L24.
#[test]
fn each_form_of_a_credential_opens_the_agent_that_wants_it_and_no_other() {
    for wanted in ["none", "bearer", "basic", "api_key"] {
        let text = format!("[a2a]\nauth = \"{wanted}\"\n");
        let scenario = Scenario::parse(&text).expect("a scenario");
        let sim = Sim::builder().scenario(scenario).speed(1000.0);
        let sim = sim.spawn().expect("a simulator");
        let access = sim.a2a();
        let key = || SecretString::from(access.api_key.as_str());
        let open = || {
            let echo = A2a::at(Binding::HttpJson, "/agents/echo/rest").expect("a path");
            let client = Client::<A2a>::builder().provider(echo.with_streaming(true));
            client.base_url(&access.base_url).speed(1000)
        };
        let header = KeyHeader::new("X-Api-Key").expect("a name");
        for (sent, builder) in [
            ("none", open()),
            ("bearer", open().api_key(key())),
            (
                "basic",
                open().credential(Credential::basic("ann", &key()).expect("a pair")),
            ),
            (
                "api_key",
                open().credential(Credential::api_key(header, &key()).expect("a key")),
            ),
        ] {
            let client = builder.build().expect("settings");
            let end = follow(client.run(Job::text(format!("The key is {}", access.api_key))));
            let answer = end.and_then(RunResult::into_answer);
            if wanted == "none" || wanted == sent {
                let answer = answer.expect(wanted).text().expect("words");
                // The agent says the key back, and nobody is told unless nothing was to be hidden.
                let said = if sent == "none" {
                    &access.api_key
                } else {
                    "[key]"
                };
                assert!(answer.contains(said), "{wanted} {sent}: {answer}");
            } else {
                let refused = answer.expect_err("refused");
                assert_eq!(
                    refused.kind(),
                    ErrorKind::Auth,
                    "{wanted} {sent}: {refused}"
                );
                assert_eq!(refused.status().map(|status| status.as_u16()), Some(401));
            }
        }
    }
}

#[test]
fn clients_with_another_provider_share_one_account() {
    let server = Server::says(ok("{}"));
    let agent = |path| A2a::at(Binding::JsonRpc, path).expect("a path");
    let builder = Client::builder()
        .policy(impatient())
        .base_url(&server.url());
    let builder = builder.api_key(key()).provider(agent("/one"));
    let client = builder.build().expect("settings");
    let other = client.with_provider(agent("/two"));
    assert_eq!(other.base_url(), client.base_url());
    assert_eq!(
        (client.provider().path(), other.provider().path()),
        ("/one", "/two")
    );
    assert_eq!(
        ended(&calls(&other, &[Probe::get()]).remove(0)),
        Ended::Ok(200)
    );
    let bearer = format!("Bearer {KEY}");
    assert_eq!(
        server.seen()[0].header("authorization"),
        Some(bearer.as_str())
    );
}
