//! One check and what came of it.

use serde_json::{Value, json};

use crate::lines::{LineType, line};
use crate::registry::ProviderName;

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CheckResult {
    Ok,
    /// It works, and may not be what was meant.
    Warning,
    /// It does not work.
    Problem,
    /// It cannot be told.
    Unknown,
}

impl CheckResult {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
            Self::Unknown => "unknown",
        }
    }
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Check {
    /// What it is about.
    pub(super) about: &'static str,
    pub(super) result: CheckResult,
    pub(super) message: String,
    /// What to do about it.
    pub(super) hint: Option<String>,
    pub(super) provider: Option<ProviderName>,
}

impl Check {
    fn new(about: &'static str, result: CheckResult, message: impl Into<String>) -> Self {
        Self {
            about,
            result,
            message: message.into(),
            hint: None,
            provider: None,
        }
    }

    pub(super) fn ok(about: &'static str, message: impl Into<String>) -> Self {
        Self::new(about, CheckResult::Ok, message)
    }

    pub(super) fn warning(about: &'static str, message: impl Into<String>) -> Self {
        Self::new(about, CheckResult::Warning, message)
    }

    pub(super) fn problem(about: &'static str, message: impl Into<String>) -> Self {
        Self::new(about, CheckResult::Problem, message)
    }

    pub(super) fn unknown(about: &'static str, message: impl Into<String>) -> Self {
        Self::new(about, CheckResult::Unknown, message)
    }

    /// Adds what to do about it.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says which platform it is about.
    pub(super) fn of(mut self, provider: ProviderName) -> Self {
        self.provider = Some(provider);
        self
    }

    /// For programs.
    pub(super) fn line(&self) -> Value {
        let fields = json!({
            "about": self.about,
            "result": self.result.as_str(),
            "message": self.message,
            "hint": self.hint,
            "provider": self.provider.map(ProviderName::as_str),
        });
        line(LineType::Check, None, fields)
    }
}
