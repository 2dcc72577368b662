//! Small local files: locked, and safe under concurrent processes.
//!
//! Never: the network, or what the files' contents mean to an exchange.

pub mod shared;
