//! Where each setting comes from, and what shadows what.

use std::env;
use std::ffi::OsString;

use taskward::Provider as _;

use super::Place;
use super::check::Check;
use crate::args::Global;
use crate::keys::{self, ApiAccess};
use crate::platform::Platform;
use crate::registry::{ProviderName, on_platform};

/// The variables of all platforms.
const OWN: [&str; 3] = ["TASKWARD_TIMEOUT", "TASKWARD_NO_INPUT", "TASKWARD_DEBUG"];

/// What the simulator sets for the tests of others.
const SIMULATOR: &str = "TASKWARD_SIM_";

/// Checks the settings that concern all platforms.
pub(super) fn shared(global: &Global) -> Vec<Check> {
    let mut checks = vec![provider(global), timeout(), no_input(global)];
    if value("TASKWARD_DEBUG").is_some_and(|debug| debug != "http") {
        let what = "TASKWARD_DEBUG has no effect: its only value is http";
        checks.push(Check::warning("setting", what));
    }
    checks.extend(authorities());
    checks.extend(unread());
    checks
}

fn provider(global: &Global) -> Check {
    match global.named_provider() {
        Some(name) => Check::ok("setting", format!("provider {name}, from --provider")),
        None => Check::ok(
            "setting",
            format!("provider {}, the default", ProviderName::DEFAULT),
        ),
    }
}

fn timeout() -> Check {
    let from = match value("TASKWARD_TIMEOUT") {
        Some(_) => "TASKWARD_TIMEOUT",
        None => "the default",
    };
    match crate::args::timeout(None) {
        Ok(time) if time.is_zero() => Check::ok("setting", format!("no timeout, from {from}")),
        Ok(time) => {
            let time = humantime::format_duration(time);
            Check::ok(
                "setting",
                format!("timeout {time}, from {from}; --timeout comes before it"),
            )
        }
        Err(error) => Check::problem("setting", error.what()),
    }
}

fn no_input(global: &Global) -> Check {
    match global.no_input() {
        Ok(true) => Check::ok(
            "setting",
            "nothing is asked on the terminal (--no-input or TASKWARD_NO_INPUT)",
        ),
        Ok(false) => Check::ok("setting", "questions are asked on a terminal, the default"),
        Err(error) => Check::problem("setting", error.what()),
    }
}

/// Checks the variables that name certificate authorities.
fn authorities() -> Vec<Check> {
    let named = ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter();
    let set = named.filter_map(|name| Some((name, value(name)?)));
    set.map(|(name, path)| {
        let shown = path.to_string_lossy().into_owned();
        match std::fs::metadata(&path) {
            Ok(_) => Check::ok(
                "setting",
                format!("certificate authorities from {name}, {shown}"),
            ),
            Err(error) => Check::problem("setting", format!("{name} names {shown}: {error}"))
                .hint("unset it, or name what there is"),
        }
    })
    .collect()
}

/// Finds variables that resemble ours and are none.
fn unread() -> Vec<Check> {
    let mut known: Vec<&str> = OWN.to_vec();
    let mut prefixes = vec!["TASKWARD_"];
    for name in ProviderName::ALL {
        let defaults = on_platform!(name, P => P::DEFAULTS);
        known.extend([defaults.key_variable, defaults.base_url_variable]);
        prefixes.extend(defaults.key_variable.strip_suffix("API_KEY"));
    }
    let names = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let mut unread: Vec<String> = names
        .filter(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)))
        .filter(|name| !known.contains(&name.as_str()) && !name.starts_with(SIMULATOR))
        .collect();
    unread.sort();
    let told = unread.into_iter().map(|name| {
        Check::warning("setting", format!("{name} is set, and nothing reads it"))
            .hint(format!("the variables are {}", known.join(", ")))
    });
    told.collect()
}

/// Checks the key and the server of a platform.
pub(super) fn of_platform<P: Platform>(
    global: &Global,
    place: Option<&Place>,
) -> (Vec<Check>, Option<ApiAccess>) {
    let names = P::DEFAULTS;
    let access = keys::api_access::<P>(global);
    let mut checks = vec![match &access {
        Ok(access) if access.key().is_none() => {
            let what = format!(
                "no API key; agents that want one get that of {}",
                names.key_variable
            );
            Check::ok("key", what)
        }
        Ok(access) => {
            let unused = names.key_variable;
            let is_flag = global.key_stdin || global.key_file.is_some();
            let shadowed = is_flag && value(unused).is_some();
            let shadows = match shadowed {
                true => format!("; {unused} is set, too, and not used"),
                false => String::new(),
            };
            let which = if access.is_simulated {
                "simulator's API key"
            } else {
                "API key"
            };
            let what = format!("{which} from {}{shadows}", access.source);
            match access.source.warning() {
                Some(warning) => Check::warning("key", format!("{what}; {warning}")),
                None => Check::ok("key", what),
            }
        }
        Err(error) => {
            let is_empty = env::var_os(names.key_variable).is_some_and(|key| key.is_empty());
            let empty = match is_empty {
                true => format!(
                    "; {} is set and empty, which counts as unset",
                    names.key_variable
                ),
                false => String::new(),
            };
            let what = format!("{}{empty}", error.what());
            let hint = format!(
                "set {}, or give --key-file PATH; {}",
                names.key_variable,
                P::KEYS
            );
            match error.is(crate::codes::Code::NoKey) {
                true => Check::unknown("key", what).hint(hint),
                false => Check::problem("key", what).hint(hint),
            }
        }
    }];
    checks.push(server::<P>(place));
    let checks = checks.into_iter().map(|check| check.of(P::ID)).collect();
    (checks, access.ok())
}

fn server<P: Platform>(place: Option<&Place>) -> Check {
    let names = P::DEFAULTS;
    let Some(place) = place else {
        let what = format!(
            "{} names none; commands say which agent",
            names.base_url_variable
        );
        return Check::ok("server", what);
    };
    match (&place.origin, place.source) {
        (Ok(_), "") => Check::ok("server", format!("{}, the default", names.base_url)),
        (Ok(origin), source) => match &place.card {
            Some(card) => {
                let what = format!("{origin}, from {source}; the agent's card is at {card}");
                Check::ok("server", what)
            }
            None => Check::ok("server", format!("{origin}, from {source}")),
        },
        (Err(error), source) if names.base_url.is_empty() => {
            Check::problem("server", error.clone()).hint(format!("it comes from {source}"))
        }
        (Err(error), source) => Check::problem("server", error.clone()).hint(format!(
            "it comes from {source}; the default is {}",
            names.base_url
        )),
    }
}

/// The value of a variable; an empty one counts as none.
pub(super) fn value(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}
