//! `taskward api`: any call of the API, with the key, to the server it belongs to and nowhere else.

use serde_json::Value;
use taskward::core::IdempotencyKey;
use taskward::core::bytes::Bytes;
use taskward::core::http::{Method, uri::PathAndQuery};
use taskward::core::{BuildError, Operation, ReadError, Request, Response, Safety};

use crate::args::Api;
use crate::calls::Calls;
use crate::connection::Connection;
use crate::cx::Cx;
use crate::error::{CliError, CliResult};
use crate::exact;
use crate::exit::Exit;
use crate::lines::pretty;
use crate::server::At;
use crate::text_arg::text_or_file;

pub(super) async fn api<P: Calls>(cx: &Cx, args: &Api) -> CliResult<Exit> {
    let call = Raw::new(P::DEFAULTS.api_prefix, P::BESIDE, args)?;
    let connection: Connection<P> = Connection::open(cx, None, At::Settings).await?;
    let body = connection.call(call).await?;
    let out = &cx.out;
    match serde_json::from_slice::<Value>(&body) {
        Ok(value) if out.is_json() => out.data(&value),
        Ok(value) if out.is_for_people() => out.print(&pretty(&value))?,
        _ => {
            let text = String::from_utf8_lossy(&body);
            let end = if text.is_empty() || text.ends_with('\n') {
                ""
            } else {
                "\n"
            };
            out.print(&format!("{text}{end}"))?;
        }
    }
    Ok(Exit::Ok)
}

#[derive(Clone)]
struct Raw {
    method: Method,
    target: PathAndQuery,
    body: Option<Value>,
    key: Option<IdempotencyKey>,
}

impl Raw {
    fn new(prefix: &str, beside: &[&str], args: &Api) -> CliResult<Self> {
        let method = args.method.to_uppercase();
        let method = Method::from_bytes(method.as_bytes())
            .map_err(|_| CliError::input(format!("{:?} is no HTTP method", args.method)))?;
        let target = target(prefix, beside, &args.path)
            .map_err(|why| CliError::input(format!("the path {:?} {why}", args.path)))?;
        let body = match &args.data {
            None => None,
            Some(data) => {
                let text = text_or_file("--data", data)?;
                let value = exact::json(&text).map_err(|why| {
                    CliError::input(format!("--data {why}")).why("Nothing was sent.")
                })?;
                Some(value)
            }
        };
        let call = Self {
            method,
            target,
            body,
            key: args.idempotency_key.as_deref().map(IdempotencyKey::new),
        };
        call.request()
            .map_err(|error| CliError::input(error.to_string()).why("Nothing was sent."))?;
        Ok(call)
    }
}

/// The target of a path that may leave out the API's prefix, unless it stands `beside` that. It can name no other server.
fn target(prefix: &str, beside: &[&str], path: &str) -> Result<PathAndQuery, &'static str> {
    if path.contains("://") || path.starts_with("//") {
        return Err("names a server: give the path alone, the server comes from the settings");
    }
    if path.contains('#') {
        return Err("has a fragment");
    }
    let path = path.trim_start_matches('/');
    let below = prefix.trim_start_matches('/');
    let is_beside = beside.iter().any(|one| match one.ends_with('/') {
        true => path.starts_with(one),
        false => path == *one,
    });
    let prefix = if is_beside { "" } else { prefix };
    let rest = path
        .strip_prefix(below)
        .filter(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
        .map(|rest| rest.trim_start_matches('/'))
        .unwrap_or(path);
    let slash = if rest.is_empty() || rest.starts_with('?') {
        ""
    } else {
        "/"
    };
    format!("{prefix}{slash}{rest}")
        .parse()
        .map_err(|_| "has characters that a URL cannot carry: encode them as %20 and so on")
}

impl Operation for Raw {
    type Output = Bytes;
    const NAME: &'static str = "api";

    fn safety(&self) -> Safety {
        if self.method.is_safe() {
            Safety::Repeatable
        } else if self.key.is_some() {
            Safety::Keyed
        } else {
            Safety::Once
        }
    }

    fn request(&self) -> Result<Request, BuildError> {
        let request = match &self.body {
            Some(body) => Request::json(self.method.clone(), self.target.clone(), body)?,
            None => Request::empty(self.method.clone(), self.target.clone()),
        };
        match &self.key {
            Some(key) => request.keyed(key),
            None => Ok(request),
        }
    }

    fn read(&self, reply: &Response) -> Result<Bytes, ReadError> {
        Ok(reply.body.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_on_its_server_with_and_without_the_prefix() {
        for (path, full) in [
            ("agents", "/api/v1/agents"),
            ("/agents?limit=5", "/api/v1/agents?limit=5"),
            ("/api/v1/agents", "/api/v1/agents"),
            ("api/v1/tasks?x=1", "/api/v1/tasks?x=1"),
            ("/api/v10", "/api/v1/api/v10"),
            ("", "/api/v1"),
        ] {
            assert_eq!(target("/api/v1", &[], path).expect(path).as_str(), full);
        }
        for (path, full) in [
            ("runs/1/signal", "/v1/runs/1/signal"),
            ("/v1/usage?start=x", "/v1/usage?start=x"),
            ("/v10", "/v1/v10"),
            ("/health/live", "/health/live"),
            ("openapi.json", "/openapi.json"),
        ] {
            assert_eq!(
                target("/v1", &["health/", "openapi.json"], path)
                    .expect(path)
                    .as_str(),
                full
            );
        }
        for path in [
            "https://evil.example/agents",
            "//evil.example",
            "/a b",
            "/a#b",
        ] {
            assert!(target("/v1", &[], path).is_err(), "{path}");
        }
    }
}
