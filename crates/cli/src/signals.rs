//! Ctrl-C and its siblings: the first detaches, the second ends the process at once.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::exit::Exit;

/// What is done at the second signal, before the process ends.
type SecondSignal = Arc<Mutex<Option<Box<dyn FnOnce(Exit) + Send>>>>;

/// A signal that asks the program to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(unix), allow(dead_code, reason = "a console has Ctrl-C alone"))]
pub(crate) enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// The ordinary request to end.
    Terminate,
    /// The terminal has gone.
    HangUp,
}

impl Signal {
    /// Returns how a program ends that ends because of it.
    fn exit(self) -> Exit {
        match self {
            Self::Interrupt => Exit::Interrupted,
            Self::Terminate | Self::HangUp => Exit::Terminated,
        }
    }
}

/// Hears signals. Clones hear the same ones.
#[derive(Clone)]
pub(crate) struct Signals {
    first: watch::Receiver<Option<Exit>>,
    detach_error: SecondSignal,
}

impl Signals {
    /// Listens from now on; needs a runtime.
    pub(crate) fn listen() -> Self {
        let (heard, first) = watch::channel(None);
        let detach_error = SecondSignal::default();
        let last = detach_error.clone();
        tokio::spawn(async move {
            let Ok(mut source) = Source::new() else {
                // Without handlers the system's own apply: the process ends at the first.
                return std::future::pending().await;
            };
            heard.send_replace(Some(source.recv().await.exit()));
            let exit = source.recv().await.exit();
            let words = last.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(words) = words {
                words(exit);
            }
            std::process::exit(exit.code().into());
        });
        Self {
            first,
            detach_error,
        }
    }

    /// At the second signal this is done before the process ends.
    pub(crate) fn at_second(&self, words: impl FnOnce(Exit) + Send + 'static) {
        let mut detach_error = self
            .detach_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *detach_error = Some(Box::new(words));
    }

    /// The first signal, also when it came before.
    pub(crate) async fn recv(&mut self) -> Exit {
        match self.first.wait_for(Option::is_some).await {
            Ok(exit) => exit.unwrap_or(Exit::Interrupted),
            Err(_) => std::future::pending().await,
        }
    }
}

/// Hears each signal once, in order.
#[cfg(unix)]
pub(crate) struct Source {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Source {
    /// Listens from now on; needs a runtime.
    pub(crate) fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Returns the next signal.
    pub(crate) async fn recv(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
            _ = self.hang_up.recv() => Signal::HangUp,
        }
    }
}

/// Hears each event of the console once, in order.
#[cfg(windows)]
pub(crate) struct Source {
    interrupt: tokio::signal::windows::CtrlC,
    stop: tokio::signal::windows::CtrlBreak,
    close: tokio::signal::windows::CtrlClose,
    log_off: tokio::signal::windows::CtrlLogoff,
    shut_down: tokio::signal::windows::CtrlShutdown,
}

#[cfg(windows)]
impl Source {
    /// Listens from now on; needs a runtime.
    pub(crate) fn new() -> std::io::Result<Self> {
        use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown};
        Ok(Self {
            interrupt: ctrl_c()?,
            stop: ctrl_break()?,
            close: ctrl_close()?,
            log_off: ctrl_logoff()?,
            shut_down: ctrl_shutdown()?,
        })
    }

    /// Returns the next signal.
    ///
    /// Behind the last three the system gives the process about five seconds; tokio holds it back until then.
    pub(crate) async fn recv(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            // What a parent process sends that asks its child to end: Ctrl-C cannot be sent to one process group.
            _ = self.stop.recv() => Signal::Terminate,
            _ = self.close.recv() => Signal::HangUp,
            _ = self.log_off.recv() => Signal::Terminate,
            _ = self.shut_down.recv() => Signal::Terminate,
        }
    }
}
