//! Paths, queries and servers: a text stays in its place, and no request goes to another server.

use arbitrary::{Arbitrary, Unstructured};
use taskward_core::http::header::{AUTHORIZATION, LOCATION, USER_AGENT};
use taskward_core::http::{HeaderValue, Method, StatusCode, Uri};
use taskward_core::{
    Credential, Head, IdempotencyKey, Origin, Request, SecretString, Target, TaskId, user_agent,
};

const PREFIX: &str = "/v1";
const BASES: [&str; 5] = [
    "https://example.com",
    "https://example.com:8443/base/v1/",
    "http://127.0.0.1:8080/base",
    "http://[::1]/",
    "HTTPS://EXAMPLE.com/a%2fb",
];
/// The longest text that an id may be.
const LONGEST: usize = 2048;

#[derive(Arbitrary, Debug)]
struct Input {
    base: Base,
    segments: Vec<String>,
    queries: Vec<(String, String)>,
    is_post: bool,
    status: u16,
    location: Vec<u8>,
    hops: u8,
}

#[derive(Arbitrary, Debug)]
enum Base {
    Known(u8),
    Raw(String),
}

/// A base URL, ids, parameters, and the redirect that a server answers with.
pub fn target(data: &[u8]) {
    let Ok(input) = Input::arbitrary_take_rest(Unstructured::new(data)) else {
        return;
    };
    let Some(origin) = origin(&input.base) else {
        return;
    };
    let Some(request) = request(&input) else {
        return;
    };
    assert_sealed(&origin, &request);

    let Ok(location) = HeaderValue::from_bytes(&input.location) else {
        return;
    };
    let statuses = [301, 302, 303, 304, 307, 308, 300 + input.status % 100];
    let status = statuses[usize::from(input.status) % statuses.len()];
    let mut head = Head::new(StatusCode::from_u16(status).expect("three digits"));
    head.headers.append(LOCATION, location);
    let hops = u32::from(input.hops % 8);
    if let Some(Ok(moved)) = origin.follow(&request, &head, hops) {
        assert!(hops < taskward_core::MAX_REDIRECTS);
        assert!(
            status >= 307 || !input.is_post,
            "a write became a read by {status}"
        );
        assert_eq!(
            (moved.method(), moved.headers()),
            (request.method(), request.headers())
        );
        assert_sealed(&origin, &moved);
    }
}

/// Returns the server of a base URL, if it is one to talk to.
fn origin(base: &Base) -> Option<Origin> {
    let text = match base {
        Base::Known(number) => BASES[usize::from(*number) % BASES.len()],
        Base::Raw(text) => text,
    };
    let origin = match Origin::parse(text, PREFIX) {
        Ok(origin) => origin,
        Err(error) => {
            assert!(matches!(base, Base::Raw(_)), "{text}: {error}");
            return None;
        }
    };
    assert!(origin.is_tls() || origin.is_loopback(), "{text}");
    assert!(origin.port() > 0 && !origin.host().is_empty(), "{text}");
    let shown = origin.to_string();
    assert!(!shown.contains(['@', '?', '#', '\r', '\n', ' ']), "{shown}");
    // A base that ends in the prefix twice loses one each time.
    let again = Origin::parse(&shown, "/no-such-prefix").expect("what is shown can be read");
    assert_eq!(again, origin, "{text}");
    Some(origin)
}

/// Returns a request for the ids and parameters, each of which is found again where it was put.
fn request(input: &Input) -> Option<Request> {
    let mut target = Target::new("/v1/things");
    for text in &input.segments {
        let refused = text.is_empty() || [".", ".."].contains(&&text[..]) || text.len() > LONGEST;
        let next = target.clone().segment(text);
        assert_eq!(next.is_err(), refused, "{text:?}");
        let dubious = text.contains(|c: char| c.is_control() || c == '\u{fffd}');
        assert_eq!(TaskId::new(&text[..]).check().is_err(), refused || dubious);
        target = next.unwrap_or(target);
    }
    target = target.path("/part");
    for (name, value) in &input.queries {
        target = target.query(name, value);
    }
    let target = target.build().ok()?;
    let text = target.as_str();
    assert!(text.bytes().all(|b| b.is_ascii_graphic()), "{text}");
    assert!(!text.contains('#'), "{text}");

    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    let mut segments = path.split('/').map(decoded);
    let head: Vec<_> = segments.by_ref().take(3).collect();
    assert_eq!(head, [b"".to_vec(), b"v1".to_vec(), b"things".to_vec()]);
    let sent = input.segments.iter().filter(|text| {
        !text.is_empty() && ![".", ".."].contains(&&text[..]) && text.len() <= LONGEST
    });
    let expected: Vec<_> = sent
        .map(|text| text.clone().into_bytes())
        .chain([b"part".to_vec()])
        .collect();
    assert_eq!(segments.collect::<Vec<_>>(), expected, "{path}");

    let pairs: Vec<_> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').expect("a name and a value"))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect();
    let bytes = |text: &String| text.clone().into_bytes();
    let expected: Vec<_> = input
        .queries
        .iter()
        .map(|(name, value)| (bytes(name), bytes(value)))
        .collect();
    assert_eq!(pairs, expected, "{query}");

    if !input.is_post {
        return Some(Request::get(target));
    }
    let request = Request::empty(Method::POST, target);
    let key = input
        .segments
        .first()
        .map(|text| IdempotencyKey::new(&text[..]));
    Some(match key.map(|key| request.clone().keyed(&key)) {
        Some(Ok(keyed)) => keyed,
        _ => request,
    })
}

/// What goes onto the wire goes to this server, below its base path, with the key in its one place.
fn assert_sealed(origin: &Origin, request: &Request) {
    let credential = Credential::bearer(&SecretString::from("key_id:canary")).expect("a key");
    let agent = user_agent(Some("fuzz")).expect("a user agent");
    let sealed = origin.seal(request, &credential, &agent);
    let shown = origin.to_string();
    let home: Uri = shown.parse().expect("a URL");
    let uri = sealed.uri();
    assert_eq!(
        (uri.scheme(), uri.authority()),
        (home.scheme(), home.authority())
    );
    let base = home.path().trim_end_matches('/');
    assert_eq!(
        uri.path_and_query().map(|target| target.as_str()),
        Some(&*format!("{base}{}", request.target()))
    );
    assert!(request.target().as_str().starts_with('/'));
    for (name, value) in sealed.headers() {
        let bytes = value.as_bytes();
        assert!(!bytes.contains(&b'\r') && !bytes.contains(&b'\n'));
        let has_key = bytes.windows(6).any(|window| window == b"canary");
        assert_eq!(has_key, name == AUTHORIZATION, "{name}");
    }
    assert!(sealed.headers().contains_key(USER_AGENT));
    assert!(!format!("{sealed:?}").contains("canary"));
}

/// Percent-decoding as RFC 3986 says it, of text that was encoded by somebody else.
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = text.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || {
            let digit = bytes.next().and_then(|byte| char::from(byte).to_digit(16));
            digit.expect("a hexadecimal digit after a percent sign") as u8
        };
        out.push(digit() * 16 + digit());
    }
    out
}
