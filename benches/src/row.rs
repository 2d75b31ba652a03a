//! Rows of the table of all targets, as `cargo xtask bench` collects them: a line of JSON each.

use serde::Serialize;

/// One figure of ours, beside what others reach and what is promised.
#[derive(Clone, Debug, Serialize)]
#[must_use = "print it"]
pub struct Row {
    /// The row's number, such as `P4`.
    row: &'static str,
    what: String,
    ours: f64,
    unit: &'static str,
    /// The best peer, and its figure.
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<(String, f64)>,
    /// What nobody can do better than.
    #[serde(skip_serializing_if = "Option::is_none")]
    floor: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_most: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_least: Option<f64>,
}

impl Row {
    /// Creates a row without a target.
    pub fn new(row: &'static str, what: impl Into<String>, ours: f64, unit: &'static str) -> Self {
        Self {
            row,
            what: what.into(),
            ours,
            unit,
            peer: None,
            floor: None,
            at_most: None,
            at_least: None,
        }
    }

    /// Adds the best peer of the same run.
    pub fn peer(mut self, name: impl Into<String>, figure: f64) -> Self {
        self.peer = Some((name.into(), figure));
        self
    }

    /// Adds what nobody can do better than.
    pub fn floor(mut self, floor: f64) -> Self {
        self.floor = Some(floor);
        self
    }

    /// Sets the target: this or less.
    pub fn at_most(mut self, target: f64) -> Self {
        self.at_most = Some(target);
        self
    }

    /// Sets the target: this or more.
    pub fn at_least(mut self, target: f64) -> Self {
        self.at_least = Some(target);
        self
    }

    /// Returns whether the target is met; a row without one is.
    #[must_use]
    pub fn is_met(&self) -> bool {
        self.at_most.is_none_or(|most| self.ours <= most)
            && self.at_least.is_none_or(|least| self.ours >= least)
    }

    /// Prints the row; returns whether its target is met.
    ///
    /// # Panics
    /// When it cannot be written as JSON, which no row of numbers and text is.
    pub fn print(&self) -> bool {
        println!("{}", serde_json::to_string(self).expect("text and numbers"));
        self.is_met()
    }
}
