//! Reads any text as a decimal and as a time; what can be read is written, and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tickwire::model::{Timestamp, parse_decimal, write_decimal};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(decimal) = parse_decimal(text) {
        let mut written = Vec::new();
        write_decimal(decimal, &mut written);
        let written = std::str::from_utf8(&written).expect("digits are text");
        let again = parse_decimal(written).expect("its own digits can be read");
        // The number and its zeros, not only the number.
        assert_eq!((again, again.scale()), (decimal, decimal.scale()), "{text}");
    }
    if let Some(time) = Timestamp::parse(text) {
        let written = time.to_string();
        let again = Timestamp::parse(&written).expect("its own text can be read");
        // Microseconds are written.
        assert_eq!(again.nanos(), time.nanos().div_euclid(1_000) * 1_000, "{text}");
    }
    if let Some(time) = Timestamp::parse_seconds(text) {
        assert!(time.nanos() >= 0, "{text}");
    }
});
