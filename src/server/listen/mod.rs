//! Listens, and serves connections within their limits.
