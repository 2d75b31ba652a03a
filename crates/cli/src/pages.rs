//! Lists of the API, read page by page.

use std::collections::HashSet;

use taskward::core::{List, Pages};

use crate::codes::Code;
use crate::connection::Connection;
use crate::error::{CliError, CliResult};
use crate::platform::Platform;

/// The largest page that the API gives.
pub(crate) const PAGE: u32 = 100;

/// Pages in a row without anything new after which a list is taken for endless.
const STALE: u32 = 3;

/// The size of the pages for a list of at most this many entries.
pub(crate) fn size(most: u32) -> Option<u32> {
    Some(most.min(PAGE))
}

/// How far a list is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    /// At most so many entries.
    pub(crate) entries: u32,
    /// At most so many pages: more are an error.
    pub(crate) pages: u32,
}

impl Extent {
    /// At most so many entries, on as many pages as it takes.
    pub(crate) fn of(entries: u32) -> Self {
        Self {
            entries,
            pages: u32::MAX,
        }
    }
}

/// Gives each entry of a list, as far as it is to be read; `name` tells entries apart. What came before an error was
/// given; entries that cannot be read are passed over, and returned is how many: a list with such proves no absence.
pub(crate) async fn each<P: Platform, O>(
    connection: &Connection<P>,
    operation: O,
    extent: Extent,
    name: impl Fn(&O::Item) -> String,
    mut take: impl FnMut(O::Item) -> CliResult<()>,
) -> CliResult<usize>
where
    O: List + Clone + Send + 'static,
    O::Output: Send,
{
    let mut pages = Pages::new(operation);
    let read = walk(connection, &mut pages, extent, name, &mut take).await;
    connection.out.passed_over(pages.unreadable());
    read.map(|()| pages.unreadable())
}

async fn walk<P: Platform, O>(
    connection: &Connection<P>,
    pages: &mut Pages<O>,
    extent: Extent,
    name: impl Fn(&O::Item) -> String,
    take: &mut impl FnMut(O::Item) -> CliResult<()>,
) -> CliResult<()>
where
    O: List + Clone + Send + 'static,
    O::Output: Send,
{
    let endless = |what: String| Err(CliError::new(Code::Protocol, what));
    let mut left = extent.entries;
    let (mut read, mut stale) = (0, 0);
    let mut before = HashSet::new();
    while left > 0
        && let Some(operation) = pages.next().map_err(|error| connection.cli_error(&error))?
    {
        if read == extent.pages {
            return endless(format!("the server's list did not end within {read} pages"));
        }
        if stale == STALE {
            return endless(format!(
                "the server's list does not end: {stale} pages in a row brought nothing new"
            ));
        }
        let items = pages.take(connection.call(operation).await?);
        read += 1;
        let names: HashSet<String> = items.iter().map(&name).collect();
        stale = if names.is_subset(&before) {
            stale + 1
        } else {
            0
        };
        if !names.is_empty() {
            before = names;
        }
        for item in items {
            if left == 0 {
                break;
            }
            left -= 1;
            take(item)?;
        }
    }
    Ok(())
}
