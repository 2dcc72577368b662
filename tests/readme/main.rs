//! README tells the truth: its commands run and end as it says, what they print is what it shows, and its
//! tables are those of the program.

mod alerts;
mod blocks;
mod commands;
mod configuration;
mod expressions;
mod gaps;
mod names;
mod receiver;
mod schedules;
mod server;
mod serving;
mod stage;
mod tables;

use std::fs;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).expect("README.md exists")
}
