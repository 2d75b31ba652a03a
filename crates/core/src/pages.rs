//! Lists that come in pages: where a list ends, and the guarantee that it does.

use std::collections::BTreeSet;
use std::fmt;

use hmac_sha256::Hash as Sha256;

use crate::error::{Error, ErrorKind};
use crate::lenient::LenientList;
use crate::operation::Operation;

/// Pages that one traversal follows. A list that keeps inventing cursors would never end, and 65,536 digests take two
/// megabytes; a caller with a longer list can continue from the cursor that the error names.
const MAX_PAGES: usize = 65_536;

/// Bytes of a cursor that a message shows.
const MAX_SHOWN: usize = 80;

/// An operation whose reply is one page of a list.
pub trait List: Operation {
    /// The type of the list's entries.
    type Item;

    /// Converts a page: its entries, and what it says about the next page. Entries that appeared before may be left
    /// out.
    fn take(&mut self, page: Self::Output) -> ListPage<Self::Item>;

    /// Returns the cursor of this operation's page; `None` for the first page.
    fn cursor(&self) -> Option<&str>;

    /// Moves this operation to the page at `cursor`, without changing filters or anything else.
    fn turn(&mut self, cursor: String);
}

/// One page of a list, as the server sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListPage<T> {
    /// The entries, in the list's order.
    pub items: LenientList<T>,
    /// Whether the server says that more pages follow; `None` if it does not say.
    pub has_more: Option<bool>,
    /// The cursor of the next page, as the server sent it.
    pub next: Option<String>,
}

impl<T> ListPage<T> {
    /// Creates a page of these entries.
    #[must_use]
    pub fn new(
        items: impl Into<LenientList<T>>,
        has_more: Option<bool>,
        next: Option<String>,
    ) -> Self {
        Self {
            items: items.into(),
            has_more,
            next,
        }
    }
}

/// Reads the pages of a [`List`] one after the other, without I/O.
///
/// Ask for the [`next`](Self::next) operation, perform it and give its output to [`take`](Self::take), until there is
/// no next one. A failed operation stays the next one, so the caller can simply repeat it.
///
/// # Where a list ends
/// A list ends where `has_more` is false or the cursor is null, absent or empty, whatever the other one says. A cursor
/// that the server repeats is an error of the kind [`Protocol`](ErrorKind::Protocol), returned after the entries of the
/// page that brought it: such a list has no end. So are more than 65,536 pages, and a cursor that is too long for a
/// request.
#[derive(Clone, Debug)]
pub struct Pages<O> {
    operation: O,
    state: State,
    /// Digests of the cursors that were followed. The cursors themselves may be of any length.
    seen: BTreeSet<[u8; 16]>,
    /// Entries that could not be read, in all pages so far.
    unreadable: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    More,
    End,
    /// The operation's cursor was followed before.
    Loop,
    /// No request can carry this cursor.
    Unusable,
}

impl<O: List + Clone> Pages<O> {
    /// Creates a traversal that begins with this operation, at its cursor if it has one.
    #[must_use]
    pub fn new(operation: O) -> Self {
        let seen = operation.cursor().map(digest).into_iter().collect();
        Self {
            operation,
            state: State::More,
            seen,
            unreadable: 0,
        }
    }

    /// Returns the operation that reads the next page; `None` after the last page. Called twice, it returns the same
    /// one.
    ///
    /// # Errors
    /// Returns an error if the list goes in circles or does not end, or if its cursor cannot be sent.
    pub fn next(&self) -> Result<Option<O>, Error> {
        let wrong = |what: fmt::Arguments<'_>| {
            let cursor = shown(self.operation.cursor().unwrap_or_default());
            let text = format!("{}: {what} the cursor {cursor:?}", O::NAME);
            Err(Error::new(ErrorKind::Protocol, text))
        };
        match self.state {
            State::End => Ok(None),
            State::Loop => wrong(format_args!(
                "the server's list goes in circles: it repeats"
            )),
            State::Unusable => {
                let bytes = self.operation.cursor().map_or(0, str::len);
                wrong(format_args!(
                    "the server's list goes on at a cursor of {bytes} bytes, which no request can carry:"
                ))
            }
            State::More if self.seen.len() >= MAX_PAGES => wrong(format_args!(
                "the server's list did not end within {MAX_PAGES} pages; it goes on at"
            )),
            State::More => Ok(Some(self.operation.clone())),
        }
    }

    /// Processes the page that [`next`](Self::next) requested, and returns its readable entries; the others are
    /// [counted](Self::unreadable).
    pub fn take(&mut self, page: O::Output) -> Vec<O::Item> {
        let page = self.operation.take(page);
        let next = page.next.filter(|cursor| !cursor.is_empty());
        self.state = match next {
            Some(cursor) if page.has_more != Some(false) => {
                let is_new = self.seen.insert(digest(&cursor));
                self.operation.turn(cursor);
                // Only the cursor comes from the server: if the request cannot be built now, the cursor is unusable.
                match self.operation.request() {
                    Err(_) => State::Unusable,
                    Ok(_) if is_new => State::More,
                    Ok(_) => State::Loop,
                }
            }
            _ => State::End,
        };
        self.unreadable += page.items.unreadable();
        page.items.into_readable().collect()
    }

    /// Returns how many entries could not be read in all pages so far: a list with such entries is incomplete.
    #[must_use]
    pub fn unreadable(&self) -> usize {
        self.unreadable
    }

    /// Returns the cursor of the next page, with which another traversal can continue; `None` at the beginning and at
    /// the end.
    #[must_use]
    pub fn cursor(&self) -> Option<&str> {
        match self.state {
            State::End => None,
            State::More | State::Loop | State::Unusable => self.operation.cursor(),
        }
    }
}

fn digest(cursor: &str) -> [u8; 16] {
    let whole = Sha256::hash(cursor.as_bytes());
    let mut half = [0; 16];
    half.copy_from_slice(&whole[..16]);
    half
}

/// Returns the beginning of a cursor, to be shown in a message.
fn shown(cursor: &str) -> String {
    let end = cursor
        .char_indices()
        .map(|(at, c)| at + c.len_utf8())
        .take_while(|end| *end <= MAX_SHOWN)
        .last();
    let end = end.unwrap_or(0);
    let more = if end < cursor.len() { "…" } else { "" };
    format!("{}{more}", &cursor[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build_error::BuildError;
    use crate::error::ReadError;
    use crate::request::Request;
    use crate::response::Response;
    use crate::target::Target;

    /// Numbers, filtered by a word.
    #[derive(Clone, Debug, PartialEq)]
    struct Numbers {
        word: &'static str,
        cursor: Option<String>,
    }

    type Reply = (Vec<u32>, Option<bool>, Option<&'static str>);

    impl Operation for Numbers {
        type Output = ListPage<u32>;
        const NAME: &'static str = "listNumbers";

        fn request(&self) -> Result<Request, BuildError> {
            let target = Target::new("/n")
                .query("q", self.word)
                .query_opt("cursor", self.cursor.as_deref());
            Ok(Request::get(target.build()?))
        }

        fn read(&self, _: &Response) -> Result<ListPage<u32>, ReadError> {
            unreachable!("the tests hand pages over")
        }
    }

    impl List for Numbers {
        type Item = u32;

        fn take(&mut self, page: ListPage<u32>) -> ListPage<u32> {
            page
        }

        fn cursor(&self) -> Option<&str> {
            self.cursor.as_deref()
        }

        fn turn(&mut self, cursor: String) {
            self.cursor = Some(cursor);
        }
    }

    fn numbers(cursor: Option<&str>) -> Pages<Numbers> {
        Pages::new(Numbers {
            word: "x",
            cursor: cursor.map(str::to_owned),
        })
    }

    fn page((items, has_more, next): Reply) -> ListPage<u32> {
        ListPage::new(items, has_more, next.map(str::to_owned))
    }

    /// Walks to the end: what was asked for, what came, and the error.
    fn walk(
        mut pages: Pages<Numbers>,
        replies: &[Reply],
    ) -> (Vec<String>, Vec<u32>, Option<String>) {
        let (mut asked, mut items) = (Vec::new(), Vec::new());
        loop {
            match pages.next() {
                Ok(None) => return (asked, items, None),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Protocol);
                    return (asked, items, Some(error.to_string()));
                }
                Ok(Some(operation)) => {
                    let reply = replies.get(asked.len()).expect("no page too many");
                    let target = operation.request().expect("request").target().to_string();
                    asked.push(target);
                    items.extend(pages.take(page(reply.clone())));
                }
            }
        }
    }

    /// Rows: D21.
    /// It is the server's fault, and nobody's input.
    ///
    /// Rows: D24.
    #[test]
    fn a_cursor_that_no_request_can_carry_is_an_error_of_the_server_behind_its_page() {
        const LONG: usize = 1 << 20;
        let long: &'static str = "c".repeat(LONG).leak();
        let mut pages = Pages::new(Numbers {
            word: "x",
            cursor: None,
        });
        let page = ListPage::new(vec![1, 2], Some(true), Some(long.to_owned()));
        assert_eq!(pages.take(page), [1, 2]);
        let error = pages.next().expect_err("it cannot be asked for");
        assert_eq!(error.kind(), ErrorKind::Protocol);
        let text = error.to_string();
        assert!(text.contains("1048576 bytes") && text.len() < 300, "{text}");
        assert_eq!(pages.cursor(), Some(long));
    }

    #[test]
    fn a_list_ends_in_every_form_in_which_a_server_says_so() {
        for last in [
            (Some(false), None),
            (Some(false), Some("")),
            (Some(false), Some("c")),
            (Some(true), None),
            (Some(true), Some("")),
            (None, None),
            (None, Some("")),
        ] {
            let (has_more, next) = last;
            let replies = [
                (vec![1, 2], Some(true), Some("a")),
                // Whoever does not say whether more follow says it with the cursor; a page may be empty.
                (vec![], None, Some("b")),
                (vec![3], has_more, next),
            ];
            let (asked, items, error) = walk(numbers(None), &replies);
            assert_eq!(
                asked,
                ["/n?q=x", "/n?q=x&cursor=a", "/n?q=x&cursor=b"],
                "{last:?}"
            );
            assert_eq!((items, error), (vec![1, 2, 3], None), "{last:?}");
        }
    }

    /// Rows: D21.
    #[test]
    fn a_cursor_that_comes_again_is_an_error_that_names_it_after_the_entries() {
        let page = |number, next| (vec![number], Some(true), Some(next));
        for (begin, replies, pages) in [
            // The page after itself, a circle of two, and back to where the caller began.
            (None, vec![page(1, "a"), page(2, "a")], 2),
            (None, vec![page(1, "a"), page(2, "b"), page(3, "a")], 3),
            (Some("z"), vec![page(1, "a"), page(2, "z")], 2),
        ] {
            let repeated = begin.unwrap_or("a");
            let (asked, items, error) = walk(numbers(begin), &replies);
            assert_eq!((asked.len(), items.len()), (pages, pages));
            assert_eq!(
                error.expect("a loop"),
                format!(
                    "listNumbers: the server's list goes in circles: it repeats the cursor {repeated:?}"
                )
            );
        }
    }

    #[test]
    fn a_list_without_end_is_given_up_at_a_cursor_to_go_on_from() {
        let mut pages = numbers(None);
        let mut count = 0_u32;
        let error = loop {
            match pages.next() {
                Ok(operation) => operation.expect("it has no end"),
                Err(error) => break error,
            };
            count += 1;
            pages.take(ListPage::new(Vec::new(), None, Some(count.to_string())));
        };
        assert_eq!(count as usize, MAX_PAGES);
        assert_eq!(error.kind(), ErrorKind::Protocol);
        let cursor = pages.cursor().expect("a cursor");
        assert!(error.to_string().ends_with(&format!("{cursor:?}")));
    }

    #[test]
    fn a_page_that_failed_is_asked_for_again_and_the_cursor_is_told() {
        let mut pages = numbers(None);
        assert_eq!(pages.cursor(), None);
        pages.take(page((vec![1], Some(true), Some("a"))));
        let first = pages.next().expect("no loop");
        assert_eq!(first, pages.next().expect("no loop"));
        assert_eq!(pages.cursor(), Some("a"));
        let later = Pages::new(first.expect("a page"));
        assert_eq!(later.cursor(), Some("a"));
        pages.take(page((vec![2], Some(false), Some("b"))));
        assert_eq!(pages.cursor(), None);
    }

    #[test]
    fn a_long_cursor_is_told_by_its_beginning() {
        assert_eq!(shown("short"), "short");
        let long = "ä".repeat(100);
        let told = shown(&long);
        assert!(
            long.starts_with(told.trim_end_matches('…'))
                && told.len() <= MAX_SHOWN + '…'.len_utf8()
        );
        assert!(told.ends_with('…'));
    }
}
