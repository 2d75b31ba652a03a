//! `taskward sim`: the simulator as a server of its own, until Ctrl-C or until the command beside it ends.

mod beside;

use std::path::Path;

use taskward_sim::{Scenario, Sim};

use crate::args::SimArgs;
use crate::codes::Code;
use crate::error::{CliError, CliResult};
use crate::exit::{Ended, Exit};
use crate::lines::{LineType, line};
use crate::out::Out;
use crate::platform::Platform as _;
use crate::registry::{ProviderName, on_platform};
use crate::signals::Signals;

pub(super) async fn sim(out: &Out, mut args: SimArgs) -> CliResult<Ended> {
    let command = std::mem::take(&mut args.command);
    // The parser drops the two dashes: without anything behind them, a variable was probably empty.
    if command.is_empty() && std::env::args_os().any(|word| word == "--") {
        return Err(CliError::new(Code::Usage, "there is no command behind --"));
    }
    let sim = spawn(&args)?;
    if let Some((program, rest)) = command.split_first() {
        introduce(out, &sim, &args, "until the command ends");
        return beside::run(out, &sim, program, rest).await;
    }
    let mut signals = Signals::listen();
    // Whoever reads the lines may send a signal at once: by then it is listened to.
    tokio::task::yield_now().await;
    if out.is_json() {
        out.line(line(LineType::Ready, None, sim.ready_line()));
    } else {
        out.print(&sim.export_lines())?;
        introduce(out, &sim, &args, "until Ctrl-C");
        for name in ProviderName::ALL {
            out.say(&on_platform!(name, P => P::scenarios(&sim)));
        }
        if args.listen.ip().is_unspecified() {
            out.say("the lines above are for this machine; others take its address");
        }
    }
    // Whoever waits for the ready line and has gone away needs no simulator.
    out.check()?;
    signals.recv().await;
    drop(sim);
    Ok(Ended::As(Exit::Ok))
}

/// Starts the simulator.
fn spawn(args: &SimArgs) -> CliResult<Sim> {
    let mut scenario = match &args.scenario {
        Some(path) => Scenario::parse(&read(path)?).map_err(|e| bad(path, &e))?,
        None => Scenario::default(),
    };
    if let Some(path) = &args.faults {
        let faults = Scenario::parse_faults(&read(path)?).map_err(|e| bad(path, &e))?;
        scenario.faults.extend(faults);
    }
    scenario.faults.extend(args.fault.iter().cloned());
    let seed = match args.seed {
        Some(seed) => seed,
        None => random_seed()?,
    };
    let sim = Sim::builder()
        .listen(args.listen)
        .speed(f64::from(args.speed))
        .seed(seed)
        .scenario(scenario);
    sim.spawn().map_err(|e| {
        let what = format!("the simulator cannot listen at {}: {e}", args.listen);
        CliError::new(Code::Local, what).next(
            "or",
            "taskward sim --listen 127.0.0.1:0",
            "takes a free port",
        )
    })
}

/// Tells people where the simulator is, for how long, and how to have the same one again.
fn introduce(out: &Out, sim: &Sim, args: &SimArgs, until: &str) {
    let (url, speed, seed) = (sim.url(), args.speed, sim.seed());
    out.say(&format!("simulator at {url}, {speed}x, {until}"));
    if args.seed.is_none() {
        out.say(&format!("the same ids and keys again: --seed {seed}"));
    }
    if !args.listen.ip().is_loopback() {
        out.say("warning: others on the network can reach it");
    }
}

/// Returns a seed that no other run has, short enough to be typed.
fn random_seed() -> CliResult<u64> {
    let seed = getrandom::u32().map_err(|e| {
        let what = format!("the system gives no random number: {e}");
        CliError::new(Code::Local, what).next("or", "taskward sim --seed 0", "")
    })?;
    Ok(seed.into())
}

fn read(path: &Path) -> CliResult<String> {
    std::fs::read_to_string(path)
        .map_err(|e| CliError::input(format!("cannot read {}: {e}", path.display())))
}

fn bad(path: &Path, error: &impl std::fmt::Display) -> CliError {
    CliError::input(format!("{} cannot be used", path.display())).why(error.to_string())
}
