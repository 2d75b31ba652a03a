//! The table of what the client does with each server: its columns, its cells, and how it is printed.

use std::fmt;

use anyhow::Result;

use super::Kind;
use super::agent::Binding;

/// Which of the two adapters drives the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Adapter {
    Async,
    Blocking,
}

impl Adapter {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Async => "async",
            Self::Blocking => "blocking",
        }
    }
}

/// A server, spoken to in one binding through one adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) kind: Kind,
    pub(crate) binding: Binding,
    pub(crate) adapter: Adapter,
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {}",
            self.kind.name(),
            self.binding.name(),
            self.adapter.name()
        )
    }
}

/// Returns the columns of some servers, in the order of the table.
pub(crate) fn columns(kinds: &[Kind]) -> Vec<Column> {
    let mut columns = Vec::new();
    for kind in kinds {
        for binding in kind.bindings() {
            for adapter in [Adapter::Async, Adapter::Blocking] {
                columns.push(Column {
                    kind: *kind,
                    binding: *binding,
                    adapter,
                });
            }
        }
    }
    columns
}

/// What came of a row in one column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    Ok,
    /// The server has no way to do it, for this reason.
    Cannot(String),
    Failed(String),
}

impl Cell {
    pub(crate) fn of(result: Result<Self>) -> Self {
        result.unwrap_or_else(|error| Self::Failed(format!("{error:#}")))
    }
}

/// A finished table: the cells of each row, in the order of the columns.
pub(crate) struct Table {
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<(&'static str, Vec<Cell>)>,
}

impl Table {
    /// Returns how many cells failed.
    pub(crate) fn failures(&self) -> usize {
        let cells = self.rows.iter().flat_map(|(_, cells)| cells);
        cells.filter(|cell| matches!(cell, Cell::Failed(_))).count()
    }
}

/// Reasons stand below the table, numbered; columns with the same reason in a row share it.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.rows.iter().map(|(name, _)| name.len());
        let width = names.max().unwrap_or_default();
        let heads: [fn(&Column) -> &'static str; 3] = [
            |column| column.kind.name(),
            |column| column.binding.name(),
            |column| column.adapter.name(),
        ];
        for head in heads {
            let words = self.columns.iter().map(head);
            line(f, width, "", words.map(str::to_owned))?;
        }
        let mut notes: Vec<String> = Vec::new();
        for (name, cells) in &self.rows {
            let mut words = Vec::new();
            for cell in cells {
                words.push(match cell {
                    Cell::Ok => "ok".to_owned(),
                    Cell::Cannot(why) => format!("- [{}]", number(&mut notes, name, why)),
                    Cell::Failed(why) => format!("FAIL [{}]", number(&mut notes, name, why)),
                });
            }
            line(f, width, name, words.into_iter())?;
        }
        for (at, note) in notes.iter().enumerate() {
            writeln!(f, "[{}] {note}", at + 1)?;
        }
        Ok(())
    }
}

fn line(
    f: &mut fmt::Formatter<'_>,
    width: usize,
    name: &str,
    words: impl Iterator<Item = String>,
) -> fmt::Result {
    let mut line = format!("{name:width$}");
    for word in words {
        line += &format!("  {word:9}");
    }
    writeln!(f, "{}", line.trim_end())
}

/// Returns the number of a note, which is added if there is none like it.
fn number(notes: &mut Vec<String>, row: &str, why: &str) -> usize {
    let note = format!("{row}: {why}");
    let known = notes.iter().position(|known| *known == note);
    let at = known.unwrap_or_else(|| {
        notes.push(note);
        notes.len() - 1
    });
    at + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_says_why_where_a_cell_is_not_ok() {
        let columns = columns(&[Kind::Langgraph]);
        let cannot = Cell::Cannot("no word for it".to_owned());
        let failed = Cell::of(Err(anyhow::anyhow!("two tasks")));
        let table = Table {
            columns,
            rows: vec![
                ("auth", vec![cannot.clone(), cannot]),
                ("start", vec![Cell::Ok, failed]),
            ],
        };
        let shown = "       langgraph  langgraph\n       rpc        rpc\n       async      blocking\n\
                     auth   - [1]      - [1]\nstart  ok         FAIL [2]\n[1] auth: no word for it\n\
                     [2] start: two tasks\n";
        assert_eq!(table.to_string(), shown);
        assert_eq!(table.failures(), 1);
    }
}
