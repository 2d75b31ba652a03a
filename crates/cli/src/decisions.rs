//! `-v`: what a run decides, a line for each request, each wait and the end, as the client tells it through `tracing`.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use taskward::TaskId;
use taskward::core::sanitise::one_line;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use crate::agent_url::AgentUrl;
use crate::clock::span;
use crate::out::Out;
use crate::registry::ProviderName;
use crate::task_ref::TaskRef;

/// The target of the client's spans.
pub(crate) const TARGET: &str = "taskward";

/// Tells the spans of a watch, and of single calls, on stderr.
pub(crate) struct Decisions(Arc<Out>);

impl Decisions {
    /// Told here.
    pub(crate) fn new(out: Arc<Out>) -> Self {
        Self(out)
    }

    /// Tells a line; it names its task where several are watched.
    fn tell(&self, watch: Option<&Fields>, line: &str) {
        let line = one_line(line);
        match watch
            .and_then(|watch| watch.task(self.0.agent()))
            .filter(|_| self.0.tells_several())
        {
            Some(task) => self.0.say(&format!("{task}  * {line}")),
            None => self.0.say(&format!("* {line}")),
        }
    }
}

/// What a span or an event holds, as text.
#[derive(Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

impl Fields {
    fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// The task of a watch, once it is known.
    fn task(&self, agent: Option<AgentUrl>) -> Option<TaskRef> {
        let id = TaskId::new(self.0.get("task")?.clone());
        let provider = ProviderName::named(self.get("provider"))?;
        Some(TaskRef::new(provider, agent, id))
    }

    /// A request: what it is for, and where it goes.
    fn request(&self) -> String {
        let [purpose, method, target] = ["purpose", "method", "target"].map(|name| self.get(name));
        format!("{}: {method} {target}", in_words(purpose))
    }

    /// A wait: why, and how long at most.
    fn pause(&self) -> String {
        let why = self.get("why");
        match self.get("ms").parse().map(Duration::from_millis) {
            Ok(wait) if why == "next poll" => match length(wait).as_str() {
                "0s" => "checking again now".to_owned(),
                wait => format!("checking again in {wait}"),
            },
            Ok(wait) => format!("{why}: {}", length(wait)),
            Err(_) => why.to_owned(),
        }
    }

    /// How a watch ended, or why it was left.
    fn end(&self) -> Option<String> {
        let end = self.get("end");
        let cancel = match self.get("cancel") {
            "" => String::new(),
            outcome => format!(" ({outcome})"),
        };
        match self.get("message") {
            "ended" => Some(format!("the task ended: {end}{cancel}")),
            "left" => Some(format!("detached: {end}{cancel}")),
            _ => None,
        }
    }
}

/// What a request is for; a single call has the name of its operation, as in `listAgents`.
fn in_words(purpose: &str) -> String {
    purpose.chars().fold(String::new(), |mut words, c| {
        if c.is_ascii_uppercase() {
            words.push(' ');
        }
        words.push(c.to_ascii_lowercase());
        words
    })
}

/// A wait to the tenth of a second where that says something.
fn length(wait: Duration) -> String {
    if wait < Duration::from_secs(10) && wait.subsec_millis() >= 100 {
        format!("{}.{}s", wait.as_secs(), wait.subsec_millis() / 100)
    } else {
        span(wait)
    }
}

/// The watch that a span belongs to, with what is known of it.
fn with_watch<S>(from: Option<SpanRef<'_, S>>, tell: impl FnOnce(Option<&Fields>))
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let watch = from.and_then(|span| span.scope().find(|span| span.name() == "watch"));
    match &watch {
        Some(watch) => tell(watch.extensions().get()),
        None => tell(None),
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Decisions {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let line = match span.name() {
            "watch" => return span.extensions_mut().insert(fields),
            "request" => fields.request(),
            "pause" => fields.pause(),
            _ => return,
        };
        with_watch(Some(span), |watch| self.tell(watch, &line));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        if let Some(line) = fields.end() {
            with_watch(context.event_span(event), |watch| self.tell(watch, &line));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_purpose_of_a_single_call_is_told_in_words() {
        assert_eq!(in_words("listAgents"), "list agents");
        assert_eq!(in_words("status"), "status");
    }

    #[test]
    fn a_wait_is_told_as_finely_as_it_matters() {
        for (millis, text) in [
            (40, "0s"),
            (800, "0.8s"),
            (4_870, "4.8s"),
            (7_000, "7s"),
            (12_500, "12s"),
            (90_000, "1m 30s"),
        ] {
            assert_eq!(length(Duration::from_millis(millis)), text);
        }
    }
}
