//! The built binary against simulated exchanges on loopback: what scripts and people rely on.

mod alert_memory;
mod closed_pipes;
mod config;
mod exactness;
mod expressions;
mod many_processes;
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
