//! Looking for the task of a start whose reply was lost and that cannot be repeated.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::error::{BuildError, ReadError};
use crate::id::{Revision, TaskId};
use crate::operation::Operation;
use crate::pages::ListPage;
use crate::provider::{Candidate, MatchCriteria, Provider, Similarity};
use crate::request::Request;
use crate::response::Response;
use crate::snapshot::Snapshot;
use crate::task::UnconfirmedStart;
use crate::time::Timestamp;

/// How far the two ends of the time in question are moved apart: clocks tick in seconds, and replies take theirs.
const MARGIN: Duration = Duration::from_secs(120);
/// The same, where the clock may have been set between the start and the search.
const WIDE_MARGIN: Duration = Duration::from_secs(86_400);
/// Clocks that differ by less are the same.
const SAME: Duration = Duration::from_secs(5);
/// Between the first look that finds nothing and the second.
const AGAIN: Duration = Duration::from_secs(5);
/// Pages of one look. Lists come newest first, and the task is among the oldest: 200 pages of 100 are what a busy agent
/// makes in days, and a few megabytes.
const MAX_PAGES: usize = 200;
/// Conversations that are read at the time in question, and as many at another.
const MAX_COMPARED: usize = 200;
/// Conversations in a row that cannot be read, after which no further one is tried.
const MAX_MISSED: usize = 3;
/// Characters of a server's words that are kept of each task.
const MAX_WORDS: usize = 120;

/// The search for the task that a start of unknown outcome may have made. No I/O: do its steps, give it what they bring.
///
/// It lists the tasks of the start's agent made about then, by the server's clock, and reads what was said first in each,
/// those made closest to the start before the others. When nothing fits it looks once more, and then among the tasks of
/// the day before and of all the time since: the clock by which the start began may have been wrong. It adopts nothing.
#[derive(Debug)]
pub struct Search<P> {
    provider: P,
    start: UnconfirmedStart,
    /// By how many milliseconds the server's clock is ahead of ours, once it has said.
    ahead: Option<i64>,
    /// Whether our clock shows an earlier time than when the start began.
    ran_back: bool,
    pass: Pass,
    window: Window,
    state: State,
    /// Tasks of other starts.
    others: BTreeSet<TaskId>,
    /// Every task that was listed.
    seen: BTreeSet<TaskId>,
    /// How many of them are of other starts.
    excepted: usize,
    /// Those of them that may be the one.
    found: Vec<Candidate>,
    /// How many more conversations are read.
    budget: usize,
    /// Conversations in a row that could not be read.
    missed: usize,
    /// Whether the list of this look went on.
    was_cut: bool,
    /// Entries of this look's list that could not be read.
    unreadable: usize,
    /// Whether the list was read so soon after the start that its task may not have been in it yet.
    is_early: bool,
}

/// Which look it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pass {
    First,
    Second,
    /// At another time than the clock said.
    Wide,
}

/// The time in question, by the server's clock.
#[derive(Clone, Copy, Debug)]
struct Window {
    from: Timestamp,
    until: Option<Timestamp>,
}

#[derive(Debug)]
enum State {
    Listing {
        /// Where each page but the first began, for lists may go in circles.
        cursors: BTreeSet<String>,
        cursor: Option<String>,
        /// How many were found before.
        known: usize,
    },
    /// Reads what was said first in the one at this place.
    Comparing(usize),
    Waiting(Timestamp),
    Done,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SearchResult {
    /// The tasks that the start may have made, the likeliest first.
    pub candidates: Vec<Candidate>,
    /// Whether nothing was left out. If not, the task may be one that is not among the candidates, or there may be more
    /// that were told the same: the list was too long, an entry or a conversation was not read, or nothing was found and the clock
    /// cannot be trusted.
    pub complete: bool,
    /// How many tasks of the agent were listed.
    pub seen: usize,
    /// How many of them were passed over as those of other starts.
    pub excepted: usize,
    /// How many of the others, candidates or not, were not compared with what the start said.
    pub uncompared: usize,
    /// How many entries of the list could not be read: each may be the task.
    pub unreadable: usize,
    /// Since when they were made, by the server's clock.
    pub from: Timestamp,
    /// Until when; `None` is until now.
    pub until: Option<Timestamp>,
    /// Whether the clock of this machine shows an earlier time than when the start began.
    pub ran_back: bool,
}

/// What a search asks of its driver.
#[derive(Debug)]
pub enum SearchStep<P> {
    /// Perform this operation, and give its output to [`Search::take`].
    Send(SearchRequest<P>),
    /// Ask again then.
    Wait(Timestamp),
    /// It is over: call [`Search::finish`].
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

/// What a [`SearchRequest`] brought.
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
    /// A search that has not begun.
    #[must_use]
    pub fn new(provider: P, sought: UnconfirmedStart) -> Self {
        let mut search = Self {
            window: Window {
                from: sought.begun_at,
                until: None,
            },
            provider,
            start: sought,
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

    /// The same; these tasks are known to be those of other starts.
    #[must_use]
    pub fn except(mut self, others: impl IntoIterator<Item = TaskId>) -> Self {
        self.others.extend(others);
        self
    }

    /// What to do next. Asked twice, it gives the same step.
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

    /// Takes in what the operation brought that [`next`](Self::next) asked for.
    pub fn take(&mut self, reply: SearchReply, now: Timestamp) {
        self.ran_back |= self.start.begun_at > now.after(MARGIN);
        if self.ahead.is_none()
            && let Some(date) = reply.date
        {
            let ahead = signed(date) - signed(now);
            self.ahead = Some(ahead);
            if ahead.unsigned_abs() > SAME.as_millis() as u64 {
                // It was asked for another time than was meant.
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
            // What was not asked for says nothing.
            (Seen::List(_) | Seen::FirstMessage(_), _) => {}
        }
    }

    /// Passes over what a read of one conversation could not bring: the task stays one that may be it.
    pub fn skip(&mut self, now: Timestamp) -> bool {
        if let State::Comparing(at) = self.state {
            self.missed += 1;
            self.found[at].similarity = Similarity::Unreadable;
            self.compare(at + 1, now);
            return true;
        }
        false
    }

    /// What was found. None is more than likely when there is none and the search is complete: a start that takes longer
    /// than two looks may still make one.
    #[must_use]
    pub fn finish(mut self) -> SearchResult {
        let can_tell = self.can_tell();
        let unread = |one: &Candidate| can_tell && one.similarity != Similarity::Same;
        let uncompared = self.found.iter().filter(|one| unread(one)).count();
        self.found
            .retain(|one| !(one.outside_expected_time && unread(one)));
        // In each kind, the order in which they were compared.
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

    /// Begins a look.
    fn begin(&mut self, now: Timestamp) {
        let sought = &self.start;
        self.window = match self.pass {
            Pass::First | Pass::Second => Window {
                from: self.by_server(sought.begun_at, -signed_span(MARGIN)),
                until: sought
                    .ended_at
                    .map(|at| self.by_server(at, signed_span(MARGIN))),
            },
            Pass::Wide => Window {
                from: self.by_server(sought.begun_at.min(now), -signed_span(WIDE_MARGIN)),
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

    /// Takes a page of the list in, and goes on to the next one or to what it brought.
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
            // The cursor alone is the server's: one that no request can carry ends the list as one too many does.
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

    /// Puts those first that are likeliest: of such a title, made closest to when the start began. Lists come newest first,
    /// and where nobody knows when a task was made, the oldest comes first.
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

    /// Goes on to the next one from this place on that was not compared, or to the end of the look.
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

    /// The end of a look.
    fn conclude_pass(&mut self, now: Timestamp) {
        let is_it =
            |one: &Candidate| matches!(one.similarity, Similarity::Same | Similarity::Incomparable);
        // One that is like it may be another's, while its own task is not listed yet.
        let is_early = self.is_early && matches!(self.pass, Pass::First);
        let is_found = self.found.iter().any(is_it) && !is_early;
        if is_found || self.missed >= MAX_MISSED {
            self.state = State::Done;
            return;
        }
        match self.pass {
            Pass::First => self.state = State::Waiting(now.after(AGAIN)),
            // At another time, only what was said tells it from the others.
            Pass::Second if self.can_tell() => {
                self.pass = Pass::Wide;
                self.budget = MAX_COMPARED;
                self.begin(now);
            }
            Pass::Second | Pass::Wide => self.state = State::Done,
        }
    }

    /// Whether there is something to compare with.
    fn can_tell(&self) -> bool {
        self.start.criteria.digest.is_some()
    }

    /// A moment of ours on the server's clock, moved by so many milliseconds.
    fn by_server(&self, at: Timestamp, moved: i64) -> Timestamp {
        let at = signed(at) + self.ahead.unwrap_or(0) + moved;
        Timestamp::from_millis(u64::try_from(at).unwrap_or(0))
    }
}

impl Snapshot {
    /// The same start, when it is known that this is its task: [`Task::resume`](crate::Task::resume) goes on with it, and
    /// a journal keeps it in the place of the start.
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

/// As much of a server's words as is kept.
fn short(text: String) -> String {
    match text.char_indices().nth(MAX_WORDS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Milliseconds that can be compared both ways; the year 73 million is far enough.
fn signed(at: Timestamp) -> i64 {
    i64::try_from(at.as_millis())
        .unwrap_or(i64::MAX / 4)
        .min(i64::MAX / 4)
}

fn signed_span(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX / 4)
}
