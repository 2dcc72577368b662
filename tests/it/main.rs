//! The built binary against simulated exchanges on loopback: what scripts and people rely on.

mod alert_actions;
mod alert_between;
mod alert_codes;
mod alert_config;
mod alert_crash;
mod alert_memory;
mod alert_parallel;
mod alert_secrets;
mod alert_support;
mod alert_views;
mod alert_watch;
mod closed_pipes;
mod config;
mod exactness;
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
