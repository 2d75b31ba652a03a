//! Rust names for names from the wire.

use heck::{ToPascalCase as _, ToShoutySnakeCase as _, ToSnakeCase as _};

/// `waiting_for_input`, `nextCursor` and `agent-harness` in the form `NextCursor`.
pub(super) fn pascal(wire: &str) -> String {
    start_with_letter(wire.to_pascal_case(), "N")
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
    start_with_letter(wire.to_snake_case(), "n_")
}

/// The same names in the form `NEXT_CURSOR`.
pub(super) fn screaming(wire: &str) -> String {
    start_with_letter(wire.to_shouty_snake_case(), "N_")
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
