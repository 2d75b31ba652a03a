//! Agent cards, and what they promise: bindings, credentials, capabilities.

use serde_json::{Value, json};
use taskward_sim::{Reply, Request};

use super::world::{Binding, World, outcome};
use crate::common::header;

const CARD: &str = "/.well-known/agent-card.json";

fn card_reply(world: &mut World, path: &str) -> Reply {
    world.send(Request::new("GET", path).header("Host", "here:1"))
}

fn card(world: &mut World) -> Value {
    let reply = card_reply(world, CARD);
    assert_eq!(reply.status, 200);
    reply.value()
}

fn reason(reply: &Reply) -> (String, i64) {
    outcome(reply).unwrap_err()
}

#[test]
fn each_agent_has_a_card_and_one_of_them_is_at_the_root() {
    let mut world = World::new("");
    for name in world.server.agents() {
        let card = card_reply(&mut world, &format!("/agents/{name}{CARD}")).value();
        assert_eq!(
            (&card["name"], &card["version"]),
            (&json!(name), &json!("1"))
        );
        let urls: Vec<_> = card["supportedInterfaces"]
            .as_array()
            .unwrap()
            .iter()
            .collect();
        let interface = |binding: &str, path: &str| {
            json!({
                "url": format!("http://here:1/agents/{name}/{path}"),
                "protocolBinding": binding, "protocolVersion": "1.0",
            })
        };
        assert_eq!(
            urls,
            [
                &interface("JSONRPC", "rpc"),
                &interface("HTTP+JSON", "rest")
            ]
        );
    }
    assert_eq!(
        card_reply(&mut world, &format!("/agents/nobody{CARD}")).status,
        404
    );
    assert_eq!(card(&mut world)["name"], "echo");
    let root = card(&mut world)["supportedInterfaces"][1]["url"].clone();
    assert_eq!(root, "http://here:1/rest");
    let mut world = World::new("root_agent = 'asker'");
    assert_eq!(card(&mut world)["name"], "asker");
    world.agent = String::new();
    let task = world.start("Convert 5.");
    world.after(1_000);
    assert_eq!(world.state(&task), "TASK_STATE_INPUT_REQUIRED");
}

#[test]
fn a_card_that_has_not_changed_is_not_sent_again() {
    let mut world = World::new("");
    let first = card_reply(&mut world, CARD);
    let etag = header(&first, "etag").unwrap().to_owned();
    assert!(etag.starts_with("W/\"") && etag.len() == 68);
    let again = Request::new("GET", CARD).header("Host", "here:1");
    let again = world.send(again.header("If-None-Match", &etag));
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert_eq!(header(&again, "etag"), Some(etag.as_str()));
    let other = Request::new("GET", CARD).header("Host", "here:2");
    let other = world.send(other.header("If-None-Match", &etag));
    assert_eq!(other.status, 200);
}

#[test]
fn a_card_can_be_other_than_a_client_likes() {
    let mut world = World::new("bindings = ['GRPC']\nprotocol_version = '2.0'");
    let found = &card(&mut world)["supportedInterfaces"];
    let expected = json!([{ "url": "http://127.0.0.1:1", "protocolBinding": "GRPC", "protocolVersion": "2.0" }]);
    assert_eq!(found, &expected);
    let mut world = World::new("bindings = []");
    assert_eq!(card(&mut world)["supportedInterfaces"], json!([]));
    let mut world =
        World::new("bindings = ['HTTP+JSON', 'JSONRPC']\ncard_origin = 'https://other:9'");
    let interfaces = card(&mut world)["supportedInterfaces"].clone();
    assert_eq!(interfaces[0]["url"], "https://other:9/rest");
    let mut world = World::new("card_padding_bytes = 10000000");
    assert!(card_reply(&mut world, CARD).body.len() > 10_000_000);
    let mut world = World::new("card_needs_query = true");
    assert_eq!(card_reply(&mut world, CARD).status, 404);
    let queried = card_reply(&mut world, &format!("{CARD}?assistant_id=asker")).value();
    assert_eq!(queried["name"], "asker");
    assert_eq!(
        queried["supportedInterfaces"][0]["url"],
        "http://here:1/agents/asker/rpc"
    );
    assert_eq!(
        card_reply(&mut world, &format!("{CARD}?assistant_id=nobody")).status,
        404
    );
}

#[test]
fn a_binding_that_the_card_does_not_name_is_not_there() {
    for (bindings, binding) in [("'JSONRPC'", Binding::Rest), ("'HTTP+JSON'", Binding::Rpc)] {
        let mut world = World::new(&format!("bindings = [{bindings}]"));
        let request = match binding {
            Binding::Rest => world.rest("GET", "/tasks"),
            Binding::Rpc => world.rpc("ListTasks", &json!({})),
        };
        let reply = world.send(request);
        assert_eq!(
            (reply.status, reply.body.as_slice()),
            (404, &b"Not Found"[..])
        );
    }
}

#[test]
fn a_credential_has_the_form_that_the_card_names() {
    let schemes = |switches: &str| {
        let card = card(&mut World::new(switches));
        (
            card["securitySchemes"].clone(),
            card["securityRequirements"].clone(),
        )
    };
    let http = |scheme: &str| json!({ "httpAuthSecurityScheme": { "scheme": scheme } });
    let requires = |name: &str| json!([{ "schemes": { name: { "list": [] } } }]);
    let bearer = (json!({ "bearer": http("Bearer") }), requires("bearer"));
    assert_eq!(schemes("auth = 'bearer'"), bearer);
    assert_eq!(
        schemes("auth = 'basic'"),
        (json!({ "basic": http("Basic") }), requires("basic"))
    );
    let named =
        json!({ "key": { "apiKeySecurityScheme": { "location": "header", "name": "X-Mine" } } });
    assert_eq!(
        schemes("auth = 'api_key'\nauth_header = 'X-Mine'"),
        (named, requires("key"))
    );
    assert_eq!(schemes("auth = 'none'"), (Value::Null, Value::Null));

    let status = |switches: &str, name: &str, value: &dyn Fn(&str) -> String| {
        let world = World::new(switches);
        let value = value(world.server.api_key());
        let request = world.rest("GET", "/tasks").header("A2A-Version", "1.0");
        let mut server = world.server;
        let reply = server
            .handle(request.header(name, &value), world.now)
            .into_reply();
        (reply.status, header(&reply, "www-authenticate").is_some())
    };
    let basic = |key: &str| {
        use base64::Engine as _;
        let pair = format!("somebody:{key}");
        format!(
            "Basic {}",
            base64::engine::general_purpose::STANDARD.encode(pair)
        )
    };
    let plain = |key: &str| key.to_owned();
    let as_bearer = |key: &str| format!("bearer {key}");
    let key = "auth = 'api_key'\nauth_header = 'X-Mine'";
    assert_eq!(
        status("auth = 'bearer'", "Authorization", &as_bearer),
        (200, false)
    );
    assert_eq!(
        status("auth = 'bearer'", "Authorization", &basic),
        (401, true)
    );
    assert_eq!(
        status("auth = 'basic'", "Authorization", &basic),
        (200, false)
    );
    assert_eq!(
        status("auth = 'basic'", "Authorization", &as_bearer),
        (401, true)
    );
    assert_eq!(status(key, "X-Mine", &plain), (200, false));
    assert_eq!(status(key, "X-API-Key", &plain), (401, true));
    assert_eq!(status("auth = 'none'", "X-Nothing", &plain), (200, false));
}

#[test]
fn what_an_agent_cannot_do_its_card_and_its_refusals_say() {
    let capabilities = |world: &mut World| card(world)["capabilities"].clone();
    let mut world =
        World::new("streaming = false\npush = 'unsupported'\nextended_card = 'unsupported'");
    let none =
        json!({ "streaming": false, "pushNotifications": false, "extendedAgentCard": false });
    assert_eq!(capabilities(&mut world), none);
    let task = world.start("work 9");
    for binding in [Binding::Rest, Binding::Rpc] {
        let code = |status: i64, number: i64| match binding {
            Binding::Rest => status,
            Binding::Rpc => number,
        };
        let unsupported = ("UNSUPPORTED_OPERATION".to_owned(), code(400, -32004));
        let mut fails =
            |method: &str, given: Value| world.call(binding, method, &given).unwrap_err();
        let message = json!({ "messageId": "m", "role": "ROLE_USER", "parts": [{ "text": "x" }] });
        let given = json!({ "message": message });
        assert_eq!(fails("SendStreamingMessage", given), unsupported);
        assert_eq!(fails("SubscribeToTask", json!({ "id": task })), unsupported);
        assert_eq!(fails("GetExtendedAgentCard", json!({})), unsupported);
        let no_push = (
            "PUSH_NOTIFICATION_NOT_SUPPORTED".to_owned(),
            code(400, -32003),
        );
        let given = json!({ "taskId": task });
        assert_eq!(fails("ListTaskPushNotificationConfigs", given), no_push);
        let configuration = json!({ "taskPushNotificationConfig": { "url": "http://x" } });
        let given = json!({ "message": message, "configuration": configuration });
        assert_eq!(fails("SendMessage", given), no_push);
    }
    let mut world = World::new("extended_card = 'not_configured'");
    assert_eq!(capabilities(&mut world)["extendedAgentCard"], true);
    let missing = world.call(Binding::Rest, "GetExtendedAgentCard", &json!({}));
    assert_eq!(missing.unwrap_err().0, "EXTENDED_AGENT_CARD_NOT_CONFIGURED");
    let mut world = World::new("push = 'missing'");
    assert_eq!(capabilities(&mut world)["pushNotifications"], false);
    let given = json!({ "taskId": "nope" });
    let none = world.call(Binding::Rpc, "ListTaskPushNotificationConfigs", &given);
    assert_eq!(none.unwrap_err(), (String::new(), -32601));
    let mut world = World::new("extended_card = 'unlisted'");
    assert_eq!(capabilities(&mut world)["extendedAgentCard"], false);
    assert!(
        world
            .call(Binding::Rpc, "GetExtendedAgentCard", &json!({}))
            .is_ok()
    );
    let mut world = World::new("extended_card = 'served'");
    for binding in [Binding::Rest, Binding::Rpc] {
        let card = world
            .call(binding, "GetExtendedAgentCard", &json!({}))
            .unwrap();
        assert_eq!(card["skills"][1]["id"], "extended");
    }
}

#[test]
fn an_extension_or_a_tenant_may_be_required_and_a_media_type_refused() {
    let mut world = World::new("required_extension = 'urn:a'");
    let extensions = card(&mut world)["capabilities"]["extensions"].clone();
    assert_eq!(extensions, json!([{ "uri": "urn:a", "required": true }]));
    let list = world.rest("GET", "/tasks");
    let refused = reason(&world.send(list.clone()));
    assert_eq!(refused, ("EXTENSION_SUPPORT_REQUIRED".to_owned(), 400));
    let named = list.header("A2A-Extensions", "urn:b, urn:a");
    assert_eq!(world.send(named).status, 200);

    let mut world = World::new("tenant = 'acme'");
    assert_eq!(card(&mut world)["supportedInterfaces"][0]["tenant"], "acme");
    let list = |world: &mut World, path: &str| {
        let request = world.rest("GET", path);
        world.send(request).status
    };
    assert_eq!(list(&mut world, "/acme/tasks"), 200);
    assert_eq!(list(&mut world, "/other/tasks"), 400);
    assert_eq!(list(&mut world, "/tasks"), 400);
    assert!(
        world
            .call(Binding::Rpc, "ListTasks", &json!({ "tenant": "acme" }))
            .is_ok()
    );
    let without = world.call(Binding::Rpc, "ListTasks", &json!({}));
    assert_eq!(without.unwrap_err(), ("INVALID_PARAMS".to_owned(), -32602));

    let mut world = World::new("input_modes = ['text/plain']");
    assert_eq!(card(&mut world)["defaultInputModes"], json!(["text/plain"]));
    let mut given = world.hasty("done");
    given["message"]["parts"][0]["mediaType"] = json!("image/png");
    let refused = world.call(Binding::Rpc, "SendMessage", &given).unwrap_err();
    assert_eq!(refused, ("CONTENT_TYPE_NOT_SUPPORTED".to_owned(), -32005));
}
