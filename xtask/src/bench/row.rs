//! One figure of ours, beside what others reach and what is promised: as the programs of `benches/` print it, a line of JSON.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Row {
    /// The row's number, such as `P4`.
    pub(super) row: String,
    pub(super) what: String,
    pub(super) ours: f64,
    unit: String,
    /// The best peer, and its figure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    peer: Option<(String, f64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    floor: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at_most: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at_least: Option<f64>,
}

impl Row {
    pub(super) fn new(row: &str, what: &str, ours: f64, unit: &str) -> Self {
        Self {
            row: row.to_owned(),
            what: what.to_owned(),
            ours,
            unit: unit.to_owned(),
            peer: None,
            floor: None,
            at_most: None,
            at_least: None,
        }
    }

    pub(super) fn peer(mut self, name: &str, figure: f64) -> Self {
        self.peer = Some((name.to_owned(), figure));
        self
    }

    pub(super) fn at_most(mut self, target: f64) -> Self {
        self.at_most = Some(target);
        self
    }

    pub(super) fn at_least(mut self, target: f64) -> Self {
        self.at_least = Some(target);
        self
    }

    /// Returns where the row stands in the table: P before F, by number.
    pub(super) fn order(&self) -> (bool, u32) {
        let (letter, number) = self.row.split_at(1.min(self.row.len()));
        (letter == "F", number.parse().unwrap_or(u32::MAX))
    }

    /// Returns whether the figure is counted, so that a busy machine shows the same one: instructions, allocations or bytes.
    pub(super) fn is_counted(&self) -> bool {
        let is_ratio_of_instructions = self.row == "P2" && self.unit == "x";
        matches!(self.unit.as_str(), "" | "B") || is_ratio_of_instructions
    }

    /// Returns whether the target is met; `None` for a row that is only reported.
    fn is_met(&self) -> Option<bool> {
        if self.at_most.is_none() && self.at_least.is_none() {
            return None;
        }
        let is_below = self.at_most.is_none_or(|most| self.ours <= most);
        Some(is_below && self.at_least.is_none_or(|least| self.ours >= least))
    }
}

/// Returns the rows as a table in Markdown.
pub(super) fn table(rows: &[Row]) -> String {
    let mut table = String::from(
        "| row | what | ours | best peer | floor | ratio | target | |\n|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let (peer, ratio) = match &row.peer {
            Some((name, figure)) if *figure > 0.0 => (
                format!("{name} {}", shown(*figure)),
                format!("{:.2}", row.ours / figure),
            ),
            _ => (String::new(), String::new()),
        };
        let target = match (row.at_most, row.at_least) {
            (Some(most), _) => format!("<= {}", shown(most)),
            (None, Some(least)) => format!(">= {}", shown(least)),
            (None, None) => "reported".to_owned(),
        };
        let verdict = match row.is_met() {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "",
        };
        let floor = row.floor.map(shown).unwrap_or_default();
        table.push_str(&format!(
            "| {} | {} | {} {} | {peer} | {floor} | {ratio} | {target} | {verdict} |\n",
            row.row,
            row.what,
            shown(row.ours),
            row.unit,
        ));
    }
    table
}

/// Returns a figure with as many places as say something.
fn shown(figure: f64) -> String {
    match figure.abs() {
        least if least >= 100.0 || figure.fract() == 0.0 => format!("{figure:.0}"),
        least if least >= 10.0 => format!("{figure:.1}"),
        _ => format!("{figure:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_as_the_benches_print_it_and_tells_whether_its_target_is_met() {
        let line = r#"{"row":"P4","what":"a poll","ours":1.25,"unit":"x","peer":["hyper",1.0],"at_most":1.2}"#;
        let row: Row = serde_json::from_str(line).expect("a row");
        let reported = Row::new("F4", "requests of a task", 20.5, "");
        let shown = table(&[row, reported]);
        assert!(
            shown.contains("| P4 | a poll | 1.25 x | hyper 1 |  | 1.25 | <= 1.20 | **missed** |"),
            "{shown}"
        );
        assert!(
            shown.contains("| F4 | requests of a task | 20.5  |  |  |  | reported |  |"),
            "{shown}"
        );
    }
}
