//! Which of a platform's operations a request is for.

use crate::message::Head;

/// What an endpoint answers with when all is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serves {
    /// An event stream.
    Stream,
    /// A page of a list.
    List,
    /// Anything else.
    Other,
}

/// Method, path pattern and endpoint of an operation.
pub(crate) type Route<E> = (&'static str, &'static str, E);

/// Why no operation takes a request.
#[derive(Debug)]
pub(crate) struct NoRoute {
    /// 404, or 405 when the path is known.
    pub(crate) status: u16,
    pub(crate) error: String,
    /// What there is instead, so that a client of another contract is noticed.
    pub(crate) routes: Vec<String>,
    /// The methods that the path takes, as `Allow` lists them; with a 405 only.
    pub(crate) allow: Option<String>,
}

/// Returns the route of a request and the id in its path (empty when the path has none).
pub(crate) fn resolve<E>(
    routes: &'static [Route<E>],
    head: &Head,
) -> Result<(&'static Route<E>, String), NoRoute> {
    let segments = head.segments();
    let mut allowed = Vec::new();
    for route in routes {
        let Some(id) = match_path(route.1, &segments) else {
            continue;
        };
        if route.0 == head.method {
            return Ok((route, id));
        }
        allowed.push(route.0);
    }
    let (status, what) = if allowed.is_empty() {
        (404, "no such route:")
    } else {
        (405, "no such method on")
    };
    Err(NoRoute {
        status,
        error: format!("{what} {} {}", head.method, head.path),
        routes: routes
            .iter()
            .map(|(method, pattern, _)| format!("{method} {pattern}"))
            .collect(),
        // RFC 9110, section 15.5.6: a 405 names them.
        allow: (!allowed.is_empty()).then(|| allowed.join(", ")),
    })
}

fn match_path(pattern: &str, segments: &[String]) -> Option<String> {
    let parts: Vec<&str> = pattern.split('/').skip(1).collect();
    if parts.len() != segments.len() {
        return None;
    }
    let mut id = String::new();
    for (part, segment) in parts.into_iter().zip(segments) {
        if part.starts_with('{') && !segment.is_empty() {
            id.clone_from(segment);
        } else if part != segment {
            return None;
        }
    }
    Some(id)
}
