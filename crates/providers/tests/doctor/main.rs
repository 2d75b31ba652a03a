//! The examination of a platform, against the simulated ones and against recordings.

mod edited;
mod masked;
mod recordings;
mod switched;
mod switches;
mod world;
