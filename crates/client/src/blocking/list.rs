//! Lists as iterators.

use taskward_core::{Error, List, Provider};

use crate::client::Blocking;
use crate::list::Entries;
use crate::transport::BlockingTransport;

impl<P, T, O> Entries<P, T, Blocking, O>
where
    P: Provider,
    T: BlockingTransport,
    O: List + Clone,
{
    /// Returns the next page, or the entries of the last one that the iterator did not yield; `None` after the last page.
    ///
    /// # Errors
    /// As [`call`](crate::client::Client::call); and of the kind [`Protocol`](taskward_core::ErrorKind::Protocol) when the
    /// list goes in circles ([`Pages`](taskward_core::Pages)).
    pub fn next_page(&mut self) -> Result<Option<Vec<O::Item>>, Error> {
        self.failed = false;
        if self.page.as_slice().is_empty() && !self.read_page()? {
            return Ok(None);
        }
        Ok(Some(std::mem::take(&mut self.page).collect()))
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

impl<P, T, O> Iterator for Entries<P, T, Blocking, O>
where
    P: Provider,
    T: BlockingTransport,
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
