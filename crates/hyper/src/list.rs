//! Lists, page by page. Keep it in step with its blocking twin.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use taskward_core::{Error, List, Pages, Provider};

use crate::client::Client;

type Calling<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

/// The entries of a list as a stream, one page ahead at most: a page is read when its first entry is wanted.
///
/// The stream ends after an error, which is not the end of the list: [`next_page`](Self::next_page) tries the same page
/// again, and a list with the [`cursor`](Self::cursor) continues there, in another process too.
pub struct Entries<P: Provider, O: List> {
    client: Client<P>,
    pages: Pages<O>,
    calling: Option<Calling<O::Output>>,
    page: std::vec::IntoIter<O::Item>,
    failed: bool,
}

impl<P: Provider, O: List> fmt::Debug for Entries<P, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entries")
            .field("operation", &O::NAME)
            .finish_non_exhaustive()
    }
}

impl<P, O> Entries<P, O>
where
    P: Provider,
    O: List + Clone + Send + 'static,
    O::Output: Send,
{
    pub(crate) fn new(client: Client<P>, operation: O) -> Self {
        Self {
            client,
            pages: Pages::new(operation),
            calling: None,
            page: Vec::new().into_iter(),
            failed: false,
        }
    }

    /// Returns the next page, or the entries of the last one that the stream did not yield; `None` after the last page.
    /// Dropping its future loses nothing.
    ///
    /// # Errors
    /// As [`Client::call`]; and of the kind [`Protocol`](taskward_core::ErrorKind::Protocol) when the list goes in
    /// circles ([`Pages`]).
    pub async fn next_page(&mut self) -> Result<Option<Vec<O::Item>>, Error> {
        self.failed = false;
        if self.page.as_slice().is_empty() && !poll_fn(|cx| self.poll_page(cx)).await? {
            return Ok(None);
        }
        Ok(Some(std::mem::take(&mut self.page).collect()))
    }

    /// Returns the cursor of the page that is read next; entries of the last page that were not yielded come before it. `None`
    /// at the beginning and at the end.
    #[must_use]
    pub fn cursor(&self) -> Option<&str> {
        self.pages.cursor()
    }

    /// Returns how many entries of the pages so far could not be read. They are skipped; a list with such entries does not
    /// prove that something is absent.
    #[must_use]
    pub fn unreadable(&self) -> usize {
        self.pages.unreadable()
    }

    /// Reads the next page; `false` when there is none.
    fn poll_page(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Error>> {
        if self.calling.is_none() {
            let Some(operation) = self.pages.next()? else {
                return Poll::Ready(Ok(false));
            };
            let client = self.client.clone();
            let call = async move { client.call(operation).await };
            self.calling = Some(Box::pin(call));
        }
        if let Some(calling) = &mut self.calling {
            let read = ready!(calling.as_mut().poll(cx));
            self.calling = None;
            self.page = self.pages.take(read?).into_iter();
        }
        Poll::Ready(Ok(true))
    }
}

/// Nothing in it is pinned in place.
impl<P: Provider, O: List> Unpin for Entries<P, O> {}

impl<P, O> futures_core::Stream for Entries<P, O>
where
    P: Provider,
    O: List + Clone + Send + 'static,
    O::Output: Send,
{
    type Item = Result<O::Item, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(item) = self.page.next() {
                return Poll::Ready(Some(Ok(item)));
            }
            if self.failed {
                return Poll::Ready(None);
            }
            match ready!(self.poll_page(cx)) {
                Ok(true) => {}
                Ok(false) => return Poll::Ready(None),
                Err(error) => {
                    self.failed = true;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }
}
