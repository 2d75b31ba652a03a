//! `taskward help`: a command's page, or a topic's.

use clap::CommandFactory as _;
use taskward::Provider as _;

use crate::agent_url::AgentNaming as _;
use crate::args::Cli;
use crate::codes;
use crate::codes::Code;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::lines::LineType;
use crate::out::Out;
use crate::platform::Platform as _;
use crate::registry::{ProviderName, on_platform};
use crate::store::DEFAULT_STATE;
use crate::wrap;

/// A page that is no command's.
type Topic = (&'static str, fn() -> String);

const TOPICS: [Topic; 6] = [
    ("environment", environment),
    ("exit-codes", codes::exit_page),
    ("json", json),
    ("questions", || QUESTIONS.to_owned()),
    ("recovery", || RECOVERY.replace("{state}", DEFAULT_STATE)),
    ("simulator", simulator),
];

/// The page of the simulator, which is one of the repository's, too; without the marks for whoever checks its commands.
fn simulator() -> String {
    let lines = include_str!("../../simulator.md").lines();
    let lines = lines.filter(|line| !line.starts_with("<!--"));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// The page of the environment: the variables of each platform, and those of all.
fn environment() -> String {
    let mut page = "Environment:\n\n".to_owned();
    for name in ProviderName::ALL {
        let (defaults, keys) = on_platform!(name, P => (P::DEFAULTS, P::KEYS));
        let optional = match defaults.key_is_optional {
            true => ", where one is wanted",
            false => "",
        };
        let key = format!(
            "the API key of {}{optional}; --key-file PATH and --key-stdin come before it. {keys}",
            name.title()
        );
        let server = match on_platform!(name, P => P::AGENTS_HAVE_URLS) {
            true => "the agent where --agent names none, by its URL or that of its card; the key may go to its server"
                .to_owned(),
            false => format!(
                "its server; https, or http on this machine; {} at the end is understood",
                defaults.api_prefix
            ),
        };
        page += &wrap::entry(defaults.key_variable, 25, &key);
        page += &wrap::entry(defaults.base_url_variable, 25, &server);
    }
    page + &ENVIRONMENT.replace("{state}", DEFAULT_STATE)
}

const ENVIRONMENT: &str = "  TASKWARD_TIMEOUT         the default of --timeout; empty, as any of these, counts as unset
  TASKWARD_NO_INPUT        1: never ask anything on the terminal
  XDG_STATE_HOME           where the journal of starts is kept, in taskward/journal; {state} by default
  TASKWARD_DEBUG           http: tell every request on stderr (method, path, status, time; no bodies, no key); -v tells
                           what each is for, and why it waits
  NO_COLOR, CLICOLOR_FORCE, TERM=dumb, CI   as everywhere: colours and the spinner

The provider is Nanonets, unless --provider, the name of the task (agent-harness:ID, a2a:URL#ID) or the URL of an agent
says otherwise.

The key of an A2A agent goes only to a server that the command or the environment names: that of --agent, of
A2A_BASE_URL or of --allow-origin URL. The name of a task names no server, and neither does an agent's card: the message
says what to add, and printed commands have it already. The key is sent as the card says (as a bearer key, as USER:PASSWORD
or in a header), or in the header of --auth-header NAME.

No option takes a key: it would show in ps and in the shell's history. Of a key in two parts only KEY_ID is ever shown. Nothing is read from the project directory.
";

/// What the page of the JSON modes says before the tables of the types and codes.
const JSON: &str = "\
With --json stdout is JSON lines and stderr is silent (unless -v). Every line has \"v\":2, a \"type\" and \"at\" (when it was
printed: RFC 3339, UTC, milliseconds); \"task\" (PROVIDER:ID) and \"task_id\" are null where no task is known. The lines have
the same fields on every platform; what only one platform has stands as it was sent in \"platform_data\".

The last line of run, watch and the other commands that follow a task is task.result, task.detached or error.

";

fn json() -> String {
    let mut page = JSON.to_owned();
    for kind in LineType::ALL {
        page += &wrap::entry(kind.as_str(), 21, kind.fields());
    }
    page += "\nThe codes of error and task.detached:\n\n";
    page += &codes::described(false);
    page += "\nThe codes of note, and the fields of each:\n\n";
    page += &codes::described(true);
    page += "\n\"cancel\" is one of not_requested, accepted, confirmed, failed, unsupported and unknown.\n";
    page
}

const QUESTIONS: &str = "\
When the agent asks, the answer comes from the first of these that has one:

  --on-approval WHAT      approve or reject whatever a run wants approved; reject makes the run fail; ask is the default
  --answer TEXT|@FILE     in order, one for each question; for a run, JSON objects for its questions for data: it never
                          approves anything
  --on-question CMD       gets the question as JSON on stdin, prints the answer on stdout; printing nothing leaves the
                          question open. An answer in words is printed as it is; to a run, one of
                          {\"approve\": true}   {\"reject\": \"WHY\"}   {\"input\": {\"key\": \"value\"}}
  the terminal            a prompt, when stdin and stderr are one and neither --json nor --no-input is given

These options answer only what is asked while their command runs; they never answer the question that approve, reject,
input or reply is for. When CMD fails, the question stays open (exit 8); with --json its stderr comes as notes.

When there is no answer, the command exits with 8 and prints the command that gives one:

  taskward reply nanonets:ID 'YOUR ANSWER' --question Q --watch
  taskward reply 'a2a:URL#ID' 'YOUR ANSWER' --question Q --watch
  taskward approve agent-harness:ID --question Q --watch
  taskward input agent-harness:ID KEY=VALUE --question Q --watch
  taskward reject agent-harness:ID --reason 'WHY' --question Q --watch

With --question an answer reaches that question or none. A question whose text changes is another one. Without it an
answer goes only to a question that run, watch, status or messages has shown on this machine before, and since the last
answer from here; and approve, reject and input take only the first question of a task that is answered from here. Any
other is shown and not answered: a terminal asks whether it is meant, elsewhere the command ends with 8 and prints itself
with the id. That does not count as showing, so that a loop answers nothing that nobody has read. What was shown is kept
in the journal; with --no-journal nothing counts as shown. A question that the server does not tell yet (its id is a
stand-in) always has to be named.

A question is answered once: before an answer is sent, a read makes sure that the question is still open. The same answer
again is \"already answered\" (exit 0), and another one is not sent (exit 1); while it is unknown whether the first answer
arrived, the exit code is 5. Answers to a run carry a key: one whose reply is lost is repeated and counts once.

taskward send sends a message that no question asked for. It is not sent while a question is open (exit 8), and starts
another turn of a task that has ended only with --continue (exit 2 without).

The events of a run carry no description of what is to be approved: the steps before it, and what the agent said, are
shown in its place. A run that nobody answers in the platform's time is cancelled (signal_timeout, exit 3), and the
command that starts the same as a new one is printed: taskward run --again TASK.

An A2A agent may ask for a credential. Options do not answer that: it goes on by itself once the credential has arrived
elsewhere (watch it then), or takes an answer in words.

Only the platform's dashboard can resolve a review; with --no-wait-review the command exits instead of waiting for it.
";

const RECOVERY: &str = "\
The task keeps running whatever happens on this machine. Its name, PROVIDER:ID, is printed as soon as it exists:

  taskward watch nanonets:ID      follows it until it finishes, from any machine with the key
  taskward result nanonets:ID     prints its result once it has finished
  taskward cancel nanonets:ID     stops it
  taskward resume-run agent-harness:ID   resumes a stalled run; nothing else does

  taskward watch --last           follows the task that was last started or followed on this machine
  taskward ls --local             lists every task known on this machine
  taskward run --again nanonets:ID   starts the same as a new task, which is billed like any other

With --cancel-on-interrupt and --cancel-on-timeout the command stops a task of Nanonets or A2A before it detaches, and the
last lines say whether the task was seen to stop.

Exit 5 means that the reply to a write was lost: the task, or the message, may exist. It was not sent again. First find
out:

  taskward recover INTENT         did the start create a task? INTENT was printed; without it, the only open start
  taskward messages nanonets:ID   is the message there?

Before a start is sent, it is saved in $XDG_STATE_HOME/taskward/journal ({state} by default), readable by its owner
only, without the key. So it can be recovered however this program ends. What it said is saved for run --again, up to
64 KiB: the prompt, and of files the path, size and digest, never the content. run --again sends no file that has changed
since, unless --force-new is given. --no-journal saves nothing. What recover does:

  a run (it has a key)   the start is sent again with the same key and bytes, which creates no second run; the server may
                         have forgotten a key older than 12 hours, so such a key is not used again
  a task of Nanonets     the task is searched for among the agent's tasks of that time, twice when nothing is found, then
                         among those of the day before and of all the time since, because a clock may have been set. A
                         match is printed, and taken for the task of this start only with --adopt or --watch. Of several
                         matches, or when some could not be compared, none is taken; --adopt=TASK names one. Tasks known
                         on this machine as those of other starts are left out. When nothing is found, the task was
                         probably never created, or the command says what it could not search: --forget the start, and
                         run it again

  a task of A2A          the tasks of the conversation are listed that this start made an id for: one is the task of this
                         start and is taken for it, several are named and none is taken

recover exits with 0 when the task is known, and prints its name; it exits with 5 while the task is not known: no match,
several, or several starts to choose from. The same run command again, while the outcome is unknown, asks on a terminal
and exits with 5 elsewhere; with --force-new it starts another task. A start that cannot be saved is not sent (exit 1),
unless --no-journal is given. The journal forgets finished tasks after 30 days, beyond the newest 500.

The journal is an SQLite database, tasks.sqlite; beside it, -wal and -shm belong to it: copy or move the three together,
while no command runs. When it cannot be read (taskward doctor says why), move all three away: the next start makes a
new one, which knows nothing of starts whose outcome is unknown. The *.jsonl files of earlier builds are taken over;
those in which something cannot be read stay, and the message names the commit that can finish them.

An answer in words and a message are confirmed in the same way: after one whose outcome is unknown, the next reply or send
to the task reads the conversation first. A message that has arrived is not sent again; when another one has, the command
says so and sends nothing (exit 1); and when that is unknown, it asks on a terminal and exits with 5 elsewhere.
--force-new sends the message anyway. Of two replies at the same time the second sends nothing (exit 1).

Exit 75 means that nothing was changed: the same command again is safe, after the time that the server asked for, if it
asked for one.

After a rejection (exit 1 with an http status) retrying will not help: the server's words say what is wrong. When what
answered is not the platform (a web page, a certificate, a redirect elsewhere), check the server that is named and the
proxy; TASKWARD_DEBUG=http shows every exchange.

The start of a run is repeated under its key, and never creates two. When its outcome is still unknown, recover, or the
printed command with --idempotency-key KEY, follows the run if it exists, and starts it if it does not.
";

pub(super) fn help(out: &Out, topic: &[String]) -> CliResult<Exit> {
    let mut command = Cli::command();
    command.build();
    let Some(name) = topic.first() else {
        out.print(&command.render_long_help().to_string())?;
        return Ok(Exit::Ok);
    };
    if let Some((_, page)) = TOPICS.iter().find(|(topic, _)| topic == name) {
        out.print(&page())?;
        return Ok(Exit::Ok);
    }
    let page = topic.iter().try_fold(&mut command, |command, name| {
        command.find_subcommand_mut(name)
    });
    match page {
        Some(page) => out.print(&page.render_long_help().to_string())?,
        None => {
            let topics: Vec<&str> = TOPICS.iter().map(|(topic, _)| *topic).collect();
            return Err(CliError::new(
                Code::Usage,
                format!("there is no command or topic {:?}", topic.join(" ")),
            )
            .why(format!("Topics: {}", topics.join(", ")))
            .next("see", "taskward --help", ""));
        }
    }
    Ok(Exit::Ok)
}
