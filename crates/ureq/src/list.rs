//! Lists, page by page. Keep it in step with its async twin.

use std::fmt;

use taskward_core::{Error, List, Pages, Provider};

use crate::client::Client;

/// The entries of a list as an iterator, one page ahead at most: a page is read when its first entry is wanted.
///
/// The iterator ends after an error, which is not the end of the list: [`next_page`](Self::next_page) tries the same page
/// again, and a list with the [`cursor`](Self::cursor) continues there, in another process too.
pub struct Entries<P: Provider, O: List> {
    client: Client<P>,
    pages: Pages<O>,
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
    O: List + Clone,
{
    pub(crate) fn new(client: Client<P>, operation: O) -> Self {
        Self {
            client,
            pages: Pages::new(operation),
            page: Vec::new().into_iter(),
            failed: false,
        }
    }

    /// Returns the next page, or the entries of the last one that the iterator did not yield; `None` after the last page.
    ///
    /// # Errors
    /// As [`Client::call`]; and of the kind [`Protocol`](taskward_core::ErrorKind::Protocol) when the list goes in
    /// circles ([`Pages`]).
    pub fn next_page(&mut self) -> Result<Option<Vec<O::Item>>, Error> {
        self.failed = false;
        if self.page.as_slice().is_empty() && !self.read_page()? {
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
    fn read_page(&mut self) -> Result<bool, Error> {
        let Some(operation) = self.pages.next()? else {
            return Ok(false);
        };
        let read = self.client.call(operation)?;
        self.page = self.pages.take(read).into_iter();
        Ok(true)
    }
}

impl<P, O> Iterator for Entries<P, O>
where
    P: Provider,
    O: List + Clone,
{
    type Item = Result<O::Item, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.page.next() {
                return Some(Ok(item));
            }
            if self.failed {
                return None;
            }
            match self.read_page() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    self.failed = true;
                    return Some(Err(error));
                }
            }
        }
    }
}
