//! The settings of connections, checked before anything is sent: trust, identity, proxy, headers.

use std::fmt;
use std::path::PathBuf;

use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret as _;
use taskward_core::{ConfigError, Origin, SecretString, is_own_header};

use crate::clock::Clock;
use crate::route::{Proxy, Route};
use crate::tls;
use crate::transport::Destination;

/// How connections to a server are made. Both adapters are opened with it.
#[derive(Default)]
pub struct ConnectionSettings {
    ca_files: Vec<PathBuf>,
    ca_pems: Vec<Vec<u8>>,
    identity: Option<(Vec<u8>, SecretString)>,
    proxy: Option<SecretString>,
    headers: Vec<(String, SecretString)>,
    #[cfg(feature = "simulator")]
    speed: u32,
}

impl fmt::Debug for ConnectionSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionSettings")
            .field("ca_files", &self.ca_files)
            .finish_non_exhaustive()
    }
}

/// What every request of a server needs besides a connection.
#[derive(Debug)]
pub struct Connections {
    /// What every request says besides its own headers.
    headers: HeaderMap,
    /// The clock.
    pub clock: Clock,
}

impl Connections {
    /// Adds the extra headers to a request; a header of its own is never replaced.
    pub fn add_headers(&self, own: &mut HeaderMap) {
        for name in self.headers.keys() {
            if !own.contains_key(name) {
                for value in self.headers.get_all(name) {
                    own.append(name, value.clone());
                }
            }
        }
    }
}

impl ConnectionSettings {
    /// Trusts the authorities of a PEM file besides the platform's.
    #[must_use]
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca_files.push(path.into());
        self
    }

    /// Trusts the authorities in this PEM text besides the platform's.
    #[must_use]
    pub fn ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.ca_pems.push(pem.into());
        self
    }

    /// Presents a certificate to a server that asks for one.
    #[must_use]
    pub fn identity(mut self, chain: impl Into<Vec<u8>>, key: impl Into<SecretString>) -> Self {
        self.identity = Some((chain.into(), key.into()));
        self
    }

    /// Connects through this proxy instead of the environment's.
    #[must_use]
    pub fn proxy(mut self, url: impl Into<SecretString>) -> Self {
        self.proxy = Some(url.into());
        self
    }

    /// Adds a header to every request that has none of this name.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<SecretString>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Runs the clock `factor` times as fast.
    #[cfg(feature = "simulator")]
    #[must_use]
    pub fn speed(mut self, factor: u32) -> Self {
        self.speed = factor;
        self
    }

    /// Reads what has to be read and refuses what cannot be used. `environment` reads the proxy variables.
    ///
    /// # Errors
    /// When an authority, the identity, the proxy or a header cannot be used, or may not go to this server.
    pub fn check(
        self,
        server: Destination<'_>,
        environment: impl FnOnce(&Origin) -> Result<Option<Proxy>, ConfigError>,
    ) -> Result<(Connections, Route), ConfigError> {
        let origin = server.origin;
        if self.identity.is_some() || !self.headers.is_empty() {
            server.named.check(origin).map_err(|error| {
                ConfigError::new(format!(
                    "extra headers and a client certificate are credentials, too: {error}"
                ))
            })?;
        }
        let says_tls =
            !self.ca_files.is_empty() || !self.ca_pems.is_empty() || self.identity.is_some();
        let tls = (origin.is_tls() || says_tls)
            .then(|| tls::config(&self.ca_files, &self.ca_pems, self.identity.as_ref()))
            .transpose()?
            .filter(|_| origin.is_tls());
        let proxy = self.proxy.as_ref().map(Proxy::parse).transpose()?;
        let route = Route::new(origin, tls, |origin| match proxy {
            Some(proxy) => Ok(Some(proxy)),
            None => environment(origin),
        })?;
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let (name, value) = extra_header(name, value, server.key_header)?;
            headers.append(name, value);
        }
        #[cfg(feature = "simulator")]
        let clock = Clock::new(self.speed);
        #[cfg(not(feature = "simulator"))]
        let clock = Clock::new(1);
        Ok((Connections { headers, clock }, route))
    }
}

/// Returns an extra header that may be sent. Its value may be a secret, and is never shown.
fn extra_header(
    name: &str,
    value: &SecretString,
    key_header: Option<&HeaderName>,
) -> Result<(HeaderName, HeaderValue), ConfigError> {
    let parsed = HeaderName::try_from(name)
        .map_err(|_| ConfigError::new(format!("the header name {name:?} cannot be sent")))?;
    if key_header == Some(&parsed) {
        return Err(ConfigError::new(format!(
            "the header {parsed} carries the credential of this client and cannot be added to requests; remove it from the extra headers"
        )));
    }
    if is_own_header(&parsed) {
        return Err(ConfigError::new(format!(
            "the header {parsed} is set by Taskward itself and cannot be added to requests; remove it from the extra headers"
        )));
    }
    let mut value = HeaderValue::try_from(value.expose_secret()).map_err(|_| {
        ConfigError::new(format!(
            "the value of the header {parsed} cannot be sent: it has a line break or another control character"
        ))
    })?;
    value.set_sensitive(true);
    Ok((parsed, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use taskward_core::NamedOrigins;

    fn check(settings: ConnectionSettings) -> Result<(Connections, Route), String> {
        let mut named = NamedOrigins::none();
        named.allow("https://h.example").expect("a URL");
        check_at("https://h.example", None, &named, settings)
    }

    fn check_at(
        url: &str,
        key_header: Option<&HeaderName>,
        named: &NamedOrigins,
        settings: ConnectionSettings,
    ) -> Result<(Connections, Route), String> {
        let server = Destination {
            origin: &Origin::parse(url, "").expect("origin"),
            key_header,
            named,
        };
        let checked = settings.check(server, |_| Ok(None));
        checked.map_err(|e| e.to_string())
    }

    #[test]
    fn an_extra_header_is_refused_where_it_decides_what_a_request_is() {
        for name in [
            "authorization",
            "host",
            "content-length",
            "idempotency-key",
            "accept",
        ] {
            for name in [name.to_owned(), name.to_uppercase()] {
                let settings = ConnectionSettings::default().header(name.clone(), "canary");
                let refused = check(settings).expect_err(&name);
                assert!(refused.contains(&name.to_lowercase()), "{refused}");
                assert!(!refused.contains("canary"), "{refused}");
            }
        }
        for (name, value) in [
            ("x y", "canary"),
            ("x-a", "canary\r\nHost: evil"),
            ("", "canary"),
        ] {
            let settings = ConnectionSettings::default().header(name, value);
            let refused = check(settings).expect_err(name);
            assert!(!refused.contains("canary"), "{refused}");
        }
    }

    /// Rows: L19.
    #[test]
    fn an_extra_header_is_refused_where_the_credential_stands() {
        let mut named = NamedOrigins::none();
        named.allow("https://h.example").expect("a URL");
        let key_header = HeaderName::from_static("x-api-key");
        let check = |header: &str, key_header| {
            let settings = ConnectionSettings::default().header(header, "canary");
            check_at("https://h.example", key_header, &named, settings).map(|_| ())
        };
        let refused = check("X-API-Key", Some(&key_header)).expect_err("refused");
        assert!(
            refused.contains("the header x-api-key carries the credential"),
            "{refused}"
        );
        assert!(!refused.contains("canary"), "{refused}");
        assert_eq!(check("X-API-Key", None), Ok(()));
        assert_eq!(check("X-Other", Some(&key_header)), Ok(()));
        // Whatever carries the credential, this header is no extra one.
        check("Authorization", Some(&key_header)).expect_err("refused");
    }

    /// Rows: L23.
    #[test]
    fn what_settings_hold_of_a_secret_goes_to_no_server_that_nobody_named() {
        let mut named = NamedOrigins::none();
        named.allow("https://h.example").expect("a URL");
        let header = || ConnectionSettings::default().header("x-team", "canary");
        let identity = || ConnectionSettings::default().identity("canary", "canary");
        for settings in [header(), identity()] {
            let refused = check_at("https://other.example", None, &named, settings);
            let refused = refused.expect_err("refused");
            assert!(refused.contains("for https://h.example"), "{refused}");
            assert!(refused.contains("to https://other.example"), "{refused}");
            assert!(!refused.contains("canary"), "{refused}");
        }
        let none = ConnectionSettings::default();
        check_at("https://other.example", None, &named, none).expect("nothing secret");
    }

    #[test]
    fn an_extra_header_is_added_and_never_replaces_one_of_the_requests() {
        let settings = ConnectionSettings::default()
            .header("X-Team", "blue")
            .header("x-team", "green")
            .header("x-workspace", "other");
        let (connections, _) = check(settings).expect("usable");
        let mut own = HeaderMap::new();
        own.insert("x-workspace", HeaderValue::from_static("own"));
        connections.add_headers(&mut own);
        let of = |name: &str| own.get_all(name).iter().cloned().collect::<Vec<_>>();
        assert_eq!(of("x-workspace"), ["own"]);
        assert_eq!(of("x-team"), ["blue", "green"]);
        assert!(!format!("{own:?}").contains("blue"));
    }

    #[test]
    fn a_proxy_of_the_caller_comes_before_the_environments_and_its_password_is_never_shown() {
        let of = |url: &str| check(ConnectionSettings::default().proxy(url.to_owned()));
        let (_, route) = of("http://us%65r:canary@proxy.example:3128").expect("usable");
        let proxy = route.proxy.as_ref().expect("a proxy");
        assert_eq!((proxy.host.as_str(), proxy.port), ("proxy.example", 3128));
        let request = proxy.request("h.example:443");
        let request = String::from_utf8_lossy(&request);
        // user:canary
        assert!(request.contains("Proxy-Authorization: Basic dXNlcjpjYW5hcnk=\r\n"));
        assert!(!format!("{route:?}").contains("dXNlcjpjYW5hcnk"));
        assert!(proxy.fault("no").detail.contains("setting `proxy`"));
        for url in [
            "https://canary@p.example",
            "socks5://p.example:1",
            "canary",
            "http://",
        ] {
            let refused = of(url).expect_err(url);
            assert!(!refused.contains("canary"), "{refused}");
        }
    }
}
