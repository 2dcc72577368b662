//! Kraken spot: WebSocket v2 and REST.
mod names;
mod ohlc;
mod rest;
mod ws;

pub(super) use rest::respond;
pub(super) use ws::Session;

use super::{config::Status, core::Core, market::View};

/// The pairs Kraken lists: a delisted one is gone.
fn listed(core: &Core) -> Vec<View> {
    let mut views = core.views();
    views.retain(|view| view.status != Status::Delisted);
    views
}
