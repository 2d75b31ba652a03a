//! `taskward man`: the manual pages, made of what `--help` prints.

use clap::CommandFactory as _;

use crate::args::{Cli, Man};
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::out::Out;

pub(super) fn man(out: &Out, args: &Man) -> CliResult<Exit> {
    let folder = &args.folder;
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), folder));
    written.map_err(|error| {
        let folder = folder.display();
        CliError::input(format!(
            "cannot write the manual pages into {folder}: {error}"
        ))
    })?;
    out.say(&format!("manual pages in {}", folder.display()));
    Ok(Exit::Ok)
}
