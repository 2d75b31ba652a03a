//! Lists: aligned columns for people, tabs for pipes.

use serde_json::Value;
use taskward::core::{List, Timestamp};
use taskward::wire::DateTime;

use crate::calls::Calls;
use crate::clock::ago;
use crate::connection::Connection;
use crate::error::CliResult;
use crate::pages::{self, Extent};
use crate::sanitise::one_line;

/// How the entries of a list are printed.
pub(super) struct Shown<R, L> {
    pub(super) head: &'static [&'static str],
    /// An entry for people, or for a pipe.
    pub(super) row: R,
    /// An entry for programs.
    pub(super) line: L,
    /// What is said of an empty list.
    pub(super) none: &'static str,
}

/// Prints a list, at most so many entries. What came before an error is printed.
pub(super) async fn list<P: Calls, O, R, L>(
    connection: &Connection<P>,
    operation: O,
    most: u32,
    shown: Shown<R, L>,
) -> CliResult<()>
where
    O: List + Clone + Send + 'static,
    O::Output: Send,
    R: Fn(&O::Item, bool) -> Vec<String>,
    L: Fn(&O::Item) -> Value,
{
    let out = &connection.out;
    let people = out.is_for_people();
    let mut rows = Vec::new();
    let extent = Extent::of(most);
    let read = pages::each(
        connection,
        operation,
        extent,
        |item| (shown.line)(item).to_string(),
        |item| {
            if out.is_json() {
                out.line((shown.line)(&item));
                return out.check();
            }
            rows.push((shown.row)(&item, people));
            Ok(())
        },
    )
    .await;
    if !rows.is_empty() {
        out.print(&render(shown.head, &rows, people))?;
    } else if matches!(read, Ok(0)) && !out.is_json() {
        out.say(shown.none);
    }
    read.map(drop)
}

/// The rows as text; people get a head and aligned columns.
pub(super) fn render(head: &[&str], rows: &[Vec<String>], people: bool) -> String {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| one_line(cell)).collect())
        .collect();
    if !people {
        return rows.iter().map(|row| row.join("\t") + "\n").collect();
    }
    let head: Vec<String> = head.iter().map(|name| name.to_uppercase()).collect();
    let lines: Vec<&Vec<String>> = std::iter::once(&head).chain(&rows).collect();
    let widths: Vec<usize> = (0..head.len())
        .map(|column| {
            lines
                .iter()
                .map(|line| line[column].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    lines
        .iter()
        .map(|line| {
            let cells: Vec<String> = line
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            cells.join("  ").trim_end().to_owned() + "\n"
        })
        .collect()
}

/// A time: how long ago for people, as the server sent it for programs.
pub(super) fn when(at: Option<&DateTime>, people: bool) -> String {
    let Some(at) = at else { return String::new() };
    let millis = at
        .unix_millis()
        .and_then(|millis| u64::try_from(millis).ok());
    match millis {
        Some(millis) if people => ago(Timestamp::from_millis(millis)),
        _ => at.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_get_columns_and_pipes_get_tabs() {
        let rows = [
            vec!["a".to_owned(), "two\nlines".to_owned()],
            vec!["long".to_owned(), String::new()],
        ];
        assert_eq!(
            render(&["id", "title"], &rows, false),
            "a\ttwo lines\nlong\t\n"
        );
        assert_eq!(
            render(&["id", "title"], &rows, true),
            "ID    TITLE\na     two lines\nlong\n"
        );
    }
}
