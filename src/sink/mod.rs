//! Where events go: what a person or a program reads.
//!
//! A sink takes events and the time it is told, and owns how they look. It never subscribes by itself,
//! never reads a clock, and never knows an exchange.

pub mod lines;
pub mod summary;
pub mod table;
