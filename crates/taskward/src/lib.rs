//! taskward
