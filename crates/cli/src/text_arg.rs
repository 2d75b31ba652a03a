//! Text options: `TEXT`, or `@FILE` for the text of a file (`@@…` is a text that begins with `@`), and `-` for stdin.

use std::io::Read as _;
use std::time::SystemTime;

use serde_json::{Map, Value};
use taskward::wire::DateTime;

use crate::answers::form;
use crate::error::{CliError, CliResult};

/// The largest text that is read from a file or from stdin.
const MAX_TEXT: u64 = 16 * 1024 * 1024;

/// The text that an option means; `name` is the option's.
pub(crate) fn text_or_file(name: &str, value: &str) -> CliResult<String> {
    match value.strip_prefix('@') {
        None => Ok(value.to_owned()),
        Some(literal) if literal.starts_with('@') => Ok(literal.to_owned()),
        Some(path) => {
            let unreadable = |why: String| {
                CliError::input(format!("cannot read {path:?}, given to {name}: {why}")).why(
                    format!("A text that begins with @ is written @@: {name} '@{value}'"),
                )
            };
            let file = std::fs::File::open(path).map_err(|e| unreadable(e.to_string()))?;
            read_text(file).map_err(unreadable)
        }
    }
}

/// The JSON object that an option means, in place or from a file.
pub(crate) fn json_object(name: &str, value: &str) -> CliResult<Map<String, Value>> {
    let text = text_or_file(name, value)?;
    // The mark that some editors put in front.
    form::object(text.strip_prefix('\u{feff}').unwrap_or(&text)).map_err(|why| {
        CliError::input(format!("{name} takes a JSON object: {why}")).why("Nothing was sent.")
    })
}

/// The whole of stdin as text.
pub(crate) fn stdin_text(what: &str) -> CliResult<String> {
    read_text(std::io::stdin().lock())
        .map_err(|why| CliError::input(format!("cannot read the {what} from stdin: {why}")))
}

/// The moment that an option means, RFC 3339: a time, or a span before now.
pub(crate) fn moment(name: &str, text: &str) -> CliResult<String> {
    // The last day that can be written is not one of all that can be counted.
    let is_time = DateTime::from(text).unix_millis().is_some();
    if is_time || humantime::parse_rfc3339(text).is_ok() {
        return Ok(text.to_owned());
    }
    let span = crate::args::time(text).map_err(|_| {
        CliError::input(format!(
            "{name} {text:?} is neither a time span as in 2h nor an RFC 3339 time with its offset"
        ))
    })?;
    let at = SystemTime::now()
        .checked_sub(span)
        .filter(|at| *at >= SystemTime::UNIX_EPOCH)
        .unwrap_or(SystemTime::UNIX_EPOCH);
    Ok(humantime::format_rfc3339_seconds(at).to_string())
}

/// The moments that two options mean, of which the first comes before the other.
pub(crate) fn moments(
    from: (&str, Option<String>),
    until: (&str, Option<String>),
) -> CliResult<(Option<String>, Option<String>)> {
    let read = |(name, text): (&str, Option<String>)| {
        let moment = text.map(|text| moment(name, &text));
        moment.transpose()
    };
    let names = (from.0, until.0);
    let (from, until) = (read(from)?, read(until)?);
    if let (Some(from), Some(until)) = (&from, &until) {
        let millis = |at: &str| DateTime::from(at).unix_millis();
        if let (Some(first), Some(last)) = (millis(from), millis(until))
            && first >= last
        {
            let what = format!("{} {from} is not before {} {until}", names.0, names.1);
            return Err(CliError::input(what).why("Nothing was sent."));
        }
    }
    Ok((from, until))
}

fn read_text(source: impl std::io::Read) -> Result<String, String> {
    let mut bytes = Vec::new();
    source
        .take(MAX_TEXT + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| e.to_string())?;
    if bytes.len() as u64 > MAX_TEXT {
        return Err(format!("it is larger than {MAX_TEXT} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_never_guessed_to_be_a_file() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("a.txt");
        std::fs::write(&path, "from the file\n").expect("write");
        let at = format!("@{}", path.display());
        for (value, text) in [
            (path.to_str().expect("utf-8"), path.to_str().expect("utf-8")),
            (at.as_str(), "from the file\n"),
            ("@@home", "@home"),
            ("", ""),
        ] {
            assert_eq!(text_or_file("--answer", value).expect(value), text);
        }
        let missing = text_or_file("--answer", "@/no/such").expect_err("missing");
        assert_eq!(missing.exit().code(), 2);
        assert!(missing.text(str::to_owned).contains("/no/such"));
    }

    #[test]
    fn a_moment_is_a_time_or_a_span_before_now() {
        let at = "2026-05-12T10:15:42Z";
        assert_eq!(moment("--since", at).expect("moment"), at);
        let day = DateTime::from(moment("--since", "24h").expect("span").as_str());
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .expect("after 1970");
        let ago = now.as_millis() as i64 - day.unix_millis().expect("a time");
        assert!((86_399_000..86_405_000).contains(&ago), "{ago}");
        assert_eq!(
            moment("--since", "99999999999").expect("long"),
            "1970-01-01T00:00:00Z"
        );
        assert!(moment("--since", "yesterday").is_err());
    }
}
