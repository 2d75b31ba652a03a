//! The way to a server: name, proxy, TLS, and what answers there.

use std::net::ToSocketAddrs as _;
use std::time::Duration;

use taskward::core::http::Method;
use taskward::core::{Cause, Origin, Request, Response, Safety, Timestamp};
use taskward::{Error, client};

use super::check::{Check, CheckResult};
use super::clock;
use super::exchange::{Observed, Server};
use super::settings::value;
use crate::platform::Platform;

/// How long a name may take.
const LOOKUP: Duration = Duration::from_secs(5);

/// The variables that may name a proxy, the first that is set counting.
const PROXIES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// What was found on the way to a server.
pub(super) struct Reached {
    pub(super) checks: Vec<Check>,
    /// Its clock, with ours when it told it.
    pub(super) times: Option<(Timestamp, Timestamp)>,
    /// Whether it answered.
    pub(super) answers: bool,
}

impl Reached {
    /// Nothing answered.
    fn nothing(checks: Vec<Check>) -> Self {
        Self {
            checks,
            times: None,
            answers: false,
        }
    }
}

/// Goes to a server with a key that opens nothing.
pub(super) async fn reach<P: Platform>(origin: &Origin) -> Reached {
    let mut checks = vec![proxy(origin)];
    checks.extend(name(origin).await);
    if checks
        .iter()
        .any(|check| check.result == CheckResult::Problem)
    {
        // Without an address there is nothing to go to: the same would be said twice.
        return Reached::nothing(checks);
    }
    let server = match Server::<P>::open(origin, None) {
        Ok(server) => server,
        Err(error) => {
            checks.push(Check::problem("tls", error.to_string()));
            return Reached::nothing(checks);
        }
    };
    let target = match P::DEFAULTS.api_prefix {
        "" => "/",
        prefix => prefix,
    };
    let target = target.parse();
    let request = Request::empty(Method::GET, target.expect("a prefix is a path"));
    let seen = server.observe(request, Safety::Repeatable).await;
    let times = times(&seen);
    checks.extend(answer(origin, &seen));
    Reached {
        checks,
        times,
        answers: seen.reply.is_some(),
    }
}

/// The server's clock and ours, at the moment of a reply.
fn times(seen: &Observed) -> Option<(Timestamp, Timestamp)> {
    let head = match (&seen.reply, &seen.result) {
        (Some(reply), _) => Some(&reply.head),
        (None, Err(error)) => error.wire_failure()?.head(),
        (None, Ok(())) => None,
    };
    Some((clock::now(), head?.date()?))
}

/// Says which proxy applies, and why.
fn proxy(origin: &Origin) -> Check {
    let named = PROXIES.into_iter().find(|name| value(name).is_some());
    let exempt = ["NO_PROXY", "no_proxy"]
        .into_iter()
        .find(|name| value(name).is_some());
    let Some(variable) = named else {
        return Check::ok("proxy", "none: no variable names one");
    };
    if origin.is_loopback() {
        let what =
            format!("none: {variable} is set, and this machine is never reached through a proxy");
        return Check::ok("proxy", what);
    }
    match client::proxy_from_env(origin) {
        Ok(Some(proxy)) => Check::ok(
            "proxy",
            format!("{}:{}, from {variable}", proxy.host, proxy.port),
        ),
        Ok(None) => match exempt {
            Some(exempt) => Check::ok(
                "proxy",
                format!("none: {variable} is set, and {exempt} exempts the server"),
            ),
            None => Check::warning(
                "proxy",
                format!("none, although {variable} is set: its value names none"),
            ),
        },
        Err(error) => Check::problem("proxy", error.to_string()),
    }
}

/// Looks up the name of the server, or of the proxy that does it for us.
async fn name(origin: &Origin) -> Option<Check> {
    let proxy = match origin.is_loopback() {
        true => None,
        false => client::proxy_from_env(origin).ok().flatten(),
    };
    let (host, port) = match &proxy {
        Some(proxy) => (proxy.host.clone(), proxy.port),
        None => (
            origin.host().trim_matches(['[', ']']).to_owned(),
            origin.port(),
        ),
    };
    if host.parse::<std::net::IpAddr>().is_ok() {
        return None;
    }
    let asked = host.clone();
    let lookup = tokio::task::spawn_blocking(move || {
        let found = (asked.as_str(), port).to_socket_addrs();
        found.map(|found| found.map(|at| at.ip().to_string()).collect::<Vec<_>>())
    });
    let hint = "check the name of the server, and the network";
    Some(match tokio::time::timeout(LOOKUP, lookup).await {
        Ok(Ok(Ok(mut found))) if !found.is_empty() => {
            found.dedup();
            found.truncate(4);
            Check::ok("name", format!("{host} is {}", found.join(", ")))
        }
        Ok(Ok(Err(error))) => {
            let why = crate::failure_text::without_os_error(&error.to_string());
            Check::problem("name", format!("{host} has no address: {why}")).hint(hint)
        }
        Ok(_) => Check::problem("name", format!("{host} has no address")).hint(hint),
        Err(_) => {
            Check::problem("name", format!("the lookup of {host} took more than 5 s")).hint(hint)
        }
    })
}

/// Judges what came back.
fn answer(origin: &Origin, seen: &Observed) -> Vec<Check> {
    match (&seen.reply, &seen.result) {
        (Some(reply), _) => answered(origin, reply),
        (None, Err(error)) => vec![unanswered(error)],
        (None, Ok(())) => Vec::new(),
    }
}

fn answered(origin: &Origin, reply: &Response) -> Vec<Check> {
    let mut checks = vec![match origin.is_tls() {
        true => Check::ok(
            "tls",
            "the handshake succeeded, with the authorities that this system trusts",
        ),
        false => Check::ok("tls", "none: plain HTTP, which is for this machine only"),
    }];
    let status = reply.status();
    let is_page = reply.body.trim_ascii_start().starts_with(b"<");
    checks.push(match is_page {
        true => Check::problem("connection", format!("what answers is a web page (status {status})")).hint(
            "a login page of the network, a proxy, or another server than the platform's: open the URL in a browser",
        ),
        false => Check::ok("connection", format!("{origin} answers (status {})", status.as_u16())),
    });
    checks
}

fn unanswered(error: &Error) -> Check {
    let Some(failure) = error.wire_failure() else {
        return Check::problem("connection", error.to_string());
    };
    let (about, hint) = match failure.cause {
        Cause::Resolve => ("name", "check the name of the server, and the network"),
        Cause::Proxy => ("proxy", "check the proxy, or add the server to NO_PROXY"),
        Cause::Certificate => (
            "tls",
            "a proxy that reads along, another server, or a wrong clock: one that is years off makes every certificate \
             seem expired or not yet valid",
        ),
        Cause::Tls => (
            "tls",
            "what listens there may speak no TLS, or something in between reads along",
        ),
        Cause::Redirect => (
            "connection",
            "a login page of the network, or another address of the server: the key goes nowhere else than to the one \
             that you name",
        ),
        _ => (
            "connection",
            "check the network, the server's address and a firewall in between",
        ),
    };
    Check::problem(about, error.to_string()).hint(hint)
}
