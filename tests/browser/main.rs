//! The dashboard in a real browser, without a screen: headless Chromium over its DevTools protocol, against the built
//! program. Screenshots are left in `target/screenshots`. Without Chromium nothing is tested, which is told.

mod chromium;
mod odd_names;
mod server;
mod walk;
