//! `taskward completion`: the script with which a shell completes the command line.

use clap::CommandFactory as _;

use crate::args::{Cli, Completion};
use crate::error::CliResult;
use crate::exit::Exit;
use crate::out::Out;

pub(super) fn completion(out: &Out, args: &Completion) -> CliResult<Exit> {
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    out.print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Ok)
}
