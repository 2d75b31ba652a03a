//! The commands, one file each. What a platform does in its own way stands in its folder of `platforms`.

mod answer;
mod api;
mod cancel;
mod effect;
mod events;
mod help;
mod local;
mod ls;
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
use crate::error::CliResult;
use crate::exit::Exit;
use crate::out::Out;
use crate::registry::{Feature, on_platform};

/// Does what was asked.
pub(crate) async fn perform(cli: Cli, out: Arc<Out>) -> CliResult<Exit> {
    let global = &cli.global;
    let exit = match cli.command {
        Command::Run(args) => run::run(out.clone(), global, *args).await,
        Command::Watch(args) => watch::watch(out.clone(), global, args).await,
        Command::Recover(args) => recover::recover(out.clone(), global, args).await,
        Command::Status(args) => status::status(out.clone(), global, args).await,
        Command::Result(args) => result::result(out.clone(), global, args).await,
        Command::Messages(args) => messages::messages(out.clone(), global, args).await,
        Command::Reply(args) => answer::reply(out.clone(), global, args).await,
        Command::Send(args) => send::send(out.clone(), global, args).await,
        Command::Approve(args) => answer::approve(out.clone(), global, args).await,
        Command::Reject(args) => answer::reject(out.clone(), global, args).await,
        Command::Input(args) => answer::input(out.clone(), global, args).await,
        Command::Events(args) => events::events(out.clone(), global, args).await,
        Command::ResumeRun(args) => resume_run::resume_run(out.clone(), global, args).await,
        Command::Usage(args) => usage::usage(out.clone(), global, args).await,
        Command::Cancel(args) => cancel::cancel(out.clone(), global, args).await,
        Command::Ls(args) => ls::ls(out.clone(), global, args).await,
        Command::Agents(args) => {
            let provider = global.provider_for(Feature::Agents)?;
            on_platform!(provider, P => P::agents(out.clone(), global, args).await)
        }
        Command::Api(args) => api::api(out.clone(), global, args).await,
        Command::Sim(args) => sim::sim(out.clone(), args).await,
        Command::Help { topic } => help::help(&out, &topic),
    }?;
    // What the JSON modes printed is checked once, at the end.
    out.check()?;
    Ok(exit)
}
