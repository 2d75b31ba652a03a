//! When a fleet reads a list of the account's tasks in the place of many polls.
//!
//! A page of a list is one request, and shows up to a hundred tasks at work. It is read before the poll that is due, goes on
//! with the next page as long as each has spared more polls than it costs, and begins again at the newest tasks once half of
//! an interval has passed. An account whose newest tasks are those of others is asked ever more seldom.

use std::sync::Arc;
use std::time::Duration;

use crate::budget::{OriginBudget, Permit};
use crate::event::Status;
use crate::failure::ExchangeFailure;
use crate::id::{ExchangeId, TaskId};
use crate::provider::Provider;
use crate::request::Request;
use crate::response::Response;
use crate::task::WHOLE_POLL;
use crate::time::Timestamp;

/// Of so few tasks each is polled for itself.
const FEW: usize = 8;
/// What a page has to spare to be worth its request, in thousandths of a poll.
const WORTH: u64 = 2 * WHOLE_POLL;
/// How long no list is read after a first page that was not worth it; twice as long each further time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest such pause, and the pause after a page that could not be read.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Where in the list a fleet is.
#[derive(Debug)]
pub(super) struct Lists<P> {
    page: Page<P>,
    /// How many pages were asked for.
    pages: u64,
    /// Where the next page begins; `None` at the newest task.
    cursor: Option<String>,
    /// When the first page was last asked for.
    began: Option<Timestamp>,
    not_before: Timestamp,
    pause: Duration,
    /// Whether the task that is due comes before the next page: no more than every other request is a list.
    is_turn_of_task: bool,
    permit: Option<Permit>,
}

#[derive(Debug)]
enum Page<P> {
    None,
    UnderWay(ExchangeId, P, Timestamp),
    Reported(P, Timestamp, Result<Response, ExchangeFailure>),
}

/// A page that was read: the tasks at work, and where the next page begins.
pub(super) struct Listed {
    pub(super) sent: Timestamp,
    pub(super) tasks: Vec<(TaskId, Status)>,
    next: Option<String>,
}

impl<P: Provider> Lists<P> {
    pub(super) fn new() -> Self {
        Self {
            page: Page::None,
            pages: 0,
            cursor: None,
            began: None,
            not_before: Timestamp::default(),
            pause: FIRST_PAUSE,
            is_turn_of_task: false,
            permit: None,
        }
    }

    /// Returns whether a page is asked for and has not come.
    pub(super) fn is_under_way(&self) -> bool {
        matches!(self.page, Page::UnderWay(..))
    }

    /// Returns whether a page may be asked for now, for so many tasks. If none is, the task that is due has its turn.
    pub(super) fn may_read(&mut self, now: Timestamp, tasks: usize) -> bool {
        let is_turn_of_list = !std::mem::take(&mut self.is_turn_of_task);
        is_turn_of_list && tasks > FEW && now >= self.not_before && matches!(self.page, Page::None)
    }

    /// Returns the request for the next page, in the place of the poll of a task that was not seen for so long; `None` if that
    /// is polled itself.
    pub(super) fn begin(
        &mut self,
        provider: &P,
        unseen: Duration,
        now: Timestamp,
        budget: &OriginBudget,
    ) -> Option<(ExchangeId, Arc<Request>)> {
        let is_too_soon = self
            .began
            .is_some_and(|began| now.since(began) < unseen / 2);
        if self.cursor.is_none() && is_too_soon {
            return None;
        }
        if self.permit.is_none() {
            self.permit = budget.reserve(now);
        }
        if self
            .permit
            .as_ref()
            .is_some_and(|permit| permit.due(now).is_err())
        {
            return None;
        }
        let Ok(request) = provider.list_at_work(self.cursor.as_deref()) else {
            self.failed(now);
            return None;
        };
        let Some(request) = request else {
            self.permit = None;
            self.not_before = Timestamp::MAX;
            return None;
        };
        if let Some(permit) = self.permit.take() {
            permit.spend();
        }
        if self.cursor.is_none() {
            self.began = Some(now);
        }
        self.is_turn_of_task = true;
        self.pages += 1;
        let id = ExchangeId(self.pages);
        self.page = Page::UnderWay(id, provider.clone(), now);
        Some((id, Arc::new(request)))
    }

    /// Records how the exchange of a page ended.
    pub(super) fn reported(&mut self, id: ExchangeId, report: Result<Response, ExchangeFailure>) {
        self.page = match std::mem::replace(&mut self.page, Page::None) {
            Page::UnderWay(asked, provider, sent) if asked == id => {
                Page::Reported(provider, sent, report)
            }
            other => other,
        };
    }

    /// Returns the page that came, once. One that cannot be read says nothing, and is not asked for again soon.
    pub(super) fn take(&mut self, now: Timestamp, budget: &OriginBudget) -> Option<Listed> {
        let Page::Reported(..) = &self.page else {
            return None;
        };
        let Page::Reported(provider, sent, report) = std::mem::replace(&mut self.page, Page::None)
        else {
            return None;
        };
        budget.observe(&report, sent, now);
        let reply = report.ok().filter(|reply| provider.classify(reply).is_ok());
        let Some(page) = reply.and_then(|reply| provider.read_at_work(&reply).ok()) else {
            self.failed(now);
            return None;
        };
        let next = page.next.filter(|cursor| !cursor.is_empty());
        Some(Listed {
            sent,
            tasks: page.items.into_readable().collect(),
            next: next.filter(|_| page.has_more != Some(false)),
        })
    }

    /// Decides, by how much of polls the page has spared, where the next one begins and when.
    pub(super) fn judged(&mut self, page: Listed, spared: u64, now: Timestamp) {
        let was_first = self.cursor.is_none();
        let is_worth_it = spared >= WORTH;
        // A list that goes in circles ends where it is not worth it any more.
        self.cursor = page.next.filter(|_| is_worth_it);
        match (is_worth_it, was_first) {
            (true, _) => self.pause = FIRST_PAUSE,
            (false, true) => {
                self.not_before = now.after(self.pause);
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
            }
            (false, false) => {}
        }
    }

    fn failed(&mut self, now: Timestamp) {
        self.cursor = None;
        self.not_before = now.after(LONGEST_PAUSE);
    }
}
