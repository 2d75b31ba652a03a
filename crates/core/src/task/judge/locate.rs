//! A start whose reply was lost although its request contains an id of ours: which task it created is read, never
//! guessed. Found once, the task is adopted; found several times, none is.

use std::sync::Arc;
use std::time::Duration;

use crate::build_error::BuildError;
use crate::error::ErrorClass;
use crate::outcome::UnknownReason;
use crate::pages::ListPage;
use crate::provider::{Candidate, CreatedTask, Provider};
use crate::reason::{FailedAttempt, WaitReason};
use crate::request::Request;
use crate::retry::AttemptError;
use crate::task::env::Env;
use crate::task::follow::Cx;
use crate::task::link::Purpose;
use crate::task::phase::Move;
use crate::task::plan::NextExchange;
use crate::task::starting::{Locating, StartForm, StartState, Starting};

use super::Report;
use super::start::{is_likely, unknown_reason};

/// How long the task is looked for. A server may list it late, and none says when.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest wait between two reads of the list.
const LONGEST_WAIT: Duration = Duration::from_secs(8);
/// Pages of one list that are read: our own reference names one task, so one page is enough.
const MAX_PAGES: usize = 20;

impl<P: Provider> Starting<P> {
    /// Handles a start that may have created a task although its reply was lost.
    pub(super) fn lose(&mut self, cx: &mut Cx<'_, P>, error: &AttemptError) -> Move<P::Output> {
        let (last, likely) = (error.record(), is_likely(error));
        if !self.is_traceable(cx.env) {
            let reason = unknown_reason(cx, last);
            return Move::End(cx.env.unknown_start(reason, likely));
        }
        let now = cx.env.now;
        self.state = StartState::Locating(Box::new(Locating::new(Some(last), likely, now)));
        (self.due, self.why) = (now, WaitReason::Locate);
        cx.out.save.need();
        Move::Stay
    }

    /// Returns whether the request contains an id of ours, by which its task can be found.
    fn is_traceable(&self, env: &Env<P>) -> bool {
        let intent = env.intent.as_ref();
        let criteria = intent.and_then(|intent| intent.criteria.as_ref());
        criteria.is_some_and(|criteria| criteria.reference.is_some())
    }

    /// Returns what happened to the request, once its reply is lost.
    pub(in crate::task) fn lost_attempt(&self) -> Option<FailedAttempt> {
        match &self.state {
            StartState::Sending(_) => None,
            StartState::Locating(locating) => locating.lost.clone(),
        }
    }

    pub(in crate::task) fn plan(&self, env: &Env<P>, plan: &mut NextExchange<Purpose>) {
        match &self.state {
            StartState::Locating(_) => plan.offer(self.due, self.why, Some(Purpose::Locate)),
            StartState::Sending(start) => {
                if let Some(open) = self.stream.open() {
                    let silent = open
                        .silent_since(env.now)
                        .after(env.policy.limits.stream_idle);
                    plan.offer(silent, WaitReason::Silence, None);
                } else if self.stream.held_exchange().is_none() {
                    let purpose = match start.form {
                        StartForm::Reply => Purpose::Start,
                        StartForm::Stream => Purpose::StartStream,
                    };
                    plan.offer(self.due, self.why, Some(purpose));
                }
            }
        }
    }

    /// Builds the request that is planned: the start, or a page of the list.
    pub(in crate::task) fn build(&self, env: &Env<P>) -> Result<Arc<Request>, BuildError> {
        let locating = match &self.state {
            StartState::Sending(start) => return Ok(start.request.clone()),
            StartState::Locating(locating) => locating,
        };
        let intent = env.intent.as_ref();
        let known = intent.and_then(|intent| Some((intent.criteria.as_ref()?, intent.begun_at)));
        let (criteria, begun_at) =
            known.ok_or_else(|| BuildError::new("the start left nothing to find its task by"))?;
        let cursor = locating.cursor.as_deref();
        let page = env.provider.search(criteria, begun_at, None, cursor)?;
        Ok(Arc::new(page))
    }

    /// Ends the search, because its request cannot be built.
    pub(in crate::task) fn unlisted(&self, cx: &Cx<'_, P>) -> Move<P::Output> {
        self.give_up(cx)
    }

    /// Judges a page of the tasks that the start may have created.
    pub(super) fn judge_locate(&mut self, cx: &mut Cx<'_, P>, report: &Report) -> Move<P::Output> {
        let StartState::Locating(locating) = &mut self.state else {
            return Move::Stay;
        };
        let intent = cx.env.intent.as_ref();
        let criteria = intent.and_then(|intent| intent.criteria.clone());
        let page = cx.sort(report).and_then(|reply| {
            let criteria = criteria.unwrap_or_default();
            let page = cx.env.provider.read_search(&criteria, reply);
            page.map_err(AttemptError::Unreadable)
        });
        match page {
            Ok(page) => {
                cx.env.liveness.last_reply_at = Some(cx.env.now);
                if locating.take(page) {
                    (self.due, self.why) = (cx.env.now, WaitReason::Locate);
                    return Move::Stay;
                }
                self.conclude(cx)
            }
            Err(error) => match error.class() {
                // Nobody lists the tasks here.
                Some(ErrorClass::NoSuchMethod | ErrorClass::Unauthorised) => self.give_up(cx),
                _ => self.read_list_later(cx),
            },
        }
    }

    /// Judges the whole list.
    fn conclude(&mut self, cx: &mut Cx<'_, P>) -> Move<P::Output> {
        let StartState::Locating(locating) = &mut self.state else {
            return Move::Stay;
        };
        let found = std::mem::take(&mut locating.found);
        match <[_; 1]>::try_from(found) {
            Ok([id]) if !locating.is_unreadable => Move::Follow(CreatedTask::new(id, None), None),
            Err(tasks) if tasks.len() > 1 => {
                let reason = UnknownReason::SeveralTasks { tasks };
                Move::End(cx.env.unknown_start(reason, true))
            }
            Ok(_) | Err(_) => self.read_list_later(cx),
        }
    }

    /// Reads the list again later, until it was read for long enough.
    fn read_list_later(&mut self, cx: &mut Cx<'_, P>) -> Move<P::Output> {
        let StartState::Locating(locating) = &mut self.state else {
            return Move::Stay;
        };
        let wait = Duration::from_secs(1 << locating.reads.min(3)).min(LONGEST_WAIT);
        locating.reads += 1;
        (locating.cursor, locating.pages) = (None, 0);
        locating.found.clear();
        locating.is_unreadable = false;
        let last = locating.since.after(PATIENCE);
        if cx.env.now >= last {
            return self.give_up(cx);
        }
        let due = cx.env.now.after(wait).min(last);
        (self.due, self.why) = (due, WaitReason::Locate);
        Move::Stay
    }

    /// Ends the start: nobody knows whether it created a task.
    fn give_up(&self, cx: &Cx<'_, P>) -> Move<P::Output> {
        let StartState::Locating(locating) = &self.state else {
            return Move::Stay;
        };
        let reason = UnknownReason::NotListed {
            last: locating.lost.clone(),
            seconds: cx.env.now.since(locating.since).as_secs(),
        };
        Move::End(cx.env.unknown_start(reason, locating.likely))
    }
}

impl Locating {
    /// Takes a page; returns whether another one follows.
    fn take(&mut self, page: ListPage<Candidate>) -> bool {
        self.is_unreadable |= page.items.unreadable() > 0;
        for task in page.items.into_readable() {
            if !self.found.contains(&task.id) {
                self.found.push(task.id);
            }
        }
        let next = page.next.filter(|next| !next.is_empty());
        let next =
            next.filter(|next| page.has_more != Some(false) && self.cursor.as_ref() != Some(next));
        self.pages += 1;
        self.cursor = next.filter(|_| self.pages < MAX_PAGES);
        self.cursor.is_some()
    }
}
