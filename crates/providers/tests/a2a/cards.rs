//! From a URL to an agent: cards as the servers sent them, and what else may be there.

use taskward_core::{ErrorClass, Operation, Response};
use taskward_providers::a2a::operations::{CardReply, GetAgentCard};
use taskward_providers::a2a::{
    A2a, AgentAt, Binding, CardError, CardUrl, MAX_CARD, Security, WantedCredential, read_card,
    types::AgentCard,
};

use crate::reply;

/// From a2a-01: a card of 1.0 that has the fields of 0.3, too.
const PY: &str = r#"{"name":"Scripted","description":"Does what the message says, step by step.","supportedInterfaces":[{"url":"http://127.0.0.1:8750/rpc","protocolBinding":"JSONRPC","protocolVersion":"1.0"},{"url":"http://127.0.0.1:8750/rest","protocolBinding":"HTTP+JSON","protocolVersion":"1.0"},{"url":"http://127.0.0.1:8750/rpc","protocolBinding":"JSONRPC","protocolVersion":"0.3"},{"url":"http://127.0.0.1:8750/rest","protocolBinding":"HTTP+JSON","protocolVersion":"0.3"}],"version":"1","capabilities":{"streaming":true,"pushNotifications":true},"defaultInputModes":["text/plain"],"defaultOutputModes":["text/plain","application/json"],"skills":[{"id":"script","name":"script","description":"runs a script","tags":["test"]}],"additionalInterfaces":[{"transport":"HTTP+JSON","url":"http://127.0.0.1:8750/rest"}],"preferredTransport":"JSONRPC","protocolVersion":"0.3","url":"http://127.0.0.1:8750/rpc"}"#;
/// From js-01: empty texts where there is no tenant.
const JS: &str = r#"{"name":"Scripted JS","description":"x","version":"1","supportedInterfaces":[{"url":"http://127.0.0.1:8752/rpc","protocolBinding":"JSONRPC","protocolVersion":"1.0","tenant":""},{"url":"http://127.0.0.1:8752/rest","protocolBinding":"HTTP+JSON","protocolVersion":"1.0","tenant":""}],"capabilities":{"streaming":true,"pushNotifications":true,"extensions":[],"extendedAgentCard":false},"securitySchemes":{},"securityRequirements":[],"defaultInputModes":["text/plain"],"defaultOutputModes":["text/plain"],"skills":[],"signatures":[]}"#;
/// From lg-02: JSON-RPC only.
const LG: &str = r#"{"name":"agent","description":"agent assistant","url":"http://127.0.0.1:8770/a2a/fe096781-5601-53d2-b2f6-0d3403f7e9ca","supportedInterfaces":[{"url":"http://127.0.0.1:8770/a2a/fe096781-5601-53d2-b2f6-0d3403f7e9ca","protocolBinding":"JSONRPC","protocolVersion":"1.0"}],"capabilities":{"streaming":true,"pushNotifications":false,"stateTransitionHistory":false,"extensions":[{"uri":"https://langchain.com/a2a/extensions/history-scope/v1","description":"Choose task-only or full-context response history","required":false,"params":{"header":"LangGraph-A2A-History-Scope","values":["context","task"],"default":"context","methods":["SendMessage","GetTask","ListTasks"]}}]},"defaultInputModes":["application/json","text/plain"],"defaultOutputModes":["application/json","text/plain"],"skills":[],"version":"0.16.7"}"#;

fn url(text: &str) -> CardUrl {
    CardUrl::parse(text).expect(text)
}

fn here() -> CardUrl {
    url("http://127.0.0.1:8750")
}

fn card(json: &str) -> AgentCard {
    let card = read_card(&here(), &reply(200, json)).expect(json);
    card.expect("a card")
}

fn found(json: &str) -> AgentAt {
    A2a::from_card(&card(json), &here(), None).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(json: &str) -> CardError {
    A2a::from_card(&card(json), &here(), None).expect_err(json)
}

/// A card with these interfaces.
fn with(interfaces: &str) -> String {
    format!(r#"{{"name":"N","supportedInterfaces":[{interfaces}]}}"#)
}

fn interface(url: &str, binding: &str, version: &str) -> String {
    format!(r#"{{"url":"{url}","protocolBinding":"{binding}","protocolVersion":"{version}"}}"#)
}

/// Rows: P2.
#[test]
fn the_first_interface_that_we_speak_is_used() {
    let py = found(PY);
    let expected = A2a::at(Binding::JsonRpc, "/rpc")
        .expect("a path")
        .with_streaming(true)
        .with_push_notifications(true)
        .with_card("http://127.0.0.1:8750");
    assert_eq!(py.agent, expected);
    assert_eq!(
        (py.origin.canonical(), py.is_elsewhere),
        ("http://127.0.0.1:8750", false)
    );
    assert_eq!(py.security, Security::default());
    let js = found(JS);
    assert_eq!(
        (js.agent.path(), js.agent.tenant(), js.is_elsewhere),
        ("/rpc", None, true)
    );
    assert_eq!(js.root, "http://127.0.0.1:8752");
    let lg = found(LG);
    assert_eq!(lg.agent.path(), "/a2a/fe096781-5601-53d2-b2f6-0d3403f7e9ca");
    assert!(lg.agent.streams() && !lg.agent.calls_web_hooks() && lg.required_extensions.is_empty());
    for (binding, path) in [(Binding::HttpJson, "/rest"), (Binding::JsonRpc, "/rpc")] {
        let at = A2a::from_card(&card(PY), &here(), Some(binding)).expect("offered");
        assert_eq!((at.agent.binding(), at.agent.path()), (binding, path));
    }
    let none =
        A2a::from_card(&card(LG), &here(), Some(Binding::HttpJson)).expect_err("not offered");
    assert_eq!(
        none.to_string(),
        "this client cannot speak to the agent of http://127.0.0.1:8750/.well-known/agent-card.json: it speaks HTTP+JSON only, as it was told to, and the agent offers JSONRPC 1.0. Ask its owner for one of these"
    );
}

/// Rows: P1, P2.
#[test]
fn what_we_do_not_speak_is_passed_over() {
    let list = [
        interface("https://g.example", "GRPC", "1.0"),
        interface("https://a.example/old", "JSONRPC", "0.3"),
        interface("https://a.example/two", "JSONRPC", "2.0"),
        interface("http://plain.example/rpc", "JSONRPC", "1.0"),
        interface("/relative", "JSONRPC", "1.0"),
        r#"{"protocolBinding":"JSONRPC"}"#.to_owned(),
        "7".to_owned(),
        r#"{"url":"https://a.example:8443/new/?x=1","protocolBinding":"http+json","protocolVersion":"1.7","tenant":"acme"}"#.to_owned(),
    ];
    let at = found(&with(&list.join(",")));
    assert_eq!(
        (
            at.agent.binding(),
            at.agent.path(),
            at.agent.query(),
            at.agent.tenant(),
            at.agent.version()
        ),
        (Binding::HttpJson, "/new", Some("x=1"), Some("acme"), "1.7")
    );
    assert!(at.is_elsewhere);
    assert_eq!(at.origin.canonical(), "https://a.example:8443");

    let error = refused(&with(&list[..5].join(","))).to_string();
    for part in [
        "A2A 1.0 over HTTP+JSON and JSONRPC",
        "GRPC 1.0; JSONRPC in version 0.3; JSONRPC in version 2.0; JSONRPC 1.0, but the base URL",
        "would send the key unencrypted",
        "Ask its owner",
    ] {
        assert!(error.contains(part), "{part}\nin\n{error}");
    }
    // A card of 0.3 alone, and one whose old fields name version 1.
    let old = r#"{"name":"N","url":"https://a.example/a2a","preferredTransport":"GRPC","protocolVersion":"VERSION","additionalInterfaces":[{"transport":"JSONRPC","url":"https://a.example/rpc"}]}"#;
    let error = refused(&old.replace("VERSION", "0.3.0")).to_string();
    assert!(
        error.contains("GRPC 0.3.0; JSONRPC in version 0.3.0"),
        "{error}"
    );
    assert_eq!(found(&old.replace("VERSION", "1.0")).agent.path(), "/rpc");
}

/// Rows: P1.
#[test]
fn what_is_no_card_is_refused_in_words_that_say_what_to_do() {
    let read = |status, body: &str| read_card(&here(), &reply(status, body)).map(|_| ());
    let at = "http://127.0.0.1:8750/.well-known/agent-card.json";
    for (status, body, words) in [
        (
            404,
            "Not Found",
            format!(
                "no agent card at {at}: the server answered 404 Not Found. Give the agent's base URL, or the whole URL of its card"
            ),
        ),
        (
            401,
            "",
            format!(
                "the agent card at {at} is not public: the server answered 401 Unauthorized. Give a credential that it accepts"
            ),
        ),
        (
            503,
            "",
            format!(
                "cannot read the agent card at {at}: the server answered 503 Service Unavailable. Try again later"
            ),
        ),
        (
            200,
            "<!DOCTYPE html><title>Hi</title>",
            format!(
                "there is a web page at {at}, not an agent card. Give the URL of the agent itself, or the whole URL of its card"
            ),
        ),
        (
            200,
            "",
            format!("what is at {at} is no agent card: the body is empty. Give"),
        ),
        (200, "[]", format!("what is at {at} is no agent card: ")),
        (
            200,
            "{}",
            format!(
                "what is at {at} is no agent card: it names neither an agent nor an interface. Give"
            ),
        ),
        (
            200,
            r#"{"name":"#,
            format!("what is at {at} is no agent card: the body ends in the middle"),
        ),
    ] {
        let error = read(status, body).expect_err(body).to_string();
        assert!(error.starts_with(&words), "{error}");
    }
    let large = format!(r#"{{"name":"{}"}}"#, "x".repeat(10 << 20));
    let error = read(200, &large).expect_err("too large").to_string();
    assert!(
        error.contains(&format!(
            "too large for an agent card: 10485771 bytes, at most {MAX_CARD}"
        )),
        "{error}"
    );
    assert_eq!(
        refused(r#"{"name":"N"}"#).to_string(),
        format!(
            "the agent card at {at} names no interface, so nobody can speak to this agent. Ask its owner to complete the card"
        )
    );
    for end in 1..PY.len() {
        assert!(
            matches!(read(200, &PY[..end]), Err(CardError::NoCard { .. })),
            "cut at {end}"
        );
    }
}

#[test]
fn a_card_is_read_again_only_if_it_changed() {
    let get = GetAgentCard::new(here());
    let not_modified = reply(304, "");
    assert_eq!(get.classify(&not_modified), Ok(()));
    assert_eq!(get.read(&not_modified), Ok(CardReply::NotModified));
    let mut fresh: Response = reply(200, PY);
    fresh
        .head
        .headers
        .insert("etag", "W/\"c08e\"".parse().expect("a value"));
    let read = get.read(&fresh).expect("a card");
    assert_eq!(
        read,
        CardReply::Card(Box::new(card(PY)), Some("W/\"c08e\"".to_owned()))
    );
    let error = get.classify(&reply(404, "<html>")).expect_err("none");
    assert!(
        error.message.starts_with("no agent card at"),
        "{}",
        error.message
    );
    assert_eq!(error.class, ErrorClass::Gone);
    assert!(get.read(&reply(200, "<html>")).is_err());
}

#[test]
fn a_url_is_that_of_a_card_or_of_an_agent() {
    let at = "/.well-known/agent-card.json";
    for (text, shown) in [
        ("https://a.example", format!("https://a.example{at}")),
        (" https://a.example/ ", format!("https://a.example{at}")),
        (
            "https://a.example/travel/",
            format!("https://a.example/travel{at}"),
        ),
        (
            "http://127.0.0.1:8770?assistant_id=fe09",
            format!("http://127.0.0.1:8770{at}?assistant_id=fe09"),
        ),
        (
            "http://localhost:1/.well-known/agent-card.json?assistant_id=fe09",
            format!("http://localhost:1{at}?assistant_id=fe09"),
        ),
        (
            "https://a.example/agent.JSON",
            "https://a.example/agent.JSON".to_owned(),
        ),
    ] {
        assert_eq!(url(text).to_string(), shown);
        assert!(shown.ends_with(url(text).target().as_str()));
    }
    assert_eq!(
        url("https://A.example").origin().canonical(),
        "https://a.example:443"
    );
    for text in [
        "",
        "a.example",
        "/a",
        "ftp://a.example",
        "http://a.example",
        "https://u:p@a.example",
        "https://a.example/#x",
        "https://a b",
    ] {
        let error = CardUrl::parse(text).expect_err(text).to_string();
        assert!(!error.contains("u:p"), "{error}");
    }
}

/// Rows: L22, P3.
#[test]
fn the_credential_is_the_first_that_we_can_send() {
    use WantedCredential as W;
    let security = |schemes: &str, requirements: &str| {
        let json = format!(
            r#"{{"name":"N","supportedInterfaces":[{{"url":"https://a.example"}}],"securitySchemes":{schemes},{requirements}}}"#
        );
        let card = read_card(&here(), &reply(200, json))
            .expect("a card")
            .expect("a card");
        let card = AgentCard::clone(&card);
        // The interface has no binding, so the agent is not found through it; only what it wants counts here.
        let json = serde_json::json!({"url": "https://a.example", "protocolBinding": "JSONRPC"});
        let interface = serde_json::from_value(json).expect("an interface");
        let mut card = card;
        card.supported_interfaces = vec![taskward_core::ListEntry::Readable(interface)]
            .into_iter()
            .collect();
        A2a::from_card(&card, &here(), None)
            .expect("found")
            .security
    };
    let schemes = r#"{
        "bearer":{"httpAuthSecurityScheme":{"scheme":"Bearer"}},
        "basic":{"httpAuthSecurityScheme":{"scheme":"basic"}},
        "digest":{"httpAuthSecurityScheme":{"scheme":"Digest"}},
        "header":{"apiKeySecurityScheme":{"location":"header","name":"X-API-Key"}},
        "query":{"apiKeySecurityScheme":{"location":"query","name":"key"}},
        "cookie":{"apiKeySecurityScheme":{"location":"cookie","name":"key"}},
        "length":{"apiKeySecurityScheme":{"location":"header","name":"Content-Length"}},
        "oauth":{"oauth2SecurityScheme":{"flows":{}}},
        "oidc":{"openIdConnectSecurityScheme":{}},
        "mtls":{"mtlsSecurityScheme":{}},
        "old-key":{"type":"apiKey","in":"header","name":"X-Old"},
        "old-http":{"type":"http","scheme":"bearer"},
        "old-oauth":{"type":"oauth2"},
        "future":{"futureSecurityScheme":{}}, "odd":7}"#;
    let new = |names: &[&str]| {
        let all: Vec<String> = names
            .iter()
            .map(|name| format!(r#"{{"schemes":{{"{name}":{{"list":[]}}}}}}"#))
            .collect();
        security(
            schemes,
            &format!(r#""securityRequirements":[{}]"#, all.join(",")),
        )
    };
    for (name, wanted) in [
        ("bearer", W::Bearer),
        ("basic", W::Basic),
        ("header", W::Header("x-api-key".to_owned())),
        ("oauth", W::Bearer),
        ("oidc", W::Bearer),
        ("old-key", W::Header("x-old".to_owned())),
        ("old-http", W::Bearer),
        ("old-oauth", W::Bearer),
    ] {
        let security = new(&["query", name]);
        assert_eq!(security.wanted, Some(wanted), "{name}");
        assert!(security.is_required && security.refusal().is_none());
    }
    for (name, why) in [
        (
            "query",
            "query, a key in the query, where logs and proxies would see it",
        ),
        (
            "cookie",
            "cookie, a key in a cookie, which this client does not send",
        ),
        (
            "length",
            "length: the API key cannot be sent in the header \"Content-Length\": Taskward sets",
        ),
        ("digest", "digest, the HTTP scheme digest"),
        ("mtls", "mtls, a certificate of the client's (mutual TLS)"),
        ("future", "future, a kind that this version does not know"),
        ("odd", "odd, which the card does not describe"),
        ("nowhere", "nowhere, which the card does not describe"),
    ] {
        let security = new(&[name]);
        assert_eq!(security.wanted, None, "{name}");
        let refusal = security.refusal().expect(name);
        assert!(
            refusal.contains(why) && refusal.contains("Ask its owner"),
            "{refusal}"
        );
    }
    let together = security(
        schemes,
        r#""securityRequirements":[{"schemes":{"bearer":{"list":[]},"header":{"list":[]}}}]"#,
    );
    assert!(
        together
            .refusal()
            .expect("both")
            .contains("bearer and header together")
    );
    // Version 0.3, one that may be left out, and schemes that nothing requires.
    let old = security(schemes, r#""security":[{"bearer":[]}]"#);
    assert_eq!((old.wanted, old.is_required), (Some(W::Bearer), true));
    let free = security(
        schemes,
        r#""securityRequirements":[{"schemes":{}},{"schemes":{"query":{}}}]"#,
    );
    assert_eq!((free.is_required, free.refusal()), (false, None));
    let declared = security(
        r#"{"basic":{"httpAuthSecurityScheme":{"scheme":"Basic"}}}"#,
        r#""signatures":[]"#,
    );
    assert_eq!(
        (declared.wanted, declared.is_required),
        (Some(W::Basic), false)
    );
    assert_eq!(security("{}", r#""signatures":[]"#), Security::default());
}

#[test]
fn an_extension_that_is_required_is_named() {
    let json = r#"{"name":"N","supportedInterfaces":[{"url":"https://a.example","protocolBinding":"JSONRPC"}],"capabilities":{"extensions":[{"uri":"https://x/a","required":true},{"uri":"https://x/b"}]}}"#;
    let at = found(json);
    assert_eq!(at.required_extensions, ["https://x/a"]);
    assert!(at.is_elsewhere && !at.agent.streams());
}
