//! How a connection is opened: the server is found, and what may be sent there is checked, before anything is.

use taskward::core::Origin;
use taskward_sim::Sim;

use crate::answers::not_here;
use crate::calls::Calls;
use crate::codes::Code;
use crate::connection::Connection;
use crate::cx::Cx;
use crate::error::{CliError, CliResult};
use crate::keys::{self, ApiAccess};
#[cfg(test)]
use crate::keys::{CredentialForm, KeySource};
use crate::platform::Platform;
use crate::server::{self, At, Search};
use crate::store::TaskStore;

/// How fast both sides run with `--sim`, unless `--speed` says otherwise.
const SIM_SPEED: u32 = 20;

impl<P: Calls> Connection<P> {
    /// A connection with the server that a command goes to, and with the account of options and environment.
    pub(crate) async fn open(cx: &Cx, speed: Option<u32>, at: At<'_>) -> CliResult<Self> {
        Self::journaled(cx, speed, None, at).await
    }

    /// The same, whose tasks are kept.
    pub(crate) async fn journaled(
        cx: &Cx,
        speed: Option<u32>,
        store: Option<TaskStore>,
        at: At<'_>,
    ) -> CliResult<Self> {
        fits::<P>(cx)?;
        let access = keys::api_access::<P>(&cx.global)?;
        let search = Search {
            cx,
            access: &access,
            at,
            speed: speed.unwrap_or(1),
            store: store.as_ref(),
        };
        let server = P::find(&search).await?;
        let credential = access.credential(&server.form)?;
        if let Some(credential) = &credential {
            cx.out.redact(credential.clone());
        }
        let origin = Origin::parse(&server.url, P::DEFAULTS.api_prefix);
        let is_local = origin.as_ref().is_ok_and(Origin::is_loopback);
        // A URL that is none is refused below, in its own words.
        if origin.is_ok() && speed.is_some_and(|speed| speed > 1) {
            fast::<P>(&access, is_local)?;
        }
        if let Some(warning) = access.source.warning() {
            cx.out.say(&format!("warning: {warning}"));
        }
        if access.was_trimmed && cx.out.is_verbose() {
            cx.out.say(&format!(
                "the line break at the end of the key from {} was dropped",
                access.source
            ));
        }
        server::check(cx, &access, &server, credential.as_ref())?;
        if let Some(agent) = &server.agent {
            cx.out.of_agent(agent.clone());
        }
        let speed = speed.unwrap_or(1);
        let connection = Self::build(cx, &access, server, credential, speed, store)?;
        if !is_local {
            connection.name_server();
        }
        Ok(connection)
    }

    /// A connection with a simulator of its own, and there with the agent of this name.
    pub(crate) async fn simulated(
        cx: &Cx,
        speed: Option<u32>,
        agent: Option<&str>,
    ) -> CliResult<Self> {
        fits::<P>(cx)?;
        let speed = speed.unwrap_or(SIM_SPEED);
        let sim = Sim::builder()
            .speed(f64::from(speed))
            .spawn()
            .map_err(|e| CliError::new(Code::Local, format!("cannot start the simulator: {e}")))?;
        let (base_url, key) = P::simulated(&sim);
        let agent = P::simulated_agent(&sim, agent)?;
        let access = ApiAccess::simulated(key, base_url);
        let search = Search {
            cx,
            access: &access,
            at: At::Agent(agent.as_deref()),
            speed,
            store: None,
        };
        let server = P::find(&search).await?;
        let credential = access.credential(&server.form)?;
        let mut connection = Self::build(cx, &access, server, credential, speed, None)?;
        connection.sim = Some(sim);
        Ok(connection)
    }

    /// A connection with the platform's own server, for tests that send nothing.
    #[cfg(test)]
    pub(crate) fn offline(cx: &Cx) -> CliResult<Self> {
        let mut access = ApiAccess::simulated(
            "id:live-canary-4f1c2b7e9d".to_owned(),
            P::DEFAULTS.base_url.to_owned(),
        );
        access.source = KeySource::Variable(P::DEFAULTS.key_variable);
        let search = Search {
            cx,
            access: &access,
            at: At::Settings,
            speed: 1,
            store: None,
        };
        let folder = tempfile::tempdir().expect("a folder");
        let store = TaskStore::at(folder.path(), &cx.out);
        let credential = access.credential(&CredentialForm::Bearer)?;
        Self::build(cx, &access, search.settings(), credential, 1, Some(store))
    }
}

/// Refuses `--binding` where there are none.
fn fits<P: Platform>(cx: &Cx) -> CliResult<()> {
    match cx.global.binding.is_some() && !P::AGENTS_HAVE_URLS {
        true => Err(not_here("--binding", P::ID)),
        false => Ok(()),
    }
}

/// Refuses `--speed` for a server that is no simulator on this machine.
fn fast<P: Platform>(access: &ApiAccess, is_local: bool) -> CliResult<()> {
    if !is_local {
        let what = "--speed is for simulators: the server is not on this machine";
        return Err(CliError::input(what).why("Nothing was sent."));
    }
    // Where a simulator's key looks like any other, the server on this machine is the user's word for it.
    if access.is_simulated || P::DEFAULTS.simulated_key.is_none() {
        return Ok(());
    }
    Err(
        CliError::input("--speed is for simulators, and the key is none of a simulator's")
            .why(format!(
                "The key came from {}. Nothing was sent.",
                access.source
            ))
            .next("see", "taskward sim", "prints the key that it takes"),
    )
}
