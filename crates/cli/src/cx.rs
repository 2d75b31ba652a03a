//! What every command is given.

use std::sync::Arc;

use crate::args::Global;
use crate::out::Out;

/// Where a command prints, and the options of every command.
#[derive(Clone)]
pub(crate) struct Cx {
    pub(crate) out: Arc<Out>,
    pub(crate) global: Arc<Global>,
}
