//! `taskward sim`: the simulator as a server of its own, until Ctrl-C.

use std::path::Path;

use taskward_sim::{Scenario, Sim};

use crate::args::SimArgs;
use crate::codes::Code;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::lines::{LineType, line};
use crate::out::Out;
use crate::platform::Platform as _;
use crate::registry::{ProviderName, on_platform};
use crate::signals::Signals;

pub(super) async fn sim(out: &Out, args: SimArgs) -> CliResult<Exit> {
    let mut scenario = match &args.scenario {
        Some(path) => Scenario::parse(&read(path)?).map_err(|e| bad(path, &e))?,
        None => Scenario::default(),
    };
    if let Some(path) = &args.faults {
        let faults = Scenario::parse_faults(&read(path)?).map_err(|e| bad(path, &e))?;
        scenario.faults.extend(faults);
    }
    scenario.faults.extend(args.fault);
    let mut signals = Signals::listen();
    let sim = Sim::builder()
        .listen(args.listen)
        .speed(f64::from(args.speed))
        .seed(args.seed)
        .scenario(scenario)
        .spawn()
        .map_err(|e| {
            CliError::new(
                Code::Local,
                format!("the simulator cannot listen at {}: {e}", args.listen),
            )
            .next(
                "or",
                "taskward sim --listen 127.0.0.1:0",
                "takes a free port",
            )
        })?;
    if out.is_json() {
        out.line(line(LineType::Ready, None, sim.ready_line()));
    } else {
        out.print(&sim.export_lines())?;
        out.say(&format!(
            "simulator at {}, {}x, until Ctrl-C",
            sim.url(),
            args.speed
        ));
        for name in ProviderName::ALL {
            out.say(&on_platform!(name, P => P::scenarios(&sim)));
        }
        if !args.listen.ip().is_loopback() {
            out.say("warning: others on the network can reach it");
        }
        if args.listen.ip().is_unspecified() {
            out.say("the lines above are for this machine; others take its address");
        }
    }
    // Whoever waits for the ready line and has gone away needs no simulator.
    out.check()?;
    signals.recv().await;
    drop(sim);
    Ok(Exit::Ok)
}

fn read(path: &Path) -> CliResult<String> {
    std::fs::read_to_string(path)
        .map_err(|e| CliError::input(format!("cannot read {}: {e}", path.display())))
}

fn bad(path: &Path, error: &impl std::fmt::Display) -> CliError {
    CliError::input(format!("{} cannot be used", path.display())).why(error.to_string())
}
