//! The spellings of a Kraken pair.
use crate::sim::market::Info;

/// Old currencies have four-letter codes with `X`; the newer ones keep their name.
const OLD_CRYPTO: [&str; 11] = [
    "XBT", "ETH", "LTC", "XRP", "XLM", "XMR", "ZEC", "ETC", "REP", "MLN", "XDG",
];
const OLD_FIAT: [&str; 6] = ["USD", "EUR", "GBP", "CAD", "JPY", "AUD"];

/// `XBT` for `BTC`, `XDG` for `DOGE`.
fn v1(currency: &str) -> &str {
    match currency {
        "BTC" => "XBT",
        "DOGE" => "XDG",
        other => other,
    }
}

/// The asset code: `XXBT`, `ZUSD`, `SOL`.
pub(super) fn asset(currency: &str) -> String {
    let code = v1(currency);
    if OLD_CRYPTO.contains(&code) {
        format!("X{code}")
    } else if OLD_FIAT.contains(&code) {
        format!("Z{code}")
    } else {
        code.to_owned()
    }
}

/// `XBTUSD`.
pub(super) fn altname(info: &Info) -> String {
    format!("{}{}", v1(&info.base), v1(&info.quote))
}

/// `XBT/USD`: the name on the frozen v1 socket.
pub(super) fn wsname(info: &Info) -> String {
    format!("{}/{}", v1(&info.base), v1(&info.quote))
}

/// The key in REST results: `XXBTZUSD` when both halves are old, else the altname (`XDGUSD` too).
pub(super) fn key(info: &Info) -> String {
    let (base, quote) = (asset(&info.base), asset(&info.quote));
    let both_old = base.len() == 4 && quote.len() == 4 && base != v1(&info.base);
    if both_old && quote != v1(&info.quote) && info.base != "DOGE" {
        base + &quote
    } else {
        altname(info)
    }
}
