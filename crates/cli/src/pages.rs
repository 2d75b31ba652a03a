//! Lists of the API, read page by page.

use taskward::core::{List, Pages};

use crate::platform::Platform;
use crate::problem::Problem;
use crate::session::Session;

/// The largest page that the API gives.
pub(crate) const PAGE: u32 = 100;

/// The size of the pages for a list of at most this many entries.
pub(crate) fn size(most: u32) -> Option<u32> {
    Some(most.min(PAGE))
}

/// Gives each entry of a list, at most so many. What came before an error was given.
pub(crate) async fn each<P: Platform, O>(
    session: &Session<P>,
    operation: O,
    most: u32,
    mut take: impl FnMut(O::Item) -> Result<(), Box<Problem>>,
) -> Result<(), Box<Problem>>
where
    O: List + Clone + Send + 'static,
    O::Output: Send,
{
    let mut pages = Pages::new(operation);
    let mut left = most;
    while left > 0
        && let Some(operation) = pages.next().map_err(|error| session.problem(&error))?
    {
        for item in pages.take(session.call(operation).await?) {
            if left == 0 {
                break;
            }
            left -= 1;
            take(item)?;
        }
    }
    Ok(())
}
