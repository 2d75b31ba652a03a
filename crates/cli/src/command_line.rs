//! This command line, to be printed as one to run again.

use crate::task_ref::quote;

fn given() -> impl Iterator<Item = String> {
    let args = std::env::args_os().skip(1);
    args.map(|arg| arg.to_string_lossy().into_owned())
}

fn line(words: impl IntoIterator<Item = String>) -> String {
    let mut line = "taskward".to_owned();
    for word in words {
        line.push(' ');
        line.push_str(&quote(&word));
    }
    line
}

/// Without an option and its value.
pub(crate) fn without(option: &str) -> String {
    line(dropped(option, given()))
}

/// With one flag more, behind the command's name.
pub(crate) fn with(command: &str, flag: &str) -> String {
    line(added(command, flag, given()))
}

fn dropped(option: &str, mut words: impl Iterator<Item = String>) -> Vec<String> {
    let joined = format!("{option}=");
    let mut kept = Vec::new();
    while let Some(word) = words.next() {
        if word == option {
            words.next();
        } else if !word.starts_with(&joined) {
            kept.push(word);
        }
    }
    kept
}

fn added(command: &str, flag: &str, words: impl Iterator<Item = String>) -> Vec<String> {
    let mut all: Vec<String> = words.collect();
    if !all.iter().any(|word| word == flag) {
        let place = all.iter().position(|word| word == command);
        all.insert(place.map_or(0, |place| place + 1), flag.to_owned());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> impl Iterator<Item = String> {
        text.split(' ').map(str::to_owned)
    }

    #[test]
    fn an_option_goes_with_its_value_and_a_flag_comes_once() {
        let all = "--json run --key k --key=k x";
        assert_eq!(line(dropped("--key", words(all))), "taskward --json run x");
        assert_eq!(
            line(added("run", "--new", words("--json run x -- --new-y"))),
            "taskward --json run --new x -- --new-y"
        );
        let twice = "run --new x";
        assert_eq!(
            line(added("run", "--new", words(twice))),
            "taskward run --new x"
        );
    }
}
