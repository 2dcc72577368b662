//! How reliable it is, in figures: each one JSON line with what was measured, what would pass, and whether it does.
//!
//! ```sh
//! cargo build --release
//! cargo run --release --features sim --example figures             # all but the soak
//! cargo run --release --features sim --example figures -- A2 A12   # some
//! cargo run --release --features sim --example figures -- A1 --minutes 10
//! ```
//!
//! Everything runs on loopback or in virtual time. A1, A16 and H1 start the built program, the others use the library.

#[path = "../../tests/malformed/broken.rs"]
mod broken;
mod history;
mod line;
// The tests read more of it.
#[allow(dead_code)]
#[path = "../../tests/sweep/play.rs"]
mod play;
mod process;
mod stage;
mod virtual_time;

use serde_json::{Value, json};

const ALL: [&str; 10] = [
    "A1", "A2", "A3", "A4", "A5", "A6", "A11", "A12", "A16", "H1",
];

/// One figure.
pub struct Figure {
    measured: Value,
    limit: &'static str,
    pass: bool,
}

fn main() {
    let (mut names, mut minutes) = (Vec::new(), 1);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--minutes" => {
                let number = arguments.next().and_then(|text| text.parse().ok());
                minutes = number.unwrap_or_else(|| usage("`--minutes` wants a whole number"));
            }
            name if ALL.contains(&name) => names.push(argument),
            other => usage(&format!(
                "no figure `{other}`; there are {}",
                ALL.join(", ")
            )),
        }
    }
    if names.is_empty() {
        names = ALL[1..].iter().map(ToString::to_string).collect();
    }
    let mut failed = false;
    for name in names {
        let figure = measure(&name, minutes);
        failed |= !figure.pass;
        let Figure {
            measured,
            limit,
            pass,
        } = figure;
        println!(
            "{}",
            json!({"figure": name, "measured": measured, "limit": limit, "pass": pass})
        );
    }
    std::process::exit(i32::from(failed));
}

fn usage(why: &str) -> ! {
    eprintln!("figures: {why}");
    std::process::exit(2);
}

fn measure(name: &str, minutes: u64) -> Figure {
    match name {
        "A1" => stage::real_time(process::soak(minutes)),
        "A2" => stage::real_time(line::recovery(50)),
        "A3" => stage::real_time(line::half_open(5)),
        "A4" => virtual_time::stall(10),
        "A5" => virtual_time::seeds(200),
        "A6" => virtual_time::malformed(10_000),
        "A11" => virtual_time::flap(50),
        "A12" => virtual_time::obedience(),
        "H1" => stage::real_time(history::year()),
        _ => stage::real_time(process::signals(20)),
    }
}
