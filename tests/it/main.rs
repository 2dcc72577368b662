//! The built binary against simulated exchanges on loopback: what scripts and people rely on.

mod closed_pipes;
mod config;
mod exactness;
mod expressions;
mod mock_market;
mod once;
mod output_forms;
mod provider_errors;
mod proxy;
mod requests;
mod signals;
mod slow_readers;
mod streams;
mod support;
mod symbol_cache;
mod symbols;
