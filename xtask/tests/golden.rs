//! The golden specifications' output, compiled and fed with real JSON.
//!
//! That the output is what the emitter writes today is checked by `cargo xtask codegen --check`.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test uses a part of a generated file"
)]

use serde::Serialize;
use serde_json::{Value, from_str, json};
use taskward_providers::wire;

macro_rules! golden {
    ($($name:ident $path:literal)*) => {
        $(#[rustfmt::skip] #[path = $path] mod $name;)*
    };
}

golden! {
    absent_is_null "golden/absent_is_null/expected.rs"
    all_of "golden/all_of/expected.rs"
    any_of_required "golden/any_of_required/expected.rs"
    both_ways "golden/both_ways/expected.rs"
    free_form "golden/free_form/expected.rs"
    kept_text "golden/kept_text/expected.rs"
    list_or_object "golden/list_or_object/expected.rs"
    multipart "golden/multipart/expected.rs"
    names "golden/names/expected.rs"
    open_enum "golden/open_enum/expected.rs"
    operation_table "golden/operation_table/expected.rs"
    or_default "golden/or_default/expected.rs"
    overlay "golden/overlay/expected.rs"
    requests_skip "golden/requests_skip/expected.rs"
    secret "golden/secret/expected.rs"
    tolerant "golden/tolerant/expected.rs"
}

/// Returns what the wire says when this is sent.
fn sent(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("wire types are JSON")
}

#[test]
fn every_golden_specification_is_compiled_here() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    let this = include_str!("golden.rs");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            this.contains(&format!("    {name} \"golden/{name}/expected.rs\"\n")),
            "{name}"
        );
    }
}

#[test]
fn an_enum_keeps_what_it_does_not_know() {
    use open_enum::{Reply, ReplyMood, Status};
    let status = |json: &str| from_str::<Status>(json).unwrap();
    assert_eq!(status("\"running\""), Status::Running);
    assert_eq!(status("\"waiting_for_input\""), Status::WaitingForInput);
    assert_eq!(status("\"unknown\""), Status::UnknownValue);
    for (json, kept) in [
        ("\"paused\"", "paused"),
        ("\"Running\"", "Running"),
        ("\" running \"", " running "),
        ("\"\"", ""),
        ("7", "7"),
        ("true", "true"),
        ("[1]", "[1]"),
        ("{\"a\":1}", "{\"a\":1}"),
    ] {
        assert_eq!(status(json), Status::Unknown(kept.to_owned()), "{json}");
        assert_eq!(status(json).as_str(), kept);
    }
    assert_eq!(Status::from("running".to_owned()).to_string(), "running");
    assert_eq!(sent(&Status::from("odd")), json!("odd"));
    assert!(from_str::<Status>("null").is_err());

    let reply: Reply = from_str(r#"{"status":7,"previous":null,"mood":"good"}"#).unwrap();
    assert_eq!(
        (reply.status.as_str(), reply.previous, reply.mood),
        ("7", None, Some(ReplyMood::Good))
    );
}

#[test]
fn an_enum_that_is_only_sent_has_the_listed_values_unless_it_is_said_to_be_open() {
    use open_enum::{Order, Topic};
    let all = Order::ALL.iter().map(|order| order.as_str());
    assert_eq!(all.collect::<Vec<_>>(), ["newest-first", "unknown"]);
    assert_eq!(Order::Unknown.to_string(), "unknown");
    assert_eq!(sent(&Order::NewestFirst), json!("newest-first"));
    assert_eq!(sent(&Topic::News), json!("news"));
    assert_eq!(sent(&Topic::from("odd")), json!("odd"));
}

#[test]
fn absent_and_null_are_the_same() {
    use absent_is_null::Reply;
    let absent: Reply = from_str(r#"{"id":"a"}"#).unwrap();
    let null: Reply =
        from_str(r#"{"id":"a","parent":null,"title":null,"cursor":null,"other":null}"#).unwrap();
    assert_eq!(absent, null);
    let there: Reply =
        from_str(r#"{"id":"a","parent":"b","title":"c","cursor":"d","other":5}"#).unwrap();
    assert_eq!(there.parent.as_deref(), Some("b"));
    assert_eq!(there.cursor.as_deref(), Some("d"));
    assert_eq!(there.other, Some(5));
    for json in ["{}", r#"{"id":null}"#] {
        let error = from_str::<Reply>(json).unwrap_err().to_string();
        assert!(error.starts_with("Reply has no \"id\""), "{error}");
    }
}

#[test]
fn a_request_leaves_absent_fields_out() {
    use requests_skip::{Config, Request, RequestModesItem};
    let least = Request {
        query: "q".to_owned(),
        ..Request::default()
    };
    assert_eq!(sent(&least), json!({"query": "q"}));
    let null = Request {
        anything: Some(Value::Null),
        config: Some(Config::default()),
        ..least
    };
    assert_eq!(sent(&null), json!({"query": "q", "config": {}}));
    let whole = Request {
        query: "q".to_owned(),
        parent: Some("p".to_owned()),
        max_items: Some(3),
        config: Some(Config {
            hint: Some("h".to_owned()),
        }),
        anything: Some(json!([null])),
        not_before: Some("2026-05-12T10:15:42Z".into()),
        on_behalf_of: Some("me".into()),
        modes: Some(vec![RequestModesItem::Fast]),
    };
    let expected = json!({
        "query": "q", "parent": "p", "maxItems": 3, "config": {"hint": "h"}, "anything": [null],
        "not_before": "2026-05-12T10:15:42Z", "on_behalf_of": "me", "modes": ["fast"],
    });
    assert_eq!(sent(&whole), expected);
}

#[test]
fn ids_and_timestamps_keep_their_text() {
    use kept_text::Reply;
    let reply: Reply = from_str(r#"{"id":"../x","created_at":"soon"}"#).unwrap();
    assert_eq!((reply.id.as_str(), reply.id.parsed()), ("../x", None));
    let at = reply.created_at.unwrap();
    assert_eq!((at.as_str(), at.unix_millis()), ("soon", None));
    let reply: Reply = from_str(
        r#"{"id":"67e55044-10b1-426f-9247-bb680e5fe0c8","created_at":"1970-01-01T00:00:01.5Z"}"#,
    )
    .unwrap();
    assert!(reply.id.parsed().is_some());
    assert_eq!(reply.created_at.unwrap().unix_millis(), Some(1500));
}

#[test]
fn text_that_may_be_an_integer_is_text() {
    use kept_text::Reply;
    let cursor = |json: &str| {
        let reply: Reply = from_str(&format!(r#"{{"id":"a","cursor":{json}}}"#)).unwrap();
        let text = reply.cursor.map(|cursor| cursor.to_string());
        (text, reply.extra.get("cursor").cloned())
    };
    assert_eq!(cursor("\"c\""), (Some("c".to_owned()), None));
    assert_eq!(cursor("12"), (Some("12".to_owned()), None));
    assert_eq!(cursor("null"), (None, None));
    assert_eq!(cursor("[1]"), (None, Some(json!([1]))));
}

#[test]
fn a_password_is_sent_and_never_shown() {
    use secret::{Hook, NewHook};
    let new = NewHook {
        token: "tok123".into(),
        second: None,
    };
    assert_eq!(sent(&new), json!({"token": "tok123"}));
    assert!(!format!("{new:?}").contains("tok123"));
    for odd in [r#""tok123""#, r#"{"a":"tok123"}"#] {
        let hook: Hook = from_str(&format!(r#"{{"token":{odd}}}"#)).unwrap();
        assert!(!format!("{hook:?}").contains("tok123"), "{odd}");
        assert!(hook.token.expect("there").expose().contains("tok123"));
    }
}

#[test]
fn a_list_is_read_alone_and_under_each_of_its_names() {
    use list_or_object::{Page, Thing};
    let ids = |things: &wire::LenientList<Thing>| {
        let things = things.readable().map(|thing| thing.id.clone());
        things.collect::<Vec<_>>()
    };
    let page = |json: &str| from_str::<Page>(json).unwrap();
    for json in [
        r#"[{"id":"a"}]"#,
        r#"{"things":[{"id":"a"}]}"#,
        r#"{"type":[{"id":"a"}]}"#,
        r#"{"data":[{"id":"a"}],"things":null,"cursor":null}"#,
        r#"{"data":[{"id":"b"}],"things":[{"id":"a"}]}"#,
    ] {
        let read = page(json);
        assert_eq!(ids(&read.things), ["a"], "{json}");
        assert!(read.extra.is_empty() && read.cursor.is_none(), "{json}");
    }
    assert_eq!(page("[]"), page(r#"{"data":[]}"#));

    let whole = page(r#"{"cursor":7,"things":[{"id":"a"}],"tags":["t"],"data":"odd","new":1}"#);
    assert_eq!(whole.cursor.unwrap().as_str(), "7");
    assert_eq!(whole.tags, Some(vec!["t".to_owned()]));
    assert_eq!(Value::from(whole.extra), json!({"data": "odd", "new": 1}));
}

#[test]
fn the_odd_items_of_a_list_keep_their_places_and_spoil_no_other() {
    use list_or_object::Page;
    for json in [
        r#"[{"id":"a"},{"name":"no id"},null,{"id":"b"}]"#,
        r#"{"things":[{"id":"a"},{"name":"no id"},null,{"id":"b"}]}"#,
    ] {
        let page: Page = from_str(json).unwrap();
        let places = page
            .things
            .entries()
            .iter()
            .map(|entry| entry.as_ref().readable());
        let ids: Vec<_> = places
            .map(|thing| thing.map(|thing| thing.id.to_string()))
            .collect();
        let id = |id: &str| Some(id.to_owned());
        assert_eq!(ids, [id("a"), None, None, id("b")], "{json}");
    }
    for json in ["[{}]", r#"{"data":["secret",null]}"#] {
        let page: Page = from_str(json).unwrap();
        assert_eq!(page.things.readable().count(), 0, "{json}");
        assert!(!page.things.is_whole(), "{json}");
    }
    let none = r#"Page has no array under any of ["things", "type", "data"]"#;
    let cases = [
        ("{}", none),
        (r#"{"items":[{"id":"a"}],"cursor":"c"}"#, none),
        (r#"{"things":null}"#, none),
        (r#"{"data":{"things":[]}}"#, none),
        (
            "\"secret\"",
            "expected an array, alone or under \"things\", \"type\" or \"data\", found a string",
        ),
    ];
    for (json, expected) in cases {
        let error = wire::decode::<Page>(json.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), expected, "{json}");
    }
}

#[test]
fn a_field_with_an_empty_value_is_never_absent() {
    use or_default::{Event, Move, Payload};
    for json in [
        "{}",
        r#"{"payload":null,"tags":null}"#,
        r#"{"payload":{"hidden":null,"value":null}}"#,
    ] {
        assert_eq!(from_str::<Event>(json).unwrap(), Event::default(), "{json}");
    }
    let odd: Event = from_str(r#"{"payload":7,"tags":["a",1]}"#).unwrap();
    assert_eq!(
        (odd.payload, odd.tags, odd.note),
        (Payload::default(), vec!["a".to_owned()], None)
    );
    assert_eq!(Value::from(odd.extra), json!({"payload": 7, "tags": [1]}));
    let whole: Event = from_str(r#"{"payload":{"hidden":true,"value":{"to":"b"}}}"#).unwrap();
    assert!(whole.payload.hidden);
    let payload: Move = serde_json::from_value(whole.payload.value).unwrap();
    assert_eq!(payload.to.as_deref(), Some("b"));
}

#[test]
fn all_of_is_one_struct() {
    use all_of::{Base, Reply, Same, Whole};
    let reply: Reply =
        from_str(r#"{"whole":{"id":"a","name":"b","size":1},"same":{"id":"c"}}"#).unwrap();
    let whole = reply.whole.unwrap();
    assert_eq!(
        (whole.id.as_str(), whole.name.as_str(), whole.size),
        ("a", "b", 1)
    );
    let same: Same = reply.same.unwrap();
    let base: Base = same;
    assert_eq!((base.id.as_str(), base.name), ("c", None));
    let error = from_str::<Whole>(r#"{"id":"a","size":1}"#)
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("Whole has no \"name\""), "{error}");
}

#[test]
fn a_list_is_read_under_either_name() {
    use any_of_required::List;
    let texts = |json: &str| {
        let list: List = from_str(json).unwrap();
        [list.data, list.messages].map(|items| items.map(|items| items.len()))
    };
    assert_eq!(texts(r#"{"data":[{"text":"a"}]}"#), [Some(1), None]);
    assert_eq!(texts(r#"{"messages":[]}"#), [None, Some(0)]);
    assert_eq!(
        texts(r#"{"messages":[{}],"data":[{},{}]}"#),
        [Some(2), Some(1)]
    );
    assert_eq!(texts("{}"), [None, None]);
    let list: List = from_str(r#"{"data":[{"text":"a"},"b",{"text":3},null]}"#).unwrap();
    let items = list.data.unwrap();
    assert_eq!((items.len(), items.unreadable()), (4, 2));
    assert_eq!(items.readable().nth(1).unwrap().extra["text"], json!(3));
}

#[test]
fn free_forms_are_plain_json() {
    use free_form::{Reply, Summary};
    for free in [
        json!("text"),
        json!(1),
        json!([1]),
        json!({"summary": 1}),
        json!(false),
    ] {
        let body =
            json!({"result": free, "content": free, "mixed": free, "feed": [free], "tags": [free]});
        let reply: Reply = from_str(&body.to_string()).unwrap();
        assert_eq!(reply.result.as_ref(), Some(&free));
        assert_eq!(reply.content.as_ref(), Some(&free));
        assert_eq!(reply.mixed.as_ref(), Some(&free));
        assert_eq!(reply.feed, Some(vec![free.clone()]));
        assert_eq!(reply.tags, Some(vec![free]));
        assert!(reply.extra.is_empty());
    }
    let reply: Reply = from_str(r#"{"config":{"a":null}}"#).unwrap();
    assert!(reply.config.unwrap()["a"].is_null());
    let reply: Reply = from_str(r#"{"config":"none"}"#).unwrap();
    assert_eq!(
        (reply.config, &reply.extra["config"]),
        (None, &json!("none"))
    );
    assert_eq!(
        from_str::<Summary>(r#"{"summary":"s"}"#).unwrap().summary,
        "s"
    );
}

#[test]
fn a_multipart_request_makes_no_struct() {
    let written = include_str!("golden/multipart/expected.rs");
    assert!(written.contains("pub struct Reply "));
    for name in ["Upload", "Options", "Unused", "Stream"] {
        assert!(!written.contains(&format!("struct {name}")), "{name}");
        assert!(!written.contains(&format!("type {name}")), "{name}");
    }
    assert_eq!(
        from_str::<multipart::Reply>(r#"{"size":"12"}"#)
            .unwrap()
            .size,
        Some(12)
    );
}

#[test]
fn the_last_of_equal_keys_counts() {
    use tolerant::Reply;
    let reply: Reply = from_str(
        r#"{"status":1,"status":"a","count":2,"count":3,"title":"x","title":4,
            "done":"no","done":true,"share":0.5,"share":null,"new":1,"new":2}"#,
    )
    .unwrap();
    assert_eq!((reply.status.as_str(), reply.count), ("a", 3));
    assert_eq!(
        (reply.title, reply.done, reply.share),
        (None, Some(true), None)
    );
    assert_eq!(Value::from(reply.extra), json!({"title": 4, "new": 2}));
    assert!(from_str::<Reply>(r#"{"count":1,"status":"a","status":1}"#).is_err());
}

#[test]
fn a_field_of_the_wrong_type_is_kept_under_its_name() {
    use tolerant::Reply;
    let odd = json!({
        "title": {"a": [1, null]}, "done": "yes", "share": "half", "small": 3_000_000_000_u64, "wide": -1,
        "owner": {"name": "no id"}, "items": [{"name": "no id"}, 1], "names": 1,
        "map": [], "key": 1.5, "extra": 7, "unnamed": {"b": 2},
    });
    let mut body = odd.clone();
    body["status"] = json!("a");
    body["count"] = json!(12.0);
    let reply: Reply = from_str(&body.to_string()).unwrap();
    assert_eq!((reply.status.as_str(), reply.count), ("a", 12));
    assert_eq!((reply.owner, reply.extra_field), (None, None));
    assert_eq!(reply.items.unwrap().unreadable(), 2);
    let mut kept = odd;
    kept.as_object_mut().unwrap().remove("items");
    assert_eq!(Value::from(reply.extra), kept);

    let good = json!({
        "status": "a", "count": "5", "title": "t", "done": false, "share": 1, "small": 2.0, "wide": 18_446_744_073_709_551_615_u64,
        "owner": {"id": "o"}, "items": [{"id": "i"}], "names": ["n"], "map": "m", "key": "k", "extra": "e",
    });
    let reply: Reply = from_str(&good.to_string()).unwrap();
    assert_eq!(
        (reply.count, reply.share, reply.small, reply.wide),
        (5, Some(1.0), Some(2), Some(u64::MAX))
    );
    assert_eq!(reply.owner.unwrap().id, "o");
    assert_eq!(reply.items.unwrap().readable().next().unwrap().id, "i");
    assert_eq!(reply.extra_field.as_deref(), Some("e"));
    assert!(reply.extra.is_empty());
}

#[test]
fn a_needed_field_that_is_missing_or_wrong_is_named() {
    let cases = [
        ("{}", "Reply has no \"status\""),
        (r#"{"status":"a"}"#, "Reply has no \"count\""),
        (
            r#"{"status":"a","count":1.5}"#,
            "\"count\" of Reply is a number, expected an integer",
        ),
        (
            r#"{"status":["secret"],"count":1}"#,
            "\"status\" of Reply is an array, expected a string",
        ),
        ("[]", "expected a Reply object, found an array"),
        ("\"secret\"", "expected a Reply object, found a string"),
        ("null", "expected a Reply object, found null"),
    ];
    for (json, expected) in cases {
        let error = wire::decode::<tolerant::Reply>(json.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), expected, "{json}");
    }
}

#[test]
fn every_cut_of_a_reply_is_truncated() {
    let body =
        r#"{"status":"a","count":1,"title":5,"items":[{"id":"i"}],"owner":{"id":"o"},"new":[1]}"#;
    for end in 1..body.len() {
        let error = wire::decode::<tolerant::Reply>(&body.as_bytes()[..end]).unwrap_err();
        assert_eq!(error, wire::DecodeError::Truncated { len: end });
    }
    assert!(wire::decode::<tolerant::Reply>(body.as_bytes()).is_ok());
}

#[test]
fn the_overlay_softens_what_is_needed() {
    let reply: overlay::Reply = from_str(r#"{"id":"a","alias":"b"}"#).unwrap();
    assert_eq!(
        (reply.id.as_str(), reply.status, reply.alias.as_deref()),
        ("a", None, Some("b"))
    );
}

#[test]
fn what_is_sent_back_keeps_what_was_not_known() {
    use both_ways::{Draft, Level, Profile};
    let body =
        json!({"name": "n", "fullName": "N", "level": "top", "settings": {"a": null}, "new": [1]});
    let mut profile: Profile = from_str(&body.to_string()).unwrap();
    assert_eq!(sent(&profile), body);
    profile.full_name = None;
    profile.level = Some(Level::Low);
    assert_eq!(
        sent(&profile),
        json!({"name": "n", "level": "low", "settings": {"a": null}, "new": [1]})
    );
    profile.extra.insert("name".to_owned(), json!("twice"));
    profile
        .extra
        .insert("fullName".to_owned(), json!("only here"));
    let text = serde_json::to_string(&profile).unwrap();
    assert_eq!(text.matches("\"name\"").count(), 1);
    assert_eq!(
        (&sent(&profile)["name"], &sent(&profile)["fullName"]),
        (&json!("n"), &json!("only here"))
    );
    let fresh = Profile {
        name: "m".to_owned(),
        ..Profile::default()
    };
    assert_eq!(sent(&fresh), json!({"name": "m"}));
    let mut draft = Draft {
        name: "d".to_owned(),
        anything: Some(Value::Null),
        ..Draft::default()
    };
    assert_eq!(sent(&draft), json!({"name": "d"}));
    draft.extra.insert("new".to_owned(), json!([null]));
    draft.extra.insert("anything".to_owned(), Value::Null);
    assert_eq!(
        sent(&draft),
        json!({"name": "d", "new": [null], "anything": null})
    );
}

#[test]
fn names_from_the_wire_are_read_as_they_are() {
    use names::{Reply, ReplyInnerKind};
    let reply: Reply = from_str(
        r#"{"type":"a","self":"b","nextCursor":"c","x-request-id":"d","2nd":"e",
            "inner":{"kind":"c d"},"inners":[{"id":"i"}],"next\u0043ursor2":1}"#,
    )
    .unwrap();
    assert_eq!(reply.r#type.as_deref(), Some("a"));
    assert_eq!(reply.self_.as_deref(), Some("b"));
    assert_eq!(reply.next_cursor.as_deref(), Some("c"));
    assert_eq!(reply.x_request_id.as_deref(), Some("d"));
    assert_eq!(reply.n_2nd.as_deref(), Some("e"));
    assert_eq!(reply.inner.unwrap().kind, Some(ReplyInnerKind::CD));
    assert_eq!(
        reply
            .inners
            .unwrap()
            .readable()
            .next()
            .unwrap()
            .id
            .as_deref(),
        Some("i")
    );
    assert_eq!(reply.extra["nextCursor2"], json!(1));
}

#[test]
fn operations_are_a_table() {
    use operation_table::operations::{ALL, DELETE_THING, GET_THING};
    let table: Vec<_> = ALL.iter().map(|op| (op.id, op.method, op.path)).collect();
    let expected = [
        ("getThing", "GET", "/things/{thing_id}"),
        ("deleteThing", "DELETE", "/things/{thing_id}"),
        ("listThings", "GET", "/things"),
    ];
    assert_eq!(table, expected);
    assert_eq!([GET_THING, DELETE_THING], ALL[..2]);
}
