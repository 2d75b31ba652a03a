//! The commands that the program prints about tasks of A2A agents: each works as it is printed.

use std::process::Command;

use crate::common::{Ended, SPEED, World, bare, end};

/// What a person puts into a printed command.
const PUT_IN: [(&str, &str); 2] = [("YOUR ANSWER", "EUR"), ("KEY=VALUE", "city=Lisbon")];

/// The labels behind which a command is printed.
const LABELS: [&str; 14] = [
    "answer", "reply", "input", "watch", "cancel", "reattach", "follow", "see", "or", "do it",
    "again", "later", "recover", "keep",
];

impl World {
    /// Runs a line of a shell with the key of the simulated A2A platform.
    pub(crate) fn a2a_shell(&self, line: &str) -> Ended {
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).env_clear();
        for (name, value) in bare(&[]).get_envs() {
            shell.env(name, value.expect("set"));
        }
        shell
            .env("XDG_STATE_HOME", self.state.path())
            .env("A2A_API_KEY", self.sim.a2a().api_key);
        end(shell, "")
    }
}

/// The commands that were printed, in their order.
fn printed(ended: &Ended) -> Vec<String> {
    let lines = ended.stderr.lines();
    let commands = lines.filter_map(|line| {
        let (label, command) = line.trim_start().split_once(": ")?;
        let command = command.trim_start();
        let is_one = LABELS.contains(&label) && command.starts_with("taskward ");
        is_one.then(|| {
            command
                .split("  (")
                .next()
                .expect("a command")
                .trim()
                .to_owned()
        })
    });
    commands.collect()
}

/// The words of `taskward` that are behind its name in a printed command: enough to name it.
fn names(commands: &[String]) -> Vec<&str> {
    let names = commands
        .iter()
        .map(|command| command.split(' ').nth(1).expect("a name"));
    names.collect()
}

/// A printed command with something in each of its blanks.
fn filled(command: &str) -> String {
    let fill = |line: String, (blank, word): &(&str, &str)| line.replace(blank, word);
    PUT_IN.iter().fold(command.to_owned(), fill)
}

/// Every printed command of these ends is one that this program takes: none is refused for its words, its agent or its
/// key.
///
/// Rows: P23.
#[test]
fn each_printed_command_works_as_it_is_printed() {
    let speed = SPEED.to_string();
    let expected: [(&str, &[&str], &[&str]); 9] = [
        ("asker", &[], &["reply", "cancel"]),
        ("auth", &[], &["reply", "watch", "cancel"]),
        (
            "script",
            &["ask-data {\"city\":\"?\"}; done"],
            &["input", "cancel"],
        ),
        ("work", &["--timeout", "2s"], &["watch", "cancel"]),
        ("failing", &[], &["messages"]),
        ("crash", &[], &["messages"]),
        ("rejects", &[], &["messages"]),
        ("nobody", &[], &["agents"]),
        ("echo", &["--detach"], &[]),
    ];
    for (agent, more, commands) in expected {
        // Each in a world of its own: one command changes what the next would meet.
        for number in 0..commands.len().max(1) {
            let world = World::new();
            let run = ["run", "--agent", &world.agent(agent), "--speed", &speed];
            let prompt = &["Convert 5."][..more
                .first()
                .map_or(1, |first| first.starts_with("--").into())];
            let ended = world.a2a(&[&run[..], prompt, more].concat());
            let printed = printed(&ended);
            assert_eq!(names(&printed), commands, "{agent}: {ended:?}");
            let Some(command) = printed.get(number) else {
                continue;
            };
            let went = world.a2a_shell(&filled(command));
            // Of an agent that does not exist there is no card to show, either.
            let refused = went.code == 2 && agent != "nobody";
            assert!(!refused, "{command}: {went:?}");
        }
    }
}

/// The same of commands about a task, which may only be read where the key is allowed to go.
///
/// Rows: P23.
#[test]
fn each_command_printed_about_a_task_works_as_it_is_printed() {
    let url = |world: &World| world.sim.url();
    let expected: [(&[&str], &[&str]); 9] = [
        (&["status"], &["reply"]),
        (&["messages"], &["reply"]),
        (&["result"], &["watch"]),
        (&["watch"], &["reply", "cancel"]),
        (&["send", "hello"], &["reply"]),
        (&["reply", "EUR"], &["reply"]),
        (&["reply", "EUR", "--question", "nope"], &["watch"]),
        (&["cancel"], &["cancel"]),
        (&["events"], &["help"]),
    ];
    for (command, commands) in expected {
        let world = World::new();
        let task = world.a2a_task("asker");
        let (name, rest) = command.split_first().expect("a name");
        let origin = url(&world);
        let more = [&[*name, &task], rest, &["--allow-origin", &origin]].concat();
        // Nothing of the task was shown there.
        let ended = world.a2a_elsewhere(&more);
        let printed = printed(&ended);
        assert_eq!(names(&printed), commands, "{command:?}: {ended:?}");
        let went = world.a2a_shell(&filled(&printed[0]));
        assert!(went.code != 2, "{printed:?}: {went:?}");
    }
    // A task that there is not: the list that is named is that of its agent.
    let world = World::new();
    let origin = url(&world);
    let gone = format!("a2a:{}#gone", world.agent("asker"));
    let ended = world.a2a(&["status", &gone, "--allow-origin", &origin]);
    let list = format!(
        "taskward ls --agent {} --allow-origin {origin}",
        world.agent("asker")
    );
    assert_eq!(printed(&ended), [list.as_str()], "{ended:?}");
    assert_eq!(world.a2a_shell(&list).code, 0);
}

/// What was started once is started again by its name.
///
/// Rows: P23.
#[test]
fn a_task_is_started_again_by_its_name() {
    let world = World::new();
    let task = world.a2a_task("echo");
    let origin = world.sim.url();
    let again = world.a2a(&["run", "--again", &task, "--allow-origin", &origin]);
    assert_eq!(
        (again.code, again.stdout.as_str()),
        (0, "Convert 5.\n"),
        "{again:?}"
    );
    assert_eq!(world.sim.a2a_stats().starts, 2);
}

/// With a simulator inside the command, only this command can answer: what is printed does, where an option can.
///
/// Rows: P23.
#[test]
fn the_command_that_answers_within_a_simulation_is_the_one_that_was_given() {
    let run = |agent: &str, prompt: &str| {
        let words = [
            "run",
            "--sim",
            "--provider",
            "a2a",
            "--agent",
            agent,
            prompt,
        ];
        end(bare(&words), "")
    };
    let script = "ask-data {\"city\":\"?\"}; done";
    for (agent, prompt, option, answer) in [
        (
            "asker",
            "Convert 5.",
            "--answer 'YOUR ANSWER'",
            "Done, in EUR.\n",
        ),
        (
            "script",
            script,
            "--answer '{\"KEY\": \"VALUE\"}'",
            "{\"city\":\"?\"} ->\n",
        ),
    ] {
        let ended = run(agent, prompt);
        let given =
            format!("taskward run --sim --provider a2a --agent {agent} '{prompt}' {option}");
        assert_eq!(ended.code, 8, "{ended:?}");
        assert_eq!(
            printed(&ended),
            ["taskward sim", given.as_str()],
            "{ended:?}"
        );
        let went = World::new().a2a_shell(&filled(&given));
        assert_eq!((went.code, went.stdout.as_str()), (0, answer), "{went:?}");
    }
    // A credential arrives elsewhere: no option brings it.
    assert_eq!(printed(&run("auth", "x")), ["taskward sim"]);
}

#[test]
fn a_task_that_is_not_there_is_not_said_to_be_asked_for_again_in_minutes() {
    let world = World::new();
    let url = world.sim.url();
    let line =
        format!("taskward watch 'a2a:{url}/agents/echo#nope' --allow-origin {url} --speed {SPEED}");
    let ended = world.a2a_shell(&line);
    assert_eq!(ended.code, 1, "{ended:?}");
    ended.says(&["the server does not know this task", "retrying in 4s"]);
    assert_eq!(ended.stderr.matches("retrying in").count(), 1, "{ended:?}");
}
