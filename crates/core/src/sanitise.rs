//! Text from a server on its way to a terminal: no escape sequence, control character or bidi override passes.
//!
//! A server's words reach the application as they came, without the key alone; a program that prints them cleans them first.

use std::borrow::Cow;

/// Returns whether a character can move the cursor, hide text or show it in another order than it has.
#[must_use]
pub fn is_unsafe(c: char) -> bool {
    matches!(c,
        '\0'..='\u{8}' | '\u{b}'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        | '\u{200e}' | '\u{200f}' | '\u{61c}'
        | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Returns `text` without escape sequences, control characters (line breaks and tabs stay) and bidi controls.
#[must_use]
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        // ECMA-48 section 5.4: a control sequence ends with a byte of 0x40 to 0x7e, a string with ST or BEL.
        let kind = match c {
            '\u{1b}' => chars.next_if(|c| matches!(c, ' '..='~')),
            '\u{9b}' => Some('['),
            '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => Some(']'),
            // What breaks a line elsewhere does not break one here.
            '\u{2028}' | '\u{2029}' => {
                out.push(' ');
                continue;
            }
            _ => {
                if !is_unsafe(c) {
                    out.push(c);
                }
                continue;
            }
        };
        match kind {
            Some('[') => while chars.next_if(|c| matches!(c, ' '..='?')).is_some() {},
            Some(']' | 'P' | 'X' | '^' | '_') => {
                skip_string(&mut chars);
                continue;
            }
            _ => continue,
        }
        chars.next_if(|c| matches!(c, '@'..='~'));
    }
    Cow::Owned(out)
}

/// Skips a control string; one that never ends costs its line only.
fn skip_string(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while let Some(c) = chars.next_if(|c| *c != '\n') {
        match c {
            '\u{7}' | '\u{9c}' => return,
            '\u{1b}' => {
                chars.next_if(|c| *c == '\\');
                return;
            }
            _ => {}
        }
    }
}

/// Returns `text` on one line, cleaned.
#[must_use]
pub fn one_line(text: &str) -> String {
    clean(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns JSON text whose strings hold nothing unsafe: what JSON itself leaves bare is escaped, so that no information is
/// lost.
#[must_use]
pub fn json(text: String) -> String {
    // Line breaks and tabs of JSON text are layout; everything else unsafe below 0x20 is escaped by any JSON writer.
    if !text.contains(is_unsafe) {
        return text;
    }
    text.chars()
        .fold(String::with_capacity(text.len()), |mut out, c| {
            if is_unsafe(c) {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            } else {
                out.push(c);
            }
            out
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows: K10, D20.
    #[test]
    fn no_sequence_reaches_the_terminal_and_the_words_do() {
        for (hostile, shown) in [
            ("plain\n\ttext", "plain\n\ttext"),
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("a\u{1b}]52;c;cGF5\u{7}b", "ab"),
            ("a\u{1b}]8;;http://x\u{1b}\\link", "alink"),
            ("a\u{9b}2Jb", "ab"),
            ("a\u{9d}0;title\u{9c}b", "ab"),
            ("a\u{1b}", "a"),
            ("a\u{1b}]never ends\nnext", "a\nnext"),
            ("over\rwritten\u{8}\u{7}", "overwritten"),
            ("abc\u{202e}txt.exe\u{2066}", "abctxt.exe"),
            ("\u{1b}c\u{1b}7ok", "ok"),
            ("one\u{2028}line\u{2029}still", "one line still"),
        ] {
            assert_eq!(clean(hostile), shown, "{hostile:?}");
            assert!(!clean(hostile).contains(is_unsafe));
        }
        assert_eq!(one_line(" a\r\n b\u{1b}[K\tc "), "a b c");
    }

    /// Rows: D20.
    #[test]
    fn json_keeps_its_value_and_holds_nothing_unsafe() {
        let value = serde_json::json!({"a": "x\u{1b}[31m\u{9b}\u{202e}\u{2028}\u{2029}\n\u{7f}é"});
        let safe = json(value.to_string());
        assert!(!safe.contains(is_unsafe), "{safe}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&safe).expect("json"),
            value
        );
    }
}
