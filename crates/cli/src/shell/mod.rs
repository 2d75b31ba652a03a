//! The shell that printed commands are pasted into: a POSIX shell, on Windows `cmd`.
//!
//! Each is a pair of pure functions, one the way back from the other, and both are tested everywhere.

mod cmd;
mod posix;

use std::ffi::OsStr;

/// A text as one word of a command, on one line and without what a terminal acts on.
pub(crate) fn quote(text: &str) -> String {
    if cfg!(windows) {
        cmd::quote(text)
    } else {
        posix::quote(text)
    }
}

/// A word as it was given, to the byte where the shell has a way to write it.
pub(crate) fn quote_os(word: &OsStr) -> String {
    match word.to_str() {
        Some(text) => quote(text),
        None if cfg!(windows) => cmd::quote(&word.to_string_lossy()),
        None => posix::quote_bytes(word.as_encoded_bytes()),
    }
}

/// Splits a command into its words, as the shell that it is printed for does: the way back from [`quote`].
pub(crate) fn words_of(command: &str) -> Vec<String> {
    if cfg!(windows) {
        cmd::words_of(command)
    } else {
        posix::words_of(command)
    }
}
