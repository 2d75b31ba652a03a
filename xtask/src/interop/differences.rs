//! What is known to differ between the real servers and the simulator that plays them, and why.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::diff::Hunk;
use crate::repo;

/// The file of the known differences.
pub(crate) const FILE: &str = "interop/differences.toml";

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Differences {
    #[serde(default)]
    difference: Vec<Difference>,
}

/// Lines of a section that one of the two has alone.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    /// The traces in which they differ, as `py-rest`.
    traces: BTreeSet<String>,
    section: String,
    #[serde(default)]
    real: Vec<String>,
    #[serde(default)]
    simulated: Vec<String>,
    reason: String,
}

/// What no line of the file tells, and what the file tells that is not so.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Differences that are not listed, as they would be.
    pub(crate) unlisted: Vec<String>,
    /// Differences that are listed and no more seen, by trace and section.
    pub(crate) unseen: Vec<String>,
}

impl Differences {
    pub(crate) fn read() -> Result<Self> {
        let text = repo::read(&repo::root().join(FILE))?;
        toml::from_str(&text).with_context(|| format!("cannot read {FILE}"))
    }

    /// Compares what is listed of these traces with what is seen in them.
    pub(crate) fn judge(&self, seen: &[(String, Vec<Hunk>)]) -> Result<Verdict> {
        let mut verdict = Verdict::default();
        for (trace, hunks) in seen {
            let listed = || {
                self.difference
                    .iter()
                    .filter(|one| one.traces.contains(trace))
            };
            for hunk in hunks {
                if !listed().any(|one| one.is(hunk)) {
                    verdict.unlisted.push(stub(trace, hunk)?);
                }
            }
            for one in listed() {
                if !hunks.iter().any(|hunk| one.is(hunk)) {
                    let unseen = format!("{trace}, section {}: {}", one.section, one.reason);
                    verdict.unseen.push(unseen);
                }
            }
        }
        Ok(verdict)
    }
}

impl Difference {
    fn is(&self, hunk: &Hunk) -> bool {
        self.section == hunk.section && self.real == hunk.first && self.simulated == hunk.second
    }
}

/// Returns a difference as the file would list it, but for the reason.
fn stub(trace: &str, hunk: &Hunk) -> Result<String> {
    let one = Differences {
        difference: vec![Difference {
            traces: BTreeSet::from([trace.to_owned()]),
            section: hunk.section.clone(),
            real: hunk.first.clone(),
            simulated: hunk.second.clone(),
            reason: String::new(),
        }],
    };
    Ok(toml::to_string_pretty(&one)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hunk(section: &str, real: &str, simulated: &str) -> Hunk {
        Hunk {
            section: section.to_owned(),
            first: vec![real.to_owned()],
            second: vec![simulated.to_owned()],
        }
    }

    #[test]
    fn a_difference_is_listed_or_it_is_wrong_and_the_other_way_round() {
        let listed = "[[difference]]\ntraces = [\"py-rest\", \"py-rpc\"]\nsection = \"crash\"\nreal = [\"a\"]\n\
                      simulated = [\"b\"]\nreason = \"none\"\n";
        let listed: Differences = toml::from_str(listed).unwrap();
        let as_listed = ("py-rest".to_owned(), vec![hunk("crash", "a", "b")]);
        assert_eq!(listed.judge(&[as_listed]).unwrap(), Verdict::default());
        let other = ("py-rpc".to_owned(), vec![hunk("crash", "a", "c")]);
        let verdict = listed.judge(&[other]).unwrap();
        assert_eq!(verdict.unseen, ["py-rpc, section crash: none"]);
        let stub: Differences = toml::from_str(&verdict.unlisted[0]).unwrap();
        assert!(stub.difference[0].is(&hunk("crash", "a", "c")));
        let elsewhere = ("js-rest".to_owned(), Vec::new());
        assert_eq!(listed.judge(&[elsewhere]).unwrap(), Verdict::default());
    }
}
