//! Entries of the help pages: a word, and beside it a text that is broken into lines.

/// The length of a line of the help pages.
const WIDTH: usize = 116;

/// Lays out one entry: the word, padded to `column`, and its text.
pub(crate) fn entry(word: &str, column: usize, text: &str) -> String {
    let indent = " ".repeat(column + 2);
    let mut out = format!("  {word:column$}");
    let mut length = column + 2;
    for (at, part) in text.split(' ').enumerate() {
        if at > 0 && length + 1 + part.len() > WIDTH {
            out += &format!("\n{indent}");
            length = column + 2;
        } else if at > 0 {
            out.push(' ');
            length += 1;
        }
        out += part;
        length += part.len();
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_broken_beside_its_word() {
        let text = "word ".repeat(40);
        let laid = entry("name", 10, text.trim_end());
        assert!(laid.lines().count() > 1 && laid.lines().all(|line| line.len() <= WIDTH));
        assert!(laid.starts_with("  name      word "), "{laid}");
        assert!(
            laid.lines()
                .skip(1)
                .all(|line| line.starts_with("            word"))
        );
        let words = laid.split_whitespace().filter(|word| *word == "word");
        assert_eq!(words.count(), 40);
    }
}
