//! The server's origin, and the one function that adds it and the key to a request.

use std::fmt;
use std::sync::Arc;

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Uri, header};

use crate::credential::{ConfigError, Credential};
use crate::failure::{Cause, ExchangeFailure, ExchangeProgress};
use crate::needles::is_redacted;
use crate::request::{Body, Request};
use crate::response::Head;

/// Redirects that are followed before an exchange fails.
pub const MAX_REDIRECTS: u32 = 3;

/// Longest path of a base URL, in bytes.
const MAX_BASE: usize = 16 * 1024;

/// A scheme, host, port and a path that precedes every target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    scheme: Scheme,
    authority: Authority,
    base: String,
    canonical: Arc<str>,
}

impl Origin {
    /// Parses a base URL. A trailing slash is dropped, and so is a trailing `api_prefix`, which the targets contain
    /// themselves.
    ///
    /// # Errors
    /// Returns an error if it is not an `https` URL (`http` is for loopback only), or if it has a user, a query or a
    /// fragment.
    pub fn parse(base_url: &str, api_prefix: &str) -> Result<Self, ConfigError> {
        let err = |why: &str| {
            Err(ConfigError::new(format!(
                "the base URL {:?} {why}",
                redact_user(base_url)
            )))
        };
        let text = base_url.trim();
        if text.contains('#') {
            return err("has a fragment");
        }
        let Ok(uri) = text.parse::<Uri>() else {
            return err("is not a URL");
        };
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return err("needs a scheme and a host, as in https://example.com");
        };
        if authority.as_str().contains('@') {
            return err("has a user or password: keys are passed apart from it");
        }
        if uri.query().is_some() {
            return err("has a query");
        }
        if authority.host().is_empty() {
            return err("has no host");
        }
        if !has_valid_port(authority) {
            return err("has no valid port");
        }
        if *scheme == Scheme::HTTP {
            if !is_loopback(authority.host()) {
                return err(
                    "would send the key unencrypted: use https (http is for loopback only)",
                );
            }
        } else if *scheme != Scheme::HTTPS {
            return err("is neither https nor http");
        }
        let parts = uri.path().split('/').filter(|part| !part.is_empty());
        let path: String = parts.map(|part| format!("/{part}")).collect();
        let base = path.strip_suffix(api_prefix).unwrap_or(&path).to_owned();
        if base.len() > MAX_BASE {
            return err("has a path that is too long");
        }
        Ok(Self::new(scheme.clone(), authority.clone(), base))
    }

    fn new(scheme: Scheme, authority: Authority, base: String) -> Self {
        let host = authority.host().to_ascii_lowercase();
        let port = port(&scheme, &authority);
        let canonical = format!("{scheme}://{host}:{port}{base}").into();
        Self {
            scheme,
            authority,
            base,
            canonical,
        }
    }

    /// Returns the host name or address.
    #[must_use]
    pub fn host(&self) -> &str {
        self.authority.host()
    }

    /// Returns the port, given or implied.
    #[must_use]
    pub fn port(&self) -> u16 {
        port(&self.scheme, &self.authority)
    }

    /// Returns the server and the path before every target in one canonical spelling, which is stored with a task to
    /// identify its server.
    #[must_use]
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// Returns the same for a task to keep.
    pub(crate) fn canonical_shared(&self) -> Arc<str> {
        self.canonical.clone()
    }

    /// Returns whether the server is this machine: then no proxy is used.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback(self.host())
    }

    /// Returns whether exchanges are encrypted.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// Combines request, server and credential, if there is one, into the head that is sent. The credential is marked as
    /// sensitive, so that no `Debug` output contains it, and appears only in its header.
    ///
    /// # Panics
    /// Never panics for a target from [`Target`](crate::Target) or from a stored task: every part was checked when it
    /// was created.
    #[must_use]
    pub fn seal<'c>(
        &self,
        request: &Request,
        credential: impl Into<Option<&'c Credential>>,
        agent: &HeaderValue,
    ) -> http::Request<()> {
        let target = if self.base.is_empty() {
            request.target().clone()
        } else {
            format!("{}{}", self.base, request.target())
                .parse()
                .expect("a path in front of a path is a path")
        };
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(target);
        let uri = Uri::from_parts(parts).expect("scheme, authority and path make a URI");
        let mut sealed = http::Request::new(());
        *sealed.method_mut() = request.method().clone();
        *sealed.uri_mut() = uri;
        // With room for those below, and for what a transport adds.
        let headers = sealed.headers_mut();
        headers.reserve(request.headers().len() + 4);
        for (name, value) in request.headers() {
            headers.append(name.clone(), value.clone());
        }
        if let Some(credential) = credential.into() {
            let (name, value) = (credential.header_name(), credential.header_value());
            headers.insert(name.clone(), value.clone());
        }
        headers.insert(header::USER_AGENT, agent.clone());
        if !matches!(request.body(), Body::Empty) || request.method() == http::Method::POST {
            headers.insert(header::CONTENT_LENGTH, request.body().len().into());
        }
        sealed
    }

    /// Judges a reply: returns `None` if it is no redirect, and otherwise the request to send instead.
    ///
    /// Only 307 and 308, and 301, 302 and 303 of a read, are followed, and only to this origin: no header of ours
    /// reaches another one (RFC 9110 section 15.4; the key, and custom headers, would go along).
    ///
    /// # Errors
    /// Returns a refusal with the progress `Answered` that names the target's origin.
    pub fn follow(
        &self,
        request: &Request,
        head: &Head,
        hops: u32,
    ) -> Option<Result<Request, ExchangeFailure>> {
        // What was asked for if it has changed, and has not (RFC 9110 section 15.4.5).
        let is_unchanged = head.status == http::StatusCode::NOT_MODIFIED
            && request.headers().contains_key(header::IF_NONE_MATCH);
        if !head.status.is_redirection() || is_unchanged {
            return None;
        }
        Some(
            self.redirect_target(request, head, hops)
                .map(|target| request.redirected(target))
                .map_err(|why| {
                    ExchangeFailure::new(
                        ExchangeProgress::Answered(Box::new(head.clone())),
                        Cause::Redirect,
                        why,
                    )
                }),
        )
    }

    fn redirect_target(
        &self,
        request: &Request,
        head: &Head,
        hops: u32,
    ) -> Result<PathAndQuery, String> {
        let status = head.status.as_u16();
        match status {
            307 | 308 => {}
            301..=303 if request.method().is_safe() => {}
            301..=303 => {
                return Err(format!(
                    "{status} would turn a {} into a GET",
                    request.method()
                ));
            }
            _ => return Err(format!("{status} is no redirect that can be followed")),
        }
        let text = location(head)?;
        let target = match text.parse::<Uri>() {
            Ok(uri) => match (uri.scheme_str(), uri.authority()) {
                (Some(scheme), Some(to)) => {
                    let origin = Origin::parse(&format!("{scheme}://{to}"), "");
                    if !origin.is_ok_and(|to| to.same_server(self)) {
                        let to = to.as_str().rsplit('@').next().unwrap_or_default();
                        return Err(format!(
                            "{status} to another origin, {scheme}://{to} (a network login page?)"
                        ));
                    }
                    uri.path_and_query().cloned()
                }
                (None, None) if text.starts_with('/') && !text.starts_with("//") => {
                    uri.path_and_query().cloned()
                }
                _ => None,
            },
            Err(_) => None,
        };
        let target =
            target.ok_or_else(|| format!("{status} to neither a path nor a URL of this server"))?;
        if hops >= MAX_REDIRECTS {
            return Err(format!("more than {MAX_REDIRECTS} redirects"));
        }
        // Targets are relative to the base path, which sealing adds again.
        match target.as_str().strip_prefix(self.base.as_str()) {
            Some(rest) if rest.starts_with('/') => rest
                .parse()
                .map_err(|_| format!("{status} to an unreadable path")),
            _ => Err(format!("{status} out of the base path {}", self.base)),
        }
    }

    /// Returns the server alone, without the path before every target.
    fn server(&self) -> Self {
        Self::new(self.scheme.clone(), self.authority.clone(), String::new())
    }

    fn same_server(&self, other: &Self) -> bool {
        self.scheme == other.scheme
            && self.host().eq_ignore_ascii_case(other.host())
            && self.port() == other.port()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.base)
    }
}

/// The origins that a caller named: a credential goes to these and to no other, whoever else names one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedOrigins(Vec<Origin>);

impl NamedOrigins {
    /// Names no origin.
    #[must_use]
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// Names the origin of this server, whatever its path.
    pub fn add(&mut self, origin: &Origin) {
        if self.check(origin).is_err() {
            self.0.push(origin.server());
        }
    }

    /// Names the origin of this URL.
    ///
    /// # Errors
    /// As [`Origin::parse`].
    pub fn allow(&mut self, url: &str) -> Result<(), ConfigError> {
        self.add(&Origin::parse(url, "")?);
        Ok(())
    }

    /// Decides whether a credential may go to this server: wherever its URL comes from (a setting, an agent card, a stored
    /// task), this is asked before anything is sent there.
    ///
    /// # Errors
    /// Returns an error that names that server and the named ones, unless it is among them: scheme, host and port decide.
    pub fn check(&self, to: &Origin) -> Result<(), ConfigError> {
        if self.0.iter().any(|named| named.same_server(to)) {
            return Ok(());
        }
        let to = to.server();
        let given = match &self.0[..] {
            [] => "no server".to_owned(),
            named => {
                let named: Vec<String> = named.iter().map(Origin::to_string).collect();
                named.join(" and ")
            }
        };
        Err(ConfigError::new(format!(
            "the credential is for {given}, and the request would go to {to}, which nobody named here: nothing was sent. \
             If {to} may have the credential, allow that origin"
        )))
    }
}

/// Returns the port, given or implied.
fn port(scheme: &Scheme, authority: &Authority) -> u16 {
    let implied = if *scheme == Scheme::HTTPS { 443 } else { 80 };
    authority.port_u16().unwrap_or(implied)
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<core::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn redact_user(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => {
            format!("{}://...{}", &url[..scheme], &url[at..])
        }
        _ => url.to_owned(),
    }
}

/// Builds the `User-Agent`; `extra` is appended for a program built on top.
///
/// # Errors
/// Returns an error if `extra` contains characters that a header cannot carry.
pub fn user_agent(extra: Option<&str>) -> Result<HeaderValue, ConfigError> {
    let mut text = format!("taskward/{}", env!("CARGO_PKG_VERSION"));
    if let Some(extra) = extra {
        text.push(' ');
        text.push_str(extra);
    }
    HeaderValue::from_str(&text)
        .map_err(|_| ConfigError::new("the user agent has characters that a header cannot carry"))
}

/// Returns whether the port is one, or absent. The URL type accepts an invalid port, and would silently fall back to the
/// default one: another server.
fn has_valid_port(authority: &Authority) -> bool {
    let port = &authority.as_str()[authority.host().len()..];
    let Some(digits) = port.strip_prefix(':') else {
        return port.is_empty();
    };
    digits.bytes().all(|byte| byte.is_ascii_digit())
        && digits.parse::<u16>().is_ok_and(|port| port > 0)
}

/// Returns where a redirect leads, in its own words.
fn location(head: &Head) -> Result<&str, String> {
    let status = head.status.as_u16();
    let mut values = head.headers.get_all(header::LOCATION).iter();
    let Some(value) = values.next() else {
        return Err(format!("{status} without a Location"));
    };
    if values.any(|other| other != value) {
        return Err(format!("{status} with several different Locations"));
    }
    let unreadable = |_| format!("{status} with an unreadable Location");
    let text = value.to_str().map_err(unreadable)?;
    if is_redacted(text) {
        return Err(format!("{status} to a Location that holds the API key"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;
    use crate::target::MAX_TARGET;
    use http::{Method, StatusCode};

    fn origin(url: &str) -> Result<String, String> {
        Origin::parse(url, "/api/v1")
            .map(|o| o.to_string())
            .map_err(|e| e.to_string())
    }

    /// Rows: A13.
    #[test]
    fn a_base_url_is_understood_with_and_without_its_prefix() {
        for (url, shown) in [
            ("https://h.example", "https://h.example"),
            ("https://h.example/", "https://h.example"),
            ("https://h.example/api/v1/", "https://h.example"),
            (
                "https://h.example//proxy//api/v1",
                "https://h.example/proxy",
            ),
            ("http://127.0.0.1:80/", "http://127.0.0.1:80"),
            ("http://[::1]:8080", "http://[::1]:8080"),
        ] {
            assert_eq!(origin(url).as_deref(), Ok(shown), "{url}");
        }
    }

    #[test]
    fn one_server_has_one_canonical_form() {
        let canonical = |url| {
            let origin = Origin::parse(url, "/api/v1").expect(url);
            origin.canonical().to_owned()
        };
        for url in [
            "https://H.example",
            "https://h.example:443/",
            "https://h.example/api/v1",
        ] {
            assert_eq!(canonical(url), "https://h.example:443", "{url}");
        }
        for url in [
            "https://h.example:444",
            "https://h.example/proxy",
            "https://i.example",
        ] {
            assert_ne!(canonical(url), "https://h.example:443", "{url}");
        }
    }

    #[test]
    fn the_longest_base_and_the_longest_target_are_sealed_together() {
        let url = |len: usize| format!("https://h.example/{}", "b".repeat(len));
        let origin = Origin::parse(&url(MAX_BASE - 1), "").expect("origin");
        assert!(Origin::parse(&url(MAX_BASE), "").is_err());
        let target = format!("/{}", "t".repeat(MAX_TARGET - 1));
        let request = Request::get(target.parse().expect("a path"));
        let key = Credential::bearer(&SecretString::from("k")).expect("key");
        let agent = user_agent(None).expect("agent");
        let sealed = origin.seal(&request, &key, &agent);
        assert_eq!(sealed.uri().path().len(), MAX_BASE + MAX_TARGET);
    }

    /// Rows: A10, A13.
    #[test]
    fn a_base_url_that_could_leak_the_key_is_refused() {
        for (url, why) in [
            ("http://h.example", "unencrypted"),
            ("http://127.0.0.1.h.example", "unencrypted"),
            ("https://user:pass@h.example", "user or password"),
            ("https://h.example?x=1", "query"),
            ("https://h.example#x", "fragment"),
            ("ftp://h.example", "neither https"),
            ("h.example", "scheme"),
            ("", "not a URL"),
            ("http://127.0.0.1:99999", "port"),
            ("http://127.0.0.1:0", "port"),
            ("http://127.0.0.1:-1", "port"),
            ("http://127.0.0.1:+80", "port"),
            ("http://127.0.0.1:", "port"),
            ("http://[::1]:65536", "port"),
            ("https://h.example:443443", "port"),
        ] {
            let text = origin(url).expect_err(url);
            assert!(
                text.contains(why) && !text.contains("pass@"),
                "{url}: {text}"
            );
        }
    }

    /// Rows: L2, L3, L4.
    #[test]
    fn a_key_with_a_mistake_is_refused_without_being_shown() {
        let bearer = |key: &str| {
            Credential::bearer(&SecretString::from(key))
                .map(|_| ())
                .map_err(|e| e.to_string())
        };
        assert_eq!(bearer("abc_123\n"), Ok(()));
        for (key, why) in [
            ("", "empty"),
            ("supersecretkey\nX: y", "line break"),
            ("super secret key value", "white space"),
            ("Bearer supersecretkey", "alone"),
            ("\u{feff}supersecretkey", "byte order mark"),
            ("“supersecretkey”", "quotes"),
            ("supersecretkeyü", "characters that no key has"),
            ("YOUR_API_KEY", "placeholder"),
            ("sk_test_...", "placeholder"),
        ] {
            let text = bearer(key).expect_err(key);
            assert!(
                text.contains(why) && !text.contains("secretkey"),
                "{key}: {text}"
            );
        }
        let credential = Credential::bearer(&SecretString::from("canary-key")).expect("key");
        assert!(!format!("{credential:?}").contains("canary"));
        assert_eq!(credential.redact("echo: canary-key!"), "echo: [key]!");
    }

    #[test]
    fn an_origin_tells_its_port_whether_it_is_this_machine_and_whether_it_is_encrypted() {
        for (url, port, is_loopback, is_tls) in [
            ("https://h.example", 443, false, true),
            ("https://h.example:8443", 8443, false, true),
            ("http://127.0.0.1", 80, true, false),
            ("http://localhost:8080", 8080, true, false),
            ("https://[::1]:9000", 9000, true, true),
        ] {
            let origin = Origin::parse(url, "").expect(url);
            assert_eq!(origin.port(), port, "{url}");
            assert_eq!(origin.is_loopback(), is_loopback, "{url}");
            assert_eq!(origin.is_tls(), is_tls, "{url}");
        }
    }

    #[test]
    fn of_a_key_with_an_id_the_id_may_be_shown_and_the_secret_never() {
        let bearer = |key: &str| Credential::bearer(&SecretString::from(key)).expect("a key");
        let key = bearer("key_a:canary-key");
        assert_eq!(key.key_id(), Some("key_a"));
        assert!(key.starts_with("key_") && !key.starts_with("Bearer"));
        assert_eq!(format!("{key:?}"), "Credential(key_a:..)");
        for (text, shown) in [
            ("bad key key_a:canary-key!", "bad key key_a:[key]!"),
            (
                "the secret canary-key of key_a",
                "the secret [key] of key_a",
            ),
            ("nothing of it", "nothing of it"),
        ] {
            assert_eq!(key.redact(text), shown);
        }
        // Half of one is all secret, and so is what has no halves.
        for whole in [":canary-key", "canary-key:", "canary-key", "id:canary"] {
            let key = bearer(whole);
            let shown = key.redact(&format!("<{whole}>"));
            assert_eq!(shown, "<[key]>", "{whole}");
        }
        for whole in [":canary-key", "canary-key:", "canary-key"] {
            let key = bearer(whole);
            assert_eq!(key.key_id(), None, "{whole}");
            assert_eq!(format!("{key:?}"), "Credential(..)");
        }
        assert_eq!(
            bearer("id:a").redact("id:a"),
            "id:a",
            "too short to be told apart"
        );
    }

    #[test]
    fn without_a_base_the_target_is_sealed_as_it_is() {
        let origin = Origin::parse("http://127.0.0.1:80", "").expect("origin");
        let key = Credential::bearer(&SecretString::from("canary-key")).expect("key");
        let request = Request::get(PathAndQuery::from_static("/a?b=c"));
        let agent = user_agent(None).expect("agent");
        let sealed = origin.seal(&request, &key, &agent);
        assert_eq!(sealed.uri(), "http://127.0.0.1:80/a?b=c");
        assert_eq!(sealed.headers().get("content-length"), None);
    }

    /// Rows: L23.
    #[test]
    fn a_credential_goes_to_the_named_origins_and_to_no_other() {
        let to = |url: &str| Origin::parse(url, "").expect(url);
        let mut named = NamedOrigins::none();
        let refused = named
            .check(&to("https://h.example"))
            .expect_err("none named");
        assert!(
            refused.to_string().contains("is for no server"),
            "{refused}"
        );
        named.add(&to("https://h.example/agents/one"));
        named
            .allow("http://127.0.0.1:8750/card.json")
            .expect("a URL");
        // One origin, however it is written, counts once.
        named.allow("https://H.example:443").expect("a URL");
        assert_eq!(named.0.len(), 2);
        for url in [
            "https://h.example",
            "https://H.EXAMPLE:443/agents/two",
            "http://127.0.0.1:8750",
        ] {
            assert_eq!(named.check(&to(url)), Ok(()), "{url}");
        }
        for url in [
            "https://h.example:444",
            "https://sub.h.example",
            "https://h.example.evil.example",
            "http://127.0.0.1:8751",
            "http://127.0.0.2:8750",
            "http://localhost:8750",
            "https://127.0.0.1:8750",
        ] {
            let refused = named.check(&to(url)).expect_err(url).to_string();
            assert!(
                refused.contains("for https://h.example and http://127.0.0.1:8750"),
                "{refused}"
            );
            assert!(refused.contains(&format!("would go to {url}")), "{refused}");
            assert!(refused.contains("allow that origin"), "{refused}");
        }
        assert!(named.allow("http://h.example").is_err());
    }

    /// Rows: L5.
    #[test]
    fn sealing_adds_server_key_and_length_and_hides_the_key() {
        let origin = Origin::parse("https://h.example/proxy", "").expect("origin");
        let credential = Credential::bearer(&SecretString::from("canary-key")).expect("key");
        let request = Request::json(Method::POST, PathAndQuery::from_static("/a?b=c"), &"x")
            .expect("request");
        let sealed = origin.seal(
            &request,
            &credential,
            &user_agent(Some("x/1")).expect("agent"),
        );
        assert_eq!(sealed.uri(), "https://h.example/proxy/a?b=c");
        assert_eq!(sealed.headers()["authorization"], "Bearer canary-key");
        assert_eq!(sealed.headers()["content-length"], "3");
        assert!(!format!("{sealed:?}").contains("canary"));
    }

    /// Rows: C1, C2, C3, C4, C5, C6, C7, C8, C9, C10.
    #[test]
    fn what_has_not_changed_is_a_reply_only_to_whoever_asked_for_changes() {
        let origin = Origin::parse("https://h.example", "").expect("an origin");
        let head = Head::new(http::StatusCode::NOT_MODIFIED);
        let plain = Request::get("/card.json".parse().expect("a path"));
        assert!(matches!(origin.follow(&plain, &head, 0), Some(Err(_))));
        let asked = plain.header(header::IF_NONE_MATCH, HeaderValue::from_static("\"1\""));
        let asked = asked.expect("a header");
        assert!(origin.follow(&asked, &head, 0).is_none());
    }

    #[test]
    fn redirects_stay_on_the_same_origin_and_keep_the_method() {
        let origin = Origin::parse("https://h.example/base", "").expect("origin");
        let get = Request::get(PathAndQuery::from_static("/a"));
        let post = Request::empty(Method::POST, PathAndQuery::from_static("/a"));
        let check = |request: &Request, status: u16, location: &[&str], hops| {
            let mut head = Head::new(StatusCode::from_u16(status).expect("status"));
            for value in location {
                head.headers
                    .append(header::LOCATION, value.parse().expect("value"));
            }
            origin.follow(request, &head, hops).map(|r| {
                r.map(|r| format!("{} {}", r.method(), r.target()))
                    .map_err(|e| e.detail)
            })
        };
        assert_eq!(check(&get, 200, &[], 0), None);
        assert_eq!(
            check(&get, 302, &["/base/b?c"], 0),
            Some(Ok("GET /b?c".into()))
        );
        assert_eq!(
            check(&post, 307, &["https://H.example:443/base/b"], 0),
            Some(Ok("POST /b".into()))
        );
        assert_eq!(
            check(&post, 308, &["/base/b", "/base/b"], 2),
            Some(Ok("POST /b".into()))
        );
        for (request, status, location, hops) in [
            (&post, 302, &["/base/b"][..], 0),
            (&get, 302, &["https://evil.example/base/b"], 0),
            (&get, 302, &["https://h.example:444/base/b"], 0),
            (&get, 302, &["http://h.example/base/b"], 0),
            (&get, 302, &["https://h.example:443443/base/b"], 0),
            (&get, 302, &["https://h.example:/base/b"], 0),
            (&get, 302, &["//evil.example/base"], 0),
            (&get, 302, &["file:///etc/passwd"], 0),
            (&get, 302, &["javascript:alert(1)"], 0),
            (&get, 302, &[""], 0),
            (&get, 302, &[], 0),
            (&get, 302, &["/base/a", "/base/b"], 0),
            (&get, 302, &["/elsewhere"], 0),
            (&get, 302, &["elsewhere"], 0),
            (&get, 302, &["h.example"], 0),
            (&get, 302, &["?y"], 0),
            (&get, 302, &["/base/b?k=[key]"], 0),
            (&get, 302, &["/base/b"], 3),
            (&get, 304, &["/base/b"], 0),
        ] {
            assert!(
                matches!(check(request, status, location, hops), Some(Err(_))),
                "{status} {location:?}"
            );
        }
    }
}
