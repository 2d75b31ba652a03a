//! Where connections go: server, TLS, and a proxy on the way.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderValue, Uri};
use percent_encoding::percent_decode_str;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use secrecy::ExposeSecret as _;
use taskward_core::{Cause, ConfigError, Origin, SecretString};

use crate::failure::TransportFailure;

/// The most idle connections in the pool: as many as a service has requests in flight at once.
pub const MAX_IDLE: usize = 256;
/// How long a connection may be idle; servers close theirs after a minute or more.
pub const IDLE_AGE: Duration = Duration::from_secs(50);
/// Largest head of a proxy's answer.
const MAX_PROXY_HEAD: usize = 8 * 1024;

/// The way to one server.
#[derive(Debug)]
pub struct Route {
    /// The server's name or address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How it is spoken to; in the clear without.
    pub tls: Option<Arc<ClientConfig>>,
    /// The proxy in between.
    pub proxy: Option<Proxy>,
}

impl Route {
    /// Returns the route to `origin`. `proxy` reads the proxy variables, once; this machine is never reached through one.
    ///
    /// # Errors
    /// When the proxy variables cannot be used.
    pub(crate) fn new(
        origin: &Origin,
        tls: Option<Arc<ClientConfig>>,
        proxy: impl FnOnce(&Origin) -> Result<Option<Proxy>, ConfigError>,
    ) -> Result<Self, ConfigError> {
        let proxy = if origin.is_loopback() {
            None
        } else {
            proxy(origin)?
        };
        Ok(Self {
            host: bare(origin.host()),
            port: origin.port(),
            tls,
            proxy,
        })
    }

    /// Returns host and port, for messages.
    #[must_use]
    pub fn server(&self) -> String {
        join(&self.host, self.port)
    }

    /// Returns the name that the server's certificate must have.
    ///
    /// # Errors
    /// When the host can be none.
    pub fn server_name(&self) -> Result<ServerName<'static>, TransportFailure> {
        ServerName::try_from(self.host.clone()).map_err(|_| {
            TransportFailure::new(
                Cause::Tls,
                format!("{:?} is no name for a server", self.host),
            )
        })
    }
}

/// Returns host and port in one word.
#[must_use]
pub fn join(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// Returns a host without the brackets of an IPv6 address.
fn bare(host: &str) -> String {
    host.trim_matches(['[', ']']).to_owned()
}

/// Returns the error for a proxy that needs another scheme than plain HTTP.
#[must_use]
pub fn unusable_proxy() -> ConfigError {
    ConfigError::new(
        "the proxy variables of the environment name a proxy that is not an http:// URL; only those are used",
    )
}

/// Returns the environment variable that names the proxy of TLS connections, and its value.
#[must_use]
pub fn proxy_variable() -> Option<(&'static str, String)> {
    ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
        .into_iter()
        .filter_map(|name| Some((name, std::env::var(name).ok()?)))
        .find(|(_, value)| !value.is_empty())
}

/// A proxy that makes tunnels (RFC 9110 section 9.3.6). The key never passes it in the clear.
#[derive(Debug)]
pub struct Proxy {
    /// Its name or address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    authorization: Option<HeaderValue>,
    /// The setting that names it, for messages.
    setting: &'static str,
}

impl Proxy {
    /// Describes a proxy that this environment variable, or another setting, names.
    #[must_use]
    pub fn new(
        setting: &'static str,
        host: &str,
        port: u16,
        mut authorization: Option<HeaderValue>,
    ) -> Self {
        if let Some(authorization) = &mut authorization {
            authorization.set_sensitive(true);
        }
        Self {
            host: bare(host),
            port,
            authorization,
            setting,
        }
    }

    /// Reads a proxy from the URL that the caller gave.
    pub(crate) fn parse(url: &SecretString) -> Result<Self, ConfigError> {
        // The URL may hold a password: it is never shown.
        let unusable = || {
            ConfigError::new(
                "the setting `proxy` is not an http:// URL with a host; only those are used",
            )
        };
        let uri: Uri = url.expose_secret().parse().map_err(|_| unusable())?;
        let host = uri.host().filter(|host| !host.is_empty());
        let (Some("http"), Some(host)) = (uri.scheme_str(), host) else {
            return Err(unusable());
        };
        let user = uri.authority().and_then(|authority| {
            let (user, _) = authority.as_str().rsplit_once('@')?;
            Some(percent_decode_str(user).collect::<Vec<u8>>())
        });
        let authorization = user
            .map(|mut user| {
                if !user.contains(&b':') {
                    user.push(b':');
                }
                HeaderValue::try_from(format!("Basic {}", BASE64_STANDARD.encode(user)))
            })
            .transpose()
            .map_err(|_| unusable())?;
        let port = uri.port_u16().unwrap_or(80);
        Ok(Self::new("the setting `proxy`", host, port, authorization))
    }

    /// Builds a failure of the proxy.
    #[must_use]
    pub fn fault(&self, why: &str) -> TransportFailure {
        let proxy = join(&self.host, self.port);
        let words = format!("the proxy {proxy} (from {}): {why}", self.setting);
        TransportFailure::new(Cause::Proxy, words)
    }

    /// Returns the request for a tunnel to `server`.
    #[must_use]
    pub fn request(&self, server: &str) -> Vec<u8> {
        let mut head = format!("CONNECT {server} HTTP/1.1\r\nHost: {server}\r\n").into_bytes();
        if let Some(authorization) = &self.authorization {
            head.extend_from_slice(b"Proxy-Authorization: ");
            head.extend_from_slice(authorization.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        head
    }

    /// Returns whether a proxy's head is complete. What follows belongs to the server, so the head is read byte by byte.
    ///
    /// # Errors
    /// When it is longer than a proxy has reason for.
    pub fn is_whole(&self, answer: &[u8]) -> Result<bool, TransportFailure> {
        match answer.ends_with(b"\r\n\r\n") {
            false if answer.len() == MAX_PROXY_HEAD => Err(self.fault("its answer has no end")),
            whole => Ok(whole),
        }
    }

    /// Checks whether the proxy opened the tunnel.
    ///
    /// # Errors
    /// When the proxy refused, or is none.
    pub fn judge(&self, answer: &[u8]) -> Result<(), TransportFailure> {
        let line = String::from_utf8_lossy(answer);
        let line = line.lines().next().unwrap_or_default();
        match line.split(' ').nth(1) {
            Some(status) if line.starts_with("HTTP/1.") && status.starts_with('2') => Ok(()),
            _ => Err(self.fault(&format!("it answered {line:?}"))),
        }
    }
}
