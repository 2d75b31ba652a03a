//! What a terminal does not show as it is.

use taskward::core::sanitise::is_unsafe;

/// Whether a character is not shown, breaks a line or changes how others are shown.
pub(crate) fn is_hidden(c: char) -> bool {
    is_unsafe(c) || c.is_control()
}
