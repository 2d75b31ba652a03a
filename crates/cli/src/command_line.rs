//! This command line, to be printed as one to run again.

use std::ffi::OsString;

use taskward::question::QuestionId;

use crate::shell::quote_os;

fn given() -> impl Iterator<Item = OsString> {
    std::env::args_os().skip(1)
}

fn line(words: impl IntoIterator<Item = OsString>) -> String {
    let mut line = "taskward".to_owned();
    for word in words {
        line.push(' ');
        line.push_str(&quote_os(&word));
    }
    line
}

/// As it was given.
pub(crate) fn as_given() -> String {
    line(given())
}

/// Without an option and its value.
pub(crate) fn without(option: &str) -> String {
    line(dropped(option, given()))
}

/// With one flag more, behind the command's name.
pub(crate) fn with(command: &str, flag: &str) -> String {
    line(added(command, &[flag], given()))
}

/// With an option and its value at the end, behind those that were given.
pub(crate) fn followed_by(option: [&str; 2]) -> String {
    line(appended(option, given()))
}

/// With the name of a question, in the place of one that was given, and these flags.
pub(crate) fn naming(command: &str, question: &QuestionId, flags: &[&str]) -> String {
    let mut words = dropped("--question", given());
    for flag in flags {
        words = added(command, &[flag], words.into_iter());
    }
    let option = ["--question", question.as_str()];
    line(added(command, &option, words.into_iter()))
}

fn dropped(option: &str, mut words: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let joined = format!("{option}=");
    let mut kept = Vec::new();
    while let Some(word) = words.next() {
        if word == option {
            words.next();
        } else if !word.as_encoded_bytes().starts_with(joined.as_bytes()) {
            kept.push(word);
        }
    }
    kept
}

fn added(command: &str, option: &[&str], words: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut all: Vec<OsString> = words.collect();
    if !all.iter().any(|word| word == option[0]) {
        let place = all.iter().position(|word| word == command);
        let place = place.map_or(0, |place| place + 1);
        all.splice(place..place, option.iter().map(OsString::from));
    }
    all
}

fn appended(option: [&str; 2], words: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut all: Vec<OsString> = words.collect();
    // Behind it nothing is an option.
    let end = all.iter().position(|word| word == "--");
    let end = end.unwrap_or(all.len());
    all.splice(end..end, option.map(OsString::from));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> impl Iterator<Item = OsString> {
        text.split(' ').map(OsString::from)
    }

    #[test]
    fn an_option_goes_with_its_value_and_a_flag_comes_once() {
        let all = "--json run --key k --key=k x";
        assert_eq!(line(dropped("--key", words(all))), "taskward --json run x");
        assert_eq!(
            line(added("run", &["--new"], words("--json run x -- --new-y"))),
            "taskward --json run --new x -- --new-y"
        );
        let twice = "run --new x";
        assert_eq!(
            line(added("run", &["--new"], words(twice))),
            "taskward run --new x"
        );
        let twice = appended(["--answer", "b"], words("run --answer a -- -x"));
        assert_eq!(line(twice), "taskward run --answer a --answer b -- -x");
        let named = added("reply", &["--question", "q 1"], words("reply t x"));
        assert_eq!(
            line(named),
            format!(
                "taskward reply --question {} t x",
                crate::shell::quote("q 1")
            )
        );
    }
}
