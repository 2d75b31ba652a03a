//! Lists, page by page. How a page is read is in the folder of each flavour.

use std::fmt;

use taskward_core::{List, Pages, Provider};

use crate::client::{Client, Flavour};
use crate::transport::Transport;

/// The entries of a list, one page ahead at most: a page is read when its first entry is wanted. A stream in the async
/// client, an iterator in the blocking one.
///
/// It ends after an error, which is not the end of the list: `next_page` tries the same page again, and a list with the
/// [`cursor`](Self::cursor) continues there, in another process too.
pub struct Entries<P: Provider, T: Transport, F: Flavour<T>, O: List> {
    pub(crate) client: Client<P, T, F>,
    pub(crate) pages: Pages<O>,
    /// The call for the next page, while it is under way.
    pub(crate) call: F::PageCall<O>,
    pub(crate) page: std::vec::IntoIter<O::Item>,
    pub(crate) failed: bool,
}

impl<P: Provider, T: Transport, F: Flavour<T>, O: List> fmt::Debug for Entries<P, T, F, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entries")
            .field("operation", &O::NAME)
            .finish_non_exhaustive()
    }
}

impl<P: Provider, T: Transport, F: Flavour<T>, O: List + Clone> Entries<P, T, F, O> {
    pub(crate) fn new(client: Client<P, T, F>, operation: O) -> Self {
        Self {
            client,
            pages: Pages::new(operation),
            call: F::PageCall::default(),
            page: Vec::new().into_iter(),
            failed: false,
        }
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
}
