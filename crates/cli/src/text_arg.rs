//! Text options: `TEXT`, or `@FILE` for the text of a file (`@@…` is a text that begins with `@`), and `-` for stdin.

use std::io::Read as _;

use crate::problem::Problem;

/// The largest text that is read from a file or from stdin.
const MAX_TEXT: u64 = 16 * 1024 * 1024;

/// The text that an option means; `name` is the option's.
pub(crate) fn text_or_file(name: &str, value: &str) -> Result<String, Box<Problem>> {
    match value.strip_prefix('@') {
        None => Ok(value.to_owned()),
        Some(literal) if literal.starts_with('@') => Ok(literal.to_owned()),
        Some(path) => {
            let unreadable = |why: String| {
                Problem::input(format!("cannot read {path:?}, given to {name}: {why}")).why(
                    format!("A text that begins with @ is written @@: {name} '@{value}'"),
                )
            };
            let file = std::fs::File::open(path).map_err(|e| unreadable(e.to_string()))?;
            read_text(file).map_err(unreadable)
        }
    }
}

/// The whole of stdin as text.
pub(crate) fn stdin_text(what: &str) -> Result<String, Box<Problem>> {
    read_text(std::io::stdin().lock())
        .map_err(|why| Problem::input(format!("cannot read the {what} from stdin: {why}")))
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
}
