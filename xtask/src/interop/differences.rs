//! What is known to differ between the real servers and the simulator that plays them, and why.

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::diff;
use crate::repo;

/// The file of the known differences.
pub(crate) const FILE: &str = "interop/differences.toml";

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Differences {
    #[serde(default)]
    difference: Vec<Difference>,
}

/// Lines of a real server's trace, whole or in part, and what stands in their place in the simulator's.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    /// The traces in which they differ, as `py-rest`; each must have the text.
    traces: Vec<String>,
    /// The section; in all of them without one.
    section: Option<String>,
    real: Vec<String>,
    simulated: Vec<String>,
    reason: String,
}

impl Differences {
    pub(crate) fn read() -> Result<Self> {
        let text = repo::read(&repo::root().join(FILE))?;
        toml::from_str(&text).with_context(|| format!("cannot read {FILE}"))
    }

    /// Returns the trace that the simulator has to show in the place of this real one; each listed difference that is not
    /// in it is added to `unseen`.
    pub(crate) fn expected(&self, name: &str, real: &str, unseen: &mut Vec<String>) -> String {
        let mut sections = diff::sections(real);
        let listed = self
            .difference
            .iter()
            .filter(|one| one.traces.iter().any(|trace| trace == name));
        for one in listed {
            let (real, simulated) = (one.real.join("\n"), one.simulated.join("\n"));
            let mut seen = false;
            for (section, text) in &mut sections {
                if one.section.as_ref().is_none_or(|wanted| wanted == section)
                    && text.contains(&real)
                {
                    *text = text.replace(&real, &simulated);
                    seen = true;
                }
            }
            if !seen {
                unseen.push(format!("{name}: {}", one.reason));
            }
        }
        let sections = sections.into_iter();
        sections
            .map(|(name, text)| format!("## {name}\n{text}"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTED: &str = "[[difference]]\ntraces = [\"py-rest\", \"py-rpc\"]\nsection = \"crash\"\nreal = [\"b\"]\n\
                          simulated = [\"c\"]\nreason = \"none\"\n";

    #[test]
    fn a_listed_difference_is_expected_and_has_to_be_seen() {
        let listed: Differences = toml::from_str(LISTED).unwrap();
        let mut unseen = Vec::new();
        let real = "## start\na b\n## crash\nb a\n";
        let expected = listed.expected("py-rest", real, &mut unseen);
        assert_eq!(expected, "## start\na b\n## crash\nc a\n");
        assert_eq!(listed.expected("js-rest", real, &mut unseen), real);
        assert!(unseen.is_empty(), "{unseen:?}");
        listed.expected("py-rpc", "## start\nb\n", &mut unseen);
        assert_eq!(unseen, ["py-rpc: none"]);
    }
}
