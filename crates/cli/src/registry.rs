//! The platforms that the program knows: the only place that names them all. A new one is an entry here and a folder in
//! `platforms`.

use std::fmt;

use clap::ValueEnum;
use taskward::Provider as _;
use taskward::core::Capabilities;
use taskward::error::doctor::Examined;

use crate::agent_url::AgentNaming;

/// A provider that stands in this registry.
pub(crate) trait Registered: Examined + AgentNaming {
    /// Its name in options and in front of ids.
    const ID: ProviderName;
    /// Its name for people.
    const TITLE: &'static str;
}

macro_rules! platforms {
    ($d:tt $($name:ident = $provider:ty, $title:literal;)*) => {
        /// The providers.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
        pub(crate) enum ProviderName {
            $($name,)*
        }

        $(impl Registered for $provider {
            const ID: ProviderName = ProviderName::$name;
            const TITLE: &'static str = $title;
        })*

        impl ProviderName {
            /// All of them.
            pub(crate) const ALL: [Self; [$($title),*].len()] = [$(Self::$name),*];
        }

        /// Does what is the same on every platform with the type of the one that is named: the only place where a name
        /// becomes a type. What a platform can do is never told by its name, but by its capabilities.
        macro_rules! on_platform {
            ($d name:expr, $d platform:ident => $d work:expr) => {
                match $d name {
                    $($crate::registry::ProviderName::$name => {
                        type $d platform = $provider;
                        $d work
                    })*
                }
            };
        }
        pub(crate) use on_platform;
    };
}

// A platform is a line here and a folder in `platforms`. The first is meant where none is named.
platforms! { $
    Nanonets = taskward::nanonets::Nanonets, "Nanonets";
    AgentHarness = taskward::agent_harness::AgentHarness, "Agent Harness";
    A2a = taskward::a2a::A2a, "A2A";
}

impl ProviderName {
    /// The one that is meant where none is named.
    pub(crate) const DEFAULT: Self = Self::ALL[0];

    /// The provider of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == name)
    }

    /// Its name in options and in front of ids.
    pub(crate) fn as_str(self) -> &'static str {
        on_platform!(self, P => P::NAME)
    }

    /// What it can do.
    pub(crate) fn capabilities(self) -> Capabilities {
        on_platform!(self, P => P::CAPABILITIES)
    }

    /// The provider whose agents are named as this one is, where its form tells that.
    pub(crate) fn of_agent(agent: &str) -> Option<Self> {
        let is_url = agent.contains("://");
        let has_urls = |name: &Self| on_platform!(*name, P => P::AGENTS_HAVE_URLS);
        is_url.then(|| Self::ALL.into_iter().find(has_urls))?
    }

    /// Its name for people.
    pub(crate) fn title(self) -> &'static str {
        on_platform!(self, P => P::TITLE)
    }
}

/// What a command needs of a platform, where not every platform has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feature {
    Agents,
    Approve,
    Cancel,
    Events,
    Input,
    Ls,
    Messages,
    Reject,
    Reply,
    ResumeRun,
    Send,
    Usage,
}

impl Feature {
    /// Its command, and whether a platform with these capabilities has it.
    fn row(self) -> (&'static str, fn(&Capabilities) -> bool) {
        match self {
            Self::Agents => ("agents", |can| can.agents),
            Self::Approve => ("approve", |can| can.approval),
            Self::Cancel => ("cancel", |can| can.cancel),
            Self::Events => ("events", |can| can.events),
            Self::Input => ("input", |can| can.data),
            Self::Ls => ("ls", |can| can.list),
            Self::Messages => ("messages", |can| can.message),
            Self::Reject => ("reject", |can| can.approval),
            Self::Reply => ("reply", |can| can.words),
            Self::ResumeRun => ("resume-run", |can| can.resume),
            Self::Send => ("send", |can| can.message),
            Self::Usage => ("usage", |can| can.usage),
        }
    }

    /// The command that needs it.
    pub(crate) fn command(self) -> &'static str {
        self.row().0
    }

    /// The platforms that have it.
    pub(crate) fn platforms(self) -> impl Iterator<Item = ProviderName> {
        let (_, has) = self.row();
        let all = ProviderName::ALL.into_iter();
        all.filter(move |one| has(&one.capabilities()))
    }
}

impl fmt::Display for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// The files outside `platforms` that name a platform, apart from their tests.
    fn naming(folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && !path.ends_with("platforms") {
                naming(&path, found);
            }
            let Ok(text) = fs::read_to_string(&path) else {
                continue;
            };
            let code = text
                .split("#[cfg(test)]\nmod tests")
                .next()
                .expect("a part");
            let variants = ProviderName::ALL.map(|name| format!("ProviderName::{name:?}"));
            let crates =
                ["nanonets::", "agent_harness::", "a2a::"].map(|name| format!("taskward::{name}"));
            let names = variants.iter().chain(&crates);
            if names.into_iter().any(|name| code.contains(name)) {
                let name = path.file_name().expect("a name");
                found.push(name.to_string_lossy().into_owned());
            }
        }
    }

    #[test]
    fn what_a_platform_can_do_is_decided_by_its_capabilities_and_never_by_its_name() {
        let mut found = Vec::new();
        naming(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
            &mut found,
        );
        assert_eq!(found, ["registry.rs"]);
    }
}
