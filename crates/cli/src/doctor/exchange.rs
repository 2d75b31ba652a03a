//! One request of the examination, sent once; its reply as it came.

use std::time::Duration;

use taskward::core::{
    BuildError, Operation, Origin, Policy, ReadError, Request, Response, Safety, SecretString,
};
use taskward::{Client, Error};

use crate::platform::Platform;

/// How long one request may take.
const WITHIN: Duration = Duration::from_secs(20);

/// How long a stream is read that does not end by itself.
const STREAM: Duration = Duration::from_secs(5);

/// A key that opens nothing.
const WRONG_KEY: &str = "doctor_no_key:none-of-any-account";

/// What came of one request.
#[derive(Debug)]
pub(super) struct Observed {
    /// The reply, whatever its status.
    pub(super) reply: Option<Response>,
    /// What the client makes of it.
    pub(super) result: Result<(), Error>,
}

/// A platform's server, with a key or with one that opens nothing.
pub(super) struct Server<P: Platform> {
    client: Client<P>,
    host: String,
}

/// A request whose reply is not read here.
struct Asked {
    request: Request,
    safety: Safety,
}

impl Operation for Asked {
    type Output = ();
    const NAME: &'static str = "doctor";

    fn safety(&self) -> Safety {
        self.safety
    }

    fn request(&self) -> Result<Request, BuildError> {
        Ok(self.request.clone())
    }

    fn read(&self, _: &Response) -> Result<(), ReadError> {
        Ok(())
    }
}

impl<P: Platform> Server<P> {
    /// The server at this URL; nothing is sent yet.
    pub(super) fn open(origin: &Origin, key: Option<SecretString>) -> Result<Self, Error> {
        let key = key.unwrap_or_else(|| WRONG_KEY.into());
        let client = Client::<P>::builder()
            .api_key(key)
            .base_url(&origin.to_string())
            .user_agent(concat!("taskward-cli/", env!("CARGO_PKG_VERSION")))
            .policy(Policy::default())
            .build()?;
        Ok(Self {
            client,
            host: origin.host().to_owned(),
        })
    }

    /// Sends a request once.
    pub(super) async fn observe(&self, request: Request, safety: Safety) -> Observed {
        let mut reply = None;
        let show = |came: &Response| reply = Some(came.clone());
        let accept = request.headers().get("accept");
        let within = match accept.is_some_and(|accept| accept == "text/event-stream") {
            true => STREAM,
            false => WITHIN,
        };
        let result = self
            .client
            .observe(within, Asked { request, safety }, show)
            .await;
        Observed { reply, result }
    }

    /// Says why there is no reply, without the name of the server, which may be the customer's.
    pub(super) fn failure(&self, error: &Error) -> String {
        error.to_string().replace(&self.host, "[server]")
    }
}
