//! Rust names for names from the wire.

/// `waiting_for_input`, `nextCursor` and `agent-harness` in the form `NextCursor`.
pub(super) fn pascal(wire: &str) -> String {
    let mut name = String::new();
    for word in words(wire) {
        let mut letters = word.chars();
        name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        name.extend(letters);
    }
    start_with_letter(name, "N")
}

/// Returns the name of a type: as [`pascal`], but none that generated code uses for something else.
pub(super) fn type_name(wire: &str) -> String {
    let name = pascal(wire);
    let is_taken = matches!(
        name.as_str(),
        "Result"
            | "Option"
            | "Some"
            | "None"
            | "Ok"
            | "Err"
            | "Vec"
            | "String"
            | "From"
            | "Self"
            | "Default"
    );
    if is_taken { name + "Schema" } else { name }
}

/// The same names in the form `next_cursor`.
pub(super) fn snake(wire: &str) -> String {
    start_with_letter(words(wire).join("_"), "n_")
}

/// The same names in the form `NEXT_CURSOR`.
pub(super) fn screaming(wire: &str) -> String {
    snake(wire).to_ascii_uppercase()
}

/// Returns an identifier that may stand where a field's name does.
pub(super) fn ident(name: &str) -> proc_macro2::Ident {
    let span = proc_macro2::Span::call_site();
    match syn::parse_str::<syn::Ident>(name) {
        Ok(_) => proc_macro2::Ident::new(name, span),
        // The keywords that cannot be raw identifiers.
        Err(_) if matches!(name, "self" | "Self" | "super" | "crate" | "_") => {
            proc_macro2::Ident::new(&format!("{name}_"), span)
        }
        Err(_) => proc_macro2::Ident::new_raw(name, span),
    }
}

/// Returns the words of a name in lower case. A capital after a small letter or a digit starts a word, as does the last of
/// several capitals before a small letter (`HTTPError`).
fn words(wire: &str) -> Vec<String> {
    let letters: Vec<char> = wire.chars().collect();
    let mut words = vec![String::new()];
    for (at, &letter) in letters.iter().enumerate() {
        if !letter.is_ascii_alphanumeric() {
            words.push(String::new());
            continue;
        }
        let before = at.checked_sub(1).map(|before| letters[before]);
        let after = letters.get(at + 1);
        let starts_word = letter.is_ascii_uppercase()
            && before.is_some_and(|before| {
                before.is_ascii_lowercase()
                    || before.is_ascii_digit()
                    || (before.is_ascii_uppercase() && after.is_some_and(char::is_ascii_lowercase))
            });
        if starts_word {
            words.push(String::new());
        }
        words
            .last_mut()
            .expect("there is always a word")
            .push(letter.to_ascii_lowercase());
    }
    words.retain(|word| !word.is_empty());
    words
}

fn start_with_letter(name: String, prefix: &str) -> String {
    if name.starts_with(|first: char| first.is_ascii_alphabetic()) {
        name
    } else {
        format!("{prefix}{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_the_wire_become_rust_names() {
        let cases = [
            ("waiting_for_input", "WaitingForInput", "waiting_for_input"),
            ("nextCursor", "NextCursor", "next_cursor"),
            ("agent-harness", "AgentHarness", "agent_harness"),
            ("HTTPError", "HttpError", "http_error"),
            ("TaskStatus", "TaskStatus", "task_status"),
            ("sha256Sum", "Sha256Sum", "sha256_sum"),
            ("2nd", "N2nd", "n_2nd"),
            ("x.y/z", "XYZ", "x_y_z"),
            ("", "N", "n_"),
        ];
        for (wire, in_pascal, in_snake) in cases {
            assert_eq!(pascal(wire), in_pascal, "{wire}");
            assert_eq!(snake(wire), in_snake, "{wire}");
        }
        assert_eq!(screaming("listAgents"), "LIST_AGENTS");
        assert_eq!(type_name("result"), "ResultSchema");
    }

    #[test]
    fn a_keyword_stays_a_field() {
        assert_eq!(ident("type").to_string(), "r#type");
        assert_eq!(ident("self").to_string(), "self_");
        assert_eq!(ident("status").to_string(), "status");
    }
}
