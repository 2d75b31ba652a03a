//! Lists: aligned columns for people, tabs for pipes.

use std::sync::Arc;

use serde_json::Value;
use taskward::core::Timestamp;
use taskward::core::sanitise::one_line;
use taskward::wire::DateTime;

use crate::clock::ago;
use crate::error::CliResult;
use crate::out::Out;

/// A list that is being read.
pub(crate) struct Table {
    out: Arc<Out>,
    head: &'static [&'static str],
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty one with these columns.
    pub(crate) fn new(out: &Arc<Out>, head: &'static [&'static str]) -> Self {
        Self {
            out: out.clone(),
            head,
            rows: Vec::new(),
        }
    }

    /// Adds an entry: a line for programs at once, or a row for people or for a pipe.
    pub(crate) fn add(
        &mut self,
        line: impl FnOnce() -> Value,
        row: impl FnOnce(bool) -> Vec<String>,
    ) -> CliResult<()> {
        if self.out.is_json() {
            self.out.line(line());
            return self.out.check();
        }
        self.rows.push(row(self.out.is_for_people()));
        Ok(())
    }

    /// Prints it, once it was `read` with so many unreadable entries; `none` is said of an empty one. What came before an
    /// error is printed.
    pub(crate) fn end(self, read: CliResult<usize>, none: &str) -> CliResult<()> {
        if !self.rows.is_empty() {
            let people = self.out.is_for_people();
            self.out.print(&render(self.head, &self.rows, people))?;
        } else if matches!(read, Ok(0)) && !self.out.is_json() {
            self.out.say(none);
        }
        read.map(drop)
    }
}

/// The rows as text; people get a head and aligned columns.
pub(crate) fn render(head: &[&str], rows: &[Vec<String>], people: bool) -> String {
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
pub(crate) fn when(at: Option<&DateTime>, people: bool) -> String {
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
