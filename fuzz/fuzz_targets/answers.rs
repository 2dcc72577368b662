//! Reads any text as the answer to every question over REST, of every exchange.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| tickwire_fuzz::answers(data));
