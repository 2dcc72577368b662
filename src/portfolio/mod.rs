//! What is held, and what it is worth.
//!
//! Which markets an asset is priced by, and the exact arithmetic of its value. Pure: no I/O, no clock; prices are given.
