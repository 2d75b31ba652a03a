//! Rules that hold for the sources of several crates: these tests need the repository.

mod clocks;
mod names;
