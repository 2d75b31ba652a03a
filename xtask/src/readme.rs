//! The programs in the README compile: they are the doctests of this library, which has nothing else.

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
