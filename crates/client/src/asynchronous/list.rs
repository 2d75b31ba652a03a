//! Lists as streams.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use taskward_core::{Error, List, Operation, Provider};

use crate::client::{Async, Flavour};
use crate::list::Entries;
use crate::transport::{AsyncTransport, Transport};

/// The call for a page. Boxed, since nobody can name it.
pub(super) type PageCall<O> =
    Pin<Box<dyn Future<Output = Result<<O as Operation>::Output, Error>> + Send>>;

impl<P, T, O> Entries<P, T, Async, O>
where
    P: Provider,
    T: AsyncTransport<Exchange: Send, Wait: Send, Body: Send> + Send + Sync,
    O: List + Clone + Send + 'static,
    O::Output: Send,
{
    /// Returns the next page, or the entries of the last one that the stream did not yield; `None` after the last page.
    ///
    /// # Errors
    /// As [`call`](crate::client::Client::call); and of the kind [`Protocol`](taskward_core::ErrorKind::Protocol) when the
    /// list goes in circles ([`Pages`](taskward_core::Pages)).
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: the call goes on when the next one is polled.
    pub async fn next_page(&mut self) -> Result<Option<Vec<O::Item>>, Error> {
        self.failed = false;
        if self.page.as_slice().is_empty() && !poll_fn(|cx| self.poll_page(cx)).await? {
            return Ok(None);
        }
        Ok(Some(std::mem::take(&mut self.page).collect()))
    }

    /// Reads the next page; `false` when there is none.
    fn poll_page(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Error>> {
        if self.call.is_none() {
            let Some(operation) = self.pages.next()? else {
                return Poll::Ready(Ok(false));
            };
            let client = self.client.clone();
            let call = async move { client.call(operation).await };
            self.call = Some(Box::pin(call));
        }
        if let Some(page_call) = &mut self.call {
            let read = ready!(page_call.as_mut().poll(cx));
            self.call = None;
            self.page = self.pages.take(read?).into_iter();
        }
        Poll::Ready(Ok(true))
    }
}

/// Nothing in it is pinned in place.
impl<P: Provider, T: Transport, F: Flavour<T>, O: List> Unpin for Entries<P, T, F, O> {}

impl<P, T, O> futures_core::Stream for Entries<P, T, Async, O>
where
    P: Provider,
    T: AsyncTransport<Exchange: Send, Wait: Send, Body: Send> + Send + Sync,
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
