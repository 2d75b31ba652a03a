//! What a provider, an operation and a handler are when they say nothing of their own.

use http::StatusCode;
use serde_json::json;
use taskward_core::{
    Answer, BuildError, Confirmation, Cursor, EventSeq, Job as _, MatchCriteria, Operation,
    OriginBudget, Provider, ProviderDefaults, Question, QuestionKind, RawEvent, ReadError, Reply,
    Request, Response, Safety, Target, TaskId, sse,
};

use crate::world::{Bare, ToyJob, at};

/// A read of nothing much.
struct Ping;

impl Operation for Ping {
    type Output = usize;
    const NAME: &'static str = "ping";

    fn request(&self) -> Result<Request, BuildError> {
        Ok(Request::get(Target::new("/ping").build()?))
    }

    fn read(&self, reply: &Response) -> Result<usize, ReadError> {
        Ok(reply.body.len())
    }
}

#[test]
fn a_provider_without_conversations_and_searches_says_so() {
    let id = TaskId::new("t1");
    let reply = Response::new(StatusCode::OK, "log.");
    let search = Bare.search(&MatchCriteria::agent("a"), at(0), None, None);
    let error = search.expect_err("no search").to_string();
    assert_eq!(error, "bare has no search");
    assert!(Bare.read_search(&MatchCriteria::default(), &reply).is_err());
    let error = Bare.first_message(&TaskId::new("t1")).expect_err("none");
    assert_eq!(error.to_string(), "bare has no conversations");
    assert_eq!(Bare.read_first_message(&id, &reply).expect("none"), None);
    assert_eq!(Bare.match_criteria(&ToyJob("go".into()), None), None);
    // A platform without conversations shows nothing there: the outcome of a write stays unknown.
    let mark = Bare.cursor(&id, &reply).expect("a mark");
    assert_eq!(mark, Cursor::new(""));
    assert_eq!(
        Bare.find_write(&id, &reply, &mark, "x", None)
            .expect("read"),
        Confirmation::Absent
    );
}

#[test]
fn a_provider_without_a_stream_reads_no_event_and_takes_none_for_an_answer() {
    let mut decoder = sse::Decoder::new();
    let mut bytes: &[u8] = b"data: 1 end\n\n";
    let event = decoder.next_event(&mut bytes).expect("small");
    let event = event.expect("an event");
    assert_eq!(
        Bare.read_event(&TaskId::new("t1"), &event)
            .expect("nothing"),
        None
    );
    let step = |text: &str| RawEvent::new(Some(EventSeq(1)), "step", json!(text));
    assert_eq!(
        Bare.unconfirmed_output(&TaskId::new("t1"), None, &step("end")),
        None
    );
    let question = Question::new("q", QuestionKind::Text, "which?");
    let told = Bare.add_context(question, &[step("a"), step("b")]);
    assert_eq!(told.messages, [json!("a"), json!("b")]);
    assert_eq!(told.text(), "which?");
}

#[test]
fn what_sends_no_files_has_none_and_what_is_not_said_to_be_a_write_may_be_repeated() {
    let mut job = ToyJob("go".into());
    assert!(job.sources().is_empty());
    assert!(Ping.sources().is_empty());
    assert_eq!(Ping.safety(), Safety::Repeatable);
}

#[test]
fn an_account_is_where_its_settings_are_and_what_a_simulator_s_keys_begin_with() {
    let real = ProviderDefaults::new("X_KEY", "X_URL", "https://x.example", "/v1");
    assert_eq!(real.simulated_key, None);
    let same = real.with_simulated_key("sim_");
    assert_eq!(same.simulated_key, Some("sim_"));
    assert_eq!(
        (same.key_variable, same.base_url_variable),
        ("X_KEY", "X_URL")
    );
    assert_eq!(
        (same.base_url, same.api_prefix),
        ("https://x.example", "/v1")
    );
}

#[test]
fn an_answer_is_a_reply_and_a_new_budget_is_full() {
    let reply = Reply::from(Answer::text("EUR"));
    assert_eq!(reply, Reply::Answer(Answer::Text("EUR".into())));
    assert_eq!(
        OriginBudget::default().tokens(),
        OriginBudget::new().tokens()
    );
}
