//! The search for the task of a start request whose reply was lost and that cannot be repeated.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::build_error::BuildError;
use crate::error::{ApiError, ReadError};
use crate::id::{Revision, TaskId};
use crate::operation::Operation;
use crate::pages::ListPage;
use crate::provider::{Candidate, MatchCriteria, Provider, Similarity};
use crate::request::Request;
use crate::response::Response;
use crate::snapshot::Snapshot;
use crate::task::UnconfirmedStart;
use crate::time::Timestamp;

/// By how much the time window is extended at either end: clocks tick in seconds, and replies take time.
const MARGIN: Duration = Duration::from_secs(120);
/// The extension of the window if the clock may have been set between the start and the search.
const WIDE_MARGIN: Duration = Duration::from_secs(86_400);
/// Clocks that differ by less than this count as equal.
const SAME: Duration = Duration::from_secs(5);
/// The wait between a first pass that finds nothing and the second pass.
const AGAIN: Duration = Duration::from_secs(5);
/// Pages that one pass reads. Lists come newest first, and the task is among the oldest: 200 pages of 100 tasks are
/// what a busy agent creates in days, and a few megabytes.
const MAX_PAGES: usize = 200;
/// Conversations that are read within the window, and as many again within the wide one.
const MAX_COMPARED: usize = 200;
/// Conversations in a row that cannot be read before the search gives up.
const MAX_MISSED: usize = 3;
/// Characters of a server's text that are kept of each task.
const MAX_WORDS: usize = 120;

/// Searches for the task that a start with unknown outcome may have created. It does no I/O: perform its steps and give
/// it the replies.
///
/// It lists the tasks of the start's agent that were created about then by the server's clock, and reads the first
/// message of each, beginning with those created closest to the start. If none matches it repeats the pass, and then
/// searches the tasks of the day before and of all the time since: the clock that timed the start may have been wrong.
/// It adopts nothing.
#[derive(Debug)]
pub struct Search<P> {
    provider: P,
    start: UnconfirmedStart,
    /// By how many milliseconds the server's clock is ahead of ours, once a reply has shown it.
    ahead: Option<i64>,
    /// Whether our clock now shows an earlier time than when the start began.
    ran_back: bool,
    pass: Pass,
    window: Window,
    state: State,
    /// The tasks that belong to other starts.
    others: BTreeSet<TaskId>,
    /// Every task that was listed.
    seen: BTreeSet<TaskId>,
    /// How many of the listed tasks belong to other starts.
    excepted: usize,
    /// The listed tasks that the start may have created.
    found: Vec<Candidate>,
    /// How many more conversations may be read.
    budget: usize,
    /// Conversations in a row that could not be read.
    missed: usize,
    /// Whether the list of this pass was longer than what was read.
    was_cut: bool,
    /// Entries in the list of this pass that could not be read.
    unreadable: usize,
    /// Whether the list was read so soon after the start that its task may not have been listed yet.
    is_early: bool,
}

/// The passes over the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pass {
    First,
    Second,
    /// The pass over the wide window, in case the clock was wrong.
    Wide,
}

/// The window of creation times, by the server's clock.
#[derive(Clone, Copy, Debug)]
struct Window {
    from: Timestamp,
    until: Option<Timestamp>,
}

#[derive(Debug)]
enum State {
    Listing {
        /// The cursors of all pages but the first: a list may go in circles.
        cursors: BTreeSet<String>,
        cursor: Option<String>,
        /// How many candidates were found before this pass.
        known: usize,
    },
    /// Reads the first message of the candidate at this index.
    Comparing(usize),
    Waiting(Timestamp),
    Done,
}

/// The result of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SearchResult {
    /// The tasks that the start may have created, the likeliest first.
    pub candidates: Vec<Candidate>,
    /// Whether the search saw everything. If not, the task may be missing from the candidates, or there may be more
    /// with the same first message: the list was too long, an entry or a conversation could not be read, or nothing was
    /// found and the clock cannot be trusted.
    pub complete: bool,
    /// How many tasks of the agent were listed.
    pub seen: usize,
    /// How many of them were skipped because they belong to other starts.
    pub excepted: usize,
    /// How many of the others, candidates or not, were not compared with the first message of the start.
    pub uncompared: usize,
    /// How many entries of the list could not be read: each may be the task.
    pub unreadable: usize,
    /// The beginning of the window of creation times, by the server's clock.
    pub from: Timestamp,
    /// The end of the window; `None` means now.
    pub until: Option<Timestamp>,
    /// Whether this machine's clock shows an earlier time than when the start began.
    pub ran_back: bool,
}

/// What a search asks its driver to do.
#[derive(Debug)]
pub enum SearchStep<P> {
    /// Perform this operation, and give its output to [`Search::take`].
    Send(SearchRequest<P>),
    /// Ask for the next step at this time.
    Wait(Timestamp),
    /// The search is over: call [`Search::finish`].
    Done,
}

/// One read of a search.
#[derive(Clone, Debug)]
pub struct SearchRequest<P> {
    provider: P,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    List {
        criteria: MatchCriteria,
        window: Window,
        cursor: Option<String>,
    },
    FirstMessage(TaskId),
}

/// The reply to a [`SearchRequest`].
#[derive(Clone, Debug)]
pub struct SearchReply {
    date: Option<Timestamp>,
    seen: Seen,
}

#[derive(Clone, Debug)]
enum Seen {
    List(ListPage<Candidate>),
    FirstMessage(Option<String>),
}

impl<P> SearchRequest<P> {
    /// Returns the task whose first message is asked for, if that is what is asked for.
    #[must_use]
    pub fn first_message_of(&self) -> Option<&TaskId> {
        match &self.what {
            What::FirstMessage(task) => Some(task),
            What::List { .. } => None,
        }
    }
}

impl SearchReply {
    /// Returns what this reply says for good, for other searches that ask the same: the first message of a task stays what
    /// it is. `None` if it says nothing of that kind. The time at which it was said is left out.
    #[must_use]
    pub fn lasting(&self) -> Option<Self> {
        match &self.seen {
            Seen::FirstMessage(Some(_)) => Some(Self {
                date: None,
                seen: self.seen.clone(),
            }),
            Seen::FirstMessage(None) | Seen::List(_) => None,
        }
    }
}

impl<P: Provider> Operation for SearchRequest<P> {
    type Output = SearchReply;
    const NAME: &'static str = "search";

    fn request(&self) -> Result<Request, BuildError> {
        match &self.what {
            What::List {
                criteria,
                window,
                cursor,
            } => self
                .provider
                .search(criteria, window.from, window.until, cursor.as_deref()),
            What::FirstMessage(id) => self.provider.first_message(id),
        }
    }

    fn classify(&self, reply: &Response) -> Result<(), ApiError> {
        self.provider.classify(reply)
    }

    fn read(&self, reply: &Response) -> Result<SearchReply, ReadError> {
        Ok(SearchReply {
            date: reply.head.date(),
            seen: match &self.what {
                What::List { criteria, .. } => {
                    Seen::List(self.provider.read_search(criteria, reply)?)
                }
                What::FirstMessage(id) => {
                    Seen::FirstMessage(self.provider.read_first_message(id, reply)?)
                }
            },
        })
    }
}

impl<P: Provider> Search<P> {
    /// Creates a search that has not begun.
    #[must_use]
    pub fn new(provider: P, start: UnconfirmedStart) -> Self {
        let mut search = Self {
            window: Window {
                from: start.begun_at,
                until: None,
            },
            provider,
            start,
            ahead: None,
            ran_back: false,
            pass: Pass::First,
            state: State::Done,
            others: BTreeSet::new(),
            seen: BTreeSet::new(),
            excepted: 0,
            found: Vec::new(),
            budget: MAX_COMPARED,
            missed: 0,
            was_cut: false,
            unreadable: 0,
            is_early: false,
        };
        let begun_at = search.start.begun_at;
        search.begin(begun_at);
        search
    }

    /// Excludes tasks that are known to belong to other starts.
    #[must_use]
    pub fn except(mut self, others: impl IntoIterator<Item = TaskId>) -> Self {
        self.others.extend(others);
        self
    }

    /// Returns what to do next. Called twice with nothing in between, it returns the same step.
    pub fn next(&mut self, now: Timestamp) -> SearchStep<P> {
        if matches!(self.state, State::Waiting(until) if now >= until) {
            self.pass = Pass::Second;
            self.begin(now);
        }
        let what = match &self.state {
            State::Done => return SearchStep::Done,
            State::Waiting(until) => return SearchStep::Wait(*until),
            State::Listing { cursor, .. } => What::List {
                criteria: self.start.criteria.clone(),
                window: self.window,
                cursor: cursor.clone(),
            },
            State::Comparing(at) => What::FirstMessage(self.found[*at].id.clone()),
        };
        SearchStep::Send(SearchRequest {
            provider: self.provider.clone(),
            what,
        })
    }

    /// Processes the output of the operation that [`next`](Self::next) returned.
    pub fn take(&mut self, reply: SearchReply, now: Timestamp) {
        self.ran_back |= self.start.begun_at > now.after(MARGIN);
        if self.ahead.is_none()
            && let Some(date) = reply.date
        {
            let ahead = signed(date) - signed(now);
            self.ahead = Some(ahead);
            if ahead.unsigned_abs() > SAME.as_millis() as u64 {
                // The list was requested for the window of a clock that turned out to be wrong: begin again.
                self.seen.clear();
                self.excepted = 0;
                self.found.clear();
                self.begin(now);
                return;
            }
        }
        match (reply.seen, &self.state) {
            (Seen::List(page), State::Listing { .. }) => self.turn(page, now),
            (Seen::FirstMessage(said), State::Comparing(at)) => {
                let at = *at;
                self.missed = 0;
                match said {
                    Some(said) if self.start.criteria.is_first_message(&said) => {
                        self.found[at].similarity = Similarity::Same;
                        self.compare(at + 1, now);
                    }
                    Some(_) => {
                        self.found.remove(at);
                        self.compare(at, now);
                    }
                    None => {
                        self.found[at].similarity = Similarity::Unreadable;
                        self.compare(at + 1, now);
                    }
                }
            }
            // A reply that nobody requested says nothing.
            (Seen::List(_) | Seen::FirstMessage(_), _) => {}
        }
    }

    /// Skips the candidate whose conversation could not be read: it may still be the task. Returns false if no
    /// conversation was being read.
    pub fn skip(&mut self, now: Timestamp) -> bool {
        if let State::Comparing(at) = self.state {
            self.missed += 1;
            self.found[at].similarity = Similarity::Unreadable;
            self.compare(at + 1, now);
            return true;
        }
        false
    }

    /// Returns what was found. Even a complete search that found nothing does not prove that there is no task: a start
    /// that takes longer than two passes may still create one.
    #[must_use]
    pub fn finish(mut self) -> SearchResult {
        let can_tell = self.can_tell();
        let unread = |one: &Candidate| can_tell && one.similarity != Similarity::Same;
        let uncompared = self.found.iter().filter(|one| unread(one)).count();
        self.found
            .retain(|one| !(one.outside_expected_time && unread(one)));
        // The sort is stable: among equal similarities the order of comparison stays.
        self.found.sort_by_key(|one| one.similarity);
        let is_trusted = can_tell && !self.ran_back;
        let is_over = matches!(self.state, State::Done);
        SearchResult {
            complete: is_over
                && !self.was_cut
                && self.unreadable == 0
                && uncompared == 0
                && (is_trusted || !self.found.is_empty()),
            candidates: self.found,
            seen: self.seen.len(),
            excepted: self.excepted,
            uncompared,
            unreadable: self.unreadable,
            from: self.window.from,
            until: self.window.until,
            ran_back: self.ran_back,
        }
    }

    /// Begins a pass.
    fn begin(&mut self, now: Timestamp) {
        let start = &self.start;
        self.window = match self.pass {
            Pass::First | Pass::Second => Window {
                from: self.by_server(start.begun_at, -signed_span(MARGIN)),
                until: start
                    .ended_at
                    .map(|at| self.by_server(at, signed_span(MARGIN))),
            },
            Pass::Wide => Window {
                from: self.by_server(start.begun_at.min(now), -signed_span(WIDE_MARGIN)),
                until: None,
            },
        };
        for one in &mut self.found {
            if one.similarity == Similarity::Unreadable {
                one.similarity = Similarity::Unread;
            }
        }
        self.missed = 0;
        self.was_cut = false;
        self.unreadable = 0;
        self.state = State::Listing {
            cursors: BTreeSet::new(),
            cursor: None,
            known: self.found.len(),
        };
    }

    /// Processes a page of the list, and goes on to the next page or to comparing the candidates.
    fn turn(&mut self, page: ListPage<Candidate>, now: Timestamp) {
        let State::Listing {
            cursors,
            cursor,
            known,
        } = &mut self.state
        else {
            return;
        };
        self.unreadable += page.items.unreadable();
        for mut one in page.items.into_readable() {
            let is_new = self.seen.insert(one.id.clone());
            if is_new && self.others.contains(&one.id) {
                self.excepted += 1;
            } else if is_new {
                one.title = one.title.map(short);
                one.created_at = one.created_at.map(short);
                one.outside_expected_time = self.pass == Pass::Wide;
                if self.start.criteria.digest.is_none() {
                    one.similarity = Similarity::Incomparable;
                }
                self.found.push(one);
            }
        }
        let next = page.next.filter(|next| !next.is_empty());
        if let Some(next) = next.filter(|_| page.has_more != Some(false)) {
            let Window { from, until } = self.window;
            let criteria = &self.start.criteria;
            // Only the cursor comes from the server: one that no request can carry cuts the list off, like one page too
            // many.
            let is_usable = self
                .provider
                .search(criteria, from, until, Some(&next))
                .is_ok();
            if is_usable && cursors.len() + 1 < MAX_PAGES && cursors.insert(next.clone()) {
                *cursor = Some(next);
                return;
            }
            self.was_cut = true;
        }
        let known = *known;
        let listed_by = self.start.ended_at.map(|at| at.after(AGAIN));
        self.is_early = listed_by.is_some_and(|by| now < by);
        self.arrange(known);
        self.compare(0, now);
    }

    /// Sorts the likeliest candidates first: those with a matching title, created closest to the start. Lists come
    /// newest first; where no creation time is known, the oldest candidate comes first.
    fn arrange(&mut self, known: usize) {
        self.found[known..].reverse();
        let (criteria, begun) = (&self.start.criteria, self.by_server(self.start.begun_at, 0));
        self.found.sort_by_cached_key(|one| {
            let is_titled = one
                .title
                .as_deref()
                .is_some_and(|t| criteria.matches_title(t));
            let away = one
                .created_at_millis
                .map(|at| at.as_millis().abs_diff(begun.as_millis()));
            (!is_titled, away.unwrap_or(u64::MAX))
        });
    }

    /// Goes on to the next candidate from this index on that was not compared, or ends the pass.
    fn compare(&mut self, from: usize, now: Timestamp) {
        let mut left = self.found.iter().skip(from);
        let next = left.position(|one| one.similarity == Similarity::Unread);
        match next {
            Some(next) if self.budget > 0 && self.missed < MAX_MISSED => {
                self.budget -= 1;
                self.state = State::Comparing(from + next);
            }
            _ => self.conclude_pass(now),
        }
    }

    /// Ends a pass.
    fn conclude_pass(&mut self, now: Timestamp) {
        let is_it =
            |one: &Candidate| matches!(one.similarity, Similarity::Same | Similarity::Incomparable);
        // A candidate with the same first message may belong to another start while our task is not listed yet.
        let is_early = self.is_early && matches!(self.pass, Pass::First);
        let is_found = self.found.iter().any(is_it) && !is_early;
        if is_found || self.missed >= MAX_MISSED {
            self.state = State::Done;
            return;
        }
        match self.pass {
            Pass::First => self.state = State::Waiting(now.after(AGAIN)),
            // In the wide window only the first message can tell the task from the others.
            Pass::Second if self.can_tell() => {
                self.pass = Pass::Wide;
                self.budget = MAX_COMPARED;
                self.begin(now);
            }
            Pass::Second | Pass::Wide => self.state = State::Done,
        }
    }

    /// Returns whether the start has a first message to compare with.
    fn can_tell(&self) -> bool {
        self.start.criteria.digest.is_some()
    }

    /// Converts one of our times to the server's clock, and moves it by so many milliseconds.
    fn by_server(&self, at: Timestamp, moved: i64) -> Timestamp {
        let at = signed(at) + self.ahead.unwrap_or(0) + moved;
        Timestamp::from_millis(u64::try_from(at).unwrap_or(0))
    }
}

impl Snapshot {
    /// Turns this stored start into its task, once that is known: [`Task::resume`](crate::Task::resume) follows the
    /// task, and a journal keeps it in place of the start.
    #[must_use]
    pub fn adopting(mut self, task: TaskId) -> Self {
        self.0.intent = self.intent().cloned();
        self.0.task = Some(task);
        self.0.start = None;
        self.0.ended = None;
        self.0.revision = Revision(self.0.revision.0.saturating_add(1));
        self
    }
}

/// Shortens a server's text to what is kept of it.
fn short(text: String) -> String {
    match text.char_indices().nth(MAX_WORDS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Returns the time in milliseconds as a signed number, so that differences can be negative; the year 73 million is far
/// enough.
fn signed(at: Timestamp) -> i64 {
    i64::try_from(at.as_millis())
        .unwrap_or(i64::MAX / 4)
        .min(i64::MAX / 4)
}

fn signed_span(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX / 4)
}
