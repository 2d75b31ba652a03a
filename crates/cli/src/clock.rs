//! Time as the client counts it: the world's, or faster in front of a simulator.

use std::time::{Duration, Instant, SystemTime};

use taskward::Question;
use taskward::core::Timestamp;
use taskward::core::sanitise::one_line;
use taskward::wire::DateTime;

/// By how much the clocks of two machines may differ before a time is told instead of an age.
const CLOCKS_DIFFER: Duration = Duration::from_secs(5);

/// A question younger than this is told as it comes: its age says nothing.
const NEWS: Duration = Duration::from_secs(60);

/// The client's clock, for display.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProgramClock {
    anchor: Timestamp,
    since: Instant,
    speed: u32,
}

impl ProgramClock {
    /// A clock that runs `speed` times as fast as the world.
    pub(crate) fn new(speed: u32) -> Self {
        let wall = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            anchor: Timestamp::from_millis(u64::try_from(wall.as_millis()).unwrap_or(u64::MAX)),
            since: Instant::now(),
            speed,
        }
    }

    /// How many times as fast as the world it runs.
    pub(crate) fn speed(&self) -> u32 {
        self.speed
    }

    /// The time since it was made.
    pub(crate) fn elapsed(&self) -> Duration {
        self.since.elapsed().saturating_mul(self.speed)
    }

    /// How long it is until `until`.
    pub(crate) fn left(&self, until: Timestamp) -> Duration {
        until.since(self.anchor.after(self.elapsed()))
    }

    /// How long ago `at` was.
    pub(crate) fn ago(&self, at: Timestamp) -> Duration {
        self.anchor.after(self.elapsed()).since(at)
    }

    /// A span of this clock in the world's time.
    pub(crate) fn real(&self, span: Duration) -> Duration {
        span / self.speed
    }
}

/// How long ago a moment of the world was, for people.
pub(crate) fn ago(at: Timestamp) -> String {
    let at = SystemTime::UNIX_EPOCH + Duration::from_millis(at.as_millis());
    match SystemTime::now().duration_since(at) {
        Ok(ago) if ago < Duration::from_secs(48 * 3600) => span_ago(ago),
        Ok(ago) => format!("{} days ago", ago.as_secs() / 86_400),
        // Clocks differ.
        Err(_) => "just now".to_owned(),
    }
}

/// A moment as it is written for programs: RFC 3339, to the second.
pub(crate) fn written(at: Timestamp) -> String {
    let at = Duration::from_millis(at.as_millis());
    match SystemTime::UNIX_EPOCH.checked_add(at) {
        Some(at) => humantime::format_rfc3339_seconds(at).to_string(),
        None => "the end of time".to_owned(),
    }
}

/// When a question was asked, by the server's clock: where that is not told, when its task changed last, which is said
/// so. Nothing where neither is.
pub(crate) fn age(clock: &ProgramClock, question: &Question, changed: Option<&DateTime>) -> String {
    let asked = question.since.as_deref().map(DateTime::from);
    let asked = asked.and_then(|at| when(clock, &at));
    let changed = || Some(format!("the task last changed {}", when(clock, changed?)?));
    let age = asked.map(|when| format!("asked {when}"));
    age.or_else(changed).unwrap_or_default()
}

/// The age of a question that was asked a while ago, and of which only itself tells that.
pub(crate) fn long_ago(clock: &ProgramClock, question: &Question) -> Option<String> {
    let asked = DateTime::from(question.since.as_deref()?);
    let is_long = clock.ago(moment(&asked)?) >= NEWS;
    is_long.then(|| age(clock, question, None))
}

fn moment(at: &DateTime) -> Option<Timestamp> {
    let millis = u64::try_from(at.unix_millis()?).ok()?;
    Some(Timestamp::from_millis(millis))
}

fn when(clock: &ProgramClock, at: &DateTime) -> Option<String> {
    let moment = moment(at)?;
    Some(match clock.left(moment) <= CLOCKS_DIFFER {
        true => span_ago(clock.ago(moment)),
        // By this clock it is yet to come.
        false => format!("at {}", one_line(at.as_str())),
    })
}

/// Returns how long ago something was, for people: `7s ago`, and `just now` in place of no seconds at all.
fn span_ago(ago: Duration) -> String {
    match ago.as_secs() {
        0 => "just now".to_owned(),
        _ => format!("{} ago", span(ago)),
    }
}

/// A span for people: `7s`, `2m 05s`, `1h 02m`.
pub(crate) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m {s:02}s"),
        (h, m, _) => format!("{h}h {m:02}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows: H29.
    #[test]
    fn the_age_of_a_question_is_its_own_or_said_to_be_that_of_the_last_change() {
        let clock = ProgramClock::new(1);
        let ago = |seconds: u64| {
            let at = SystemTime::now() - Duration::from_secs(seconds);
            humantime::format_rfc3339_millis(at).to_string()
        };
        let changed = DateTime::from(ago(7).as_str());
        let of = |since: Option<String>, changed| {
            let question = Question::new("q", taskward::question::QuestionKind::Text, "Which?");
            age(&clock, &question.asked_since(since), changed)
        };
        assert_eq!(of(Some(ago(125)), Some(&changed)), "asked 2m 05s ago");
        assert_eq!(of(Some(ago(0)), Some(&changed)), "asked just now");
        assert_eq!(of(None, Some(&changed)), "the task last changed 7s ago");
        let unreadable = of(Some("soon".into()), Some(&changed));
        assert_eq!(unreadable, "the task last changed 7s ago");
        assert_eq!(of(None, None), "");
        // By this clock it is yet to come.
        let later = "2999-01-02T03:04:05Z";
        assert_eq!(of(Some(later.into()), None), format!("asked at {later}"));
    }

    #[test]
    fn spans_are_short() {
        for (seconds, text) in [(0, "0s"), (59, "59s"), (125, "2m 05s"), (3725, "1h 02m")] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
    }
}
