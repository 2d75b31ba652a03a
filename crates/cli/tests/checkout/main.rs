//! What the program does with files of the repository that no package holds: its README, the certificates of the
//! client's tests, and a server of the façade's.

mod canary;
#[path = "../it/common.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod common;
mod doctor;
#[path = "../../../taskward/tests/canary/echo.rs"]
mod echo;
mod pages;
mod wire_rows;
