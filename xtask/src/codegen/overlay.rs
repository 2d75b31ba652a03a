//! Corrections to a specification, in the form of an OpenAPI Overlay 1.0 document.
//!
//! A target is a path of names and positions (`$.components.schemas.Agent.allOf[1]`, `$.paths['/a/{id}'].get`), not a
//! query. Stricter than the standard, an action whose target is not there is an error: the specification has changed
//! below it.

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use yaml_serde::Value;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Overlay {
    overlay: String,
    #[serde(rename = "info")]
    _info: Value,
    #[serde(rename = "extends")]
    _extends: Option<String>,
    actions: Vec<Action>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Action {
    target: String,
    #[serde(rename = "description")]
    _description: Option<String>,
    update: Option<Value>,
    #[serde(default)]
    remove: bool,
}

/// Applies the actions of an overlay one after the other.
pub(super) fn apply(document: &mut Value, overlay: &str) -> Result<()> {
    let overlay: Overlay = yaml_serde::from_str(overlay).context("the overlay is not readable")?;
    ensure!(
        overlay.overlay.starts_with("1."),
        "the overlay's version is {}, not 1.x",
        overlay.overlay
    );
    for action in overlay.actions {
        let path = path(&action.target)?;
        let done = match (action.update, action.remove) {
            (None, true) => remove(document, &path),
            (Some(update), false) => find(document, &path).map(|target| merge(target, update)),
            _ => bail!(
                "the overlay's action on {} must either update or remove",
                action.target
            ),
        };
        done.with_context(|| format!("the overlay's target {} is not there", action.target))?;
    }
    Ok(())
}

#[derive(Debug, PartialEq)]
enum Part {
    Name(String),
    Position(usize),
}

fn path(target: &str) -> Result<Vec<Part>> {
    let wrong = || format!("the overlay's target {target} is not a path like $.a['b'][0]");
    let mut rest = target.strip_prefix('$').with_context(wrong)?;
    let mut parts = Vec::new();
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix("['") {
            let (name, after) = quoted.split_once("']").with_context(wrong)?;
            parts.push(Part::Name(name.to_owned()));
            rest = after;
        } else if let Some(position) = rest.strip_prefix('[') {
            let (position, after) = position.split_once(']').with_context(wrong)?;
            parts.push(Part::Position(position.parse().with_context(wrong)?));
            rest = after;
        } else {
            let name = rest.strip_prefix('.').with_context(wrong)?;
            let end = name.find(['.', '[']).unwrap_or(name.len());
            ensure!(end > 0 && !name[..end].contains(['*', '?', '@']), wrong());
            parts.push(Part::Name(name[..end].to_owned()));
            rest = &name[end..];
        }
    }
    Ok(parts)
}

fn find<'a>(document: &'a mut Value, path: &[Part]) -> Option<&'a mut Value> {
    path.iter().try_fold(document, |value, part| match part {
        Part::Name(name) => value.as_mapping_mut()?.get_mut(name),
        Part::Position(position) => value.as_sequence_mut()?.get_mut(*position),
    })
}

fn remove(document: &mut Value, path: &[Part]) -> Option<()> {
    let (last, parent) = path.split_last()?;
    let parent = find(document, parent)?;
    match last {
        Part::Name(name) => drop(parent.as_mapping_mut()?.shift_remove(name)?),
        Part::Position(position) => {
            let items = parent.as_sequence_mut()?;
            if *position >= items.len() {
                return None;
            }
            items.remove(*position);
        }
    }
    Some(())
}

fn merge(target: &mut Value, update: Value) {
    match (target, update) {
        (Value::Mapping(target), Value::Mapping(update)) => {
            for (name, value) in update {
                match target.get_mut(&name) {
                    Some(old) => merge(old, value),
                    None => drop(target.insert(name, value)),
                }
            }
        }
        (Value::Sequence(target), Value::Sequence(update)) => target.extend(update),
        (target, update) => *target = update,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(actions: &str, expected: Result<&str, &str>) {
        let mut document: Value =
            yaml_serde::from_str("{a: {b: [1, 2], 'c.d': {e: x}}, f: y}").unwrap();
        let overlay = format!("{{overlay: 1.0.0, info: {{}}, actions: [{actions}]}}");
        match (apply(&mut document, &overlay), expected) {
            (Ok(()), Ok(expected)) => {
                assert_eq!(
                    document,
                    yaml_serde::from_str::<Value>(expected).unwrap(),
                    "{actions}"
                );
            }
            (Err(error), Err(expected)) => assert_eq!(format!("{error:#}"), expected),
            (done, _) => panic!("{actions}: {done:?}"),
        }
    }

    #[test]
    fn objects_are_merged_arrays_appended_to_and_the_rest_replaced() {
        check(
            "{target: $.a, update: {b: [3], 'c.d': {g: 1}}}",
            Ok("{a: {b: [1, 2, 3], 'c.d': {e: x, g: 1}}, f: y}"),
        );
        check(
            "{target: $.a.b, update: z}",
            Ok("{a: {b: z, 'c.d': {e: x}}, f: y}"),
        );
        check(
            "{target: $, update: {f: {}}}",
            Ok("{a: {b: [1, 2], 'c.d': {e: x}}, f: {}}"),
        );
    }

    #[test]
    fn names_and_positions_are_removed() {
        check(
            "{target: \"$.a['c.d'].e\", remove: true}, {target: '$.a.b[0]', remove: true}",
            Ok("{a: {b: [2], 'c.d': {}}, f: y}"),
        );
    }

    #[test]
    fn an_action_that_does_nothing_is_an_error() {
        for target in ["$.x", "$.a.b[2]", "$.a.b.c", "$.f.g"] {
            let message = format!("the overlay's target {target} is not there");
            check(
                &format!("{{target: '{target}', remove: true}}"),
                Err(&message),
            );
            check(&format!("{{target: '{target}', update: 1}}"), Err(&message));
        }
        check(
            "{target: $.a}",
            Err("the overlay's action on $.a must either update or remove"),
        );
        for target in ["a", "$..a", "$.*", "$.a[x]", "$.a['b"] {
            let mut document = Value::Null;
            let overlay = format!(
                "{{overlay: 1.0.0, info: {{}}, actions: [{{target: \"{target}\", remove: true}}]}}"
            );
            let message = format!("{:#}", apply(&mut document, &overlay).unwrap_err());
            assert!(message.contains("is not a path like"), "{message}");
        }
    }
}
