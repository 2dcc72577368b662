//! Reads any lines as frames of one Coinbase connection; what they say is written, and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| tickwire_fuzz::frames(1, data));
