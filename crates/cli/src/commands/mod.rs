//! The commands, one file each. What a platform does in its own way stands in its folder of `platforms`.

mod answer;
mod api;
mod batch;
mod cancel;
mod completion;
mod effect;
mod events;
mod help;
mod local;
mod ls;
mod man;
mod messages;
mod question;
mod read;
mod reconcile;
mod recover;
mod result;
mod resume_run;
pub(crate) mod run;
mod send;
mod sim;
mod status;
pub(crate) mod table;
mod usage;
mod watch;

use std::sync::Arc;

use crate::args::{Cli, Command};
use crate::calls::Calls as _;
use crate::cx::Cx;
use crate::doctor;
use crate::error::CliResult;
use crate::exit::Ended;
use crate::out::Out;
use crate::registry::{Feature, on_platform};

/// Does what a command does to a task on the platform of that task, where it can.
macro_rules! of_task {
    ($cx:expr, $args:ident$(.$part:ident)?, $feature:ident, $($command:ident)::+) => {{
        let task = $cx.global.task_for(&$args$(.$part)?.task, Feature::$feature)?;
        on_platform!(task.provider(), P => $($command)::+::<P>($cx, task, $args).await)
    }};
}

/// Does what was asked.
pub(crate) async fn perform(cli: Cli, out: Arc<Out>) -> CliResult<Ended> {
    let global = Arc::new(cli.global);
    let cx = &Cx { out, global };
    let exit = match cli.command {
        Command::Run(args) => run::run(cx, *args).await,
        Command::Batch(args) => batch::batch(cx, args).await,
        Command::Watch(args) => watch::watch(cx, args).await,
        Command::Recover(args) => recover::recover(cx, args).await,
        Command::Status(args) => {
            let task = cx.global.task(&args.task)?;
            on_platform!(task.provider(), P => status::status::<P>(cx, &task).await)
        }
        Command::Result(args) => {
            let task = cx.global.task(&args.task)?;
            on_platform!(task.provider(), P => result::result::<P>(cx, &task, args).await)
        }
        Command::Messages(args) => of_task!(cx, args, Messages, messages::messages),
        Command::Reply(args) => of_task!(cx, args.to, Reply, answer::reply),
        Command::Send(args) => of_task!(cx, args, Send, send::send),
        Command::Approve(args) => of_task!(cx, args.to, Approve, answer::approve),
        Command::Reject(args) => of_task!(cx, args.to, Reject, answer::reject),
        Command::Input(args) => of_task!(cx, args.to, Input, answer::input),
        Command::Events(args) => of_task!(cx, args, Events, events::events),
        Command::ResumeRun(args) => of_task!(cx, args, ResumeRun, resume_run::resume_run),
        Command::Cancel(args) => of_task!(cx, args, Cancel, cancel::cancel),
        Command::Usage(args) => {
            let provider = cx.global.provider_for(Feature::Usage, None)?;
            on_platform!(provider, P => usage::usage::<P>(cx, args).await)
        }
        Command::Ls(args) => ls::ls(cx, args).await,
        Command::Agents(args) => {
            let provider = cx.global.provider_for(Feature::Agents, args.named())?;
            on_platform!(provider, P => P::agents(cx, args).await)
        }
        Command::Api(args) => {
            on_platform!(cx.global.provider(), P => api::api::<P>(cx, &args).await)
        }
        Command::Doctor(args) => doctor::doctor(cx, args).await,
        Command::Sim(args) => return sim::sim(&cx.out, args).await,
        Command::Completion(args) => completion::completion(&cx.out, &args),
        Command::Man(args) => man::man(&cx.out, &args),
        Command::Help { topic } => help::help(&cx.out, &topic),
    }?;
    // What the JSON modes printed is checked once, at the end.
    cx.out.check()?;
    Ok(Ended::As(exit))
}
