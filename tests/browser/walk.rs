//! Through the whole page, as somebody who keeps it open.

use serde_json::json;

use super::chromium::Page;
use super::server::{Home, WAIT};

const CONFIG: &str = r#"
[portfolio]
quote = "USD"
[portfolio.holdings]
BTC = 2.0
ETH = { amount = 10.5, cost = 2000 }
[strategies.dip]
buy = "rsi(14) < 45"
sell = "rsi(14) > 55"
interval = "1m"
[[alert]]
name = "watchdog"
symbols = ["ETH"]
condition = "price < 1"
"#;

/// The price in the first row, as it is shown.
const PRICE: &str = "document.querySelector('#watch tr .price').textContent";

#[tokio::test]
async fn prices_move_the_chart_draws_alerts_fire_and_a_lost_server_is_found_again() {
    let Some(mut page) = Page::open().await else {
        return;
    };
    let home = Home::new(CONFIG);
    let (mut server, url) = home.start(0).await;
    let port: u16 = url.rsplit_once(':').unwrap().1.parse().unwrap();
    page.look_like(1440, 1000, "light").await;
    page.go(&url).await;
    page.until("document.body.dataset.state === 'live'").await;
    page.until("document.querySelectorAll('#watch tr.market').length === 3")
        .await;

    // Prices move.
    let first = page.text(PRICE).await;
    assert!(first.contains(|c: char| c.is_ascii_digit()), "{first}");
    page.until(&format!("{PRICE} !== {}", json!(first))).await;

    // The chart draws: its canvases hold many colours.
    let drawn = "(() => { let n = 0; for (const canvas of document.querySelectorAll('#chart canvas')) { \
        if (!canvas.width || !canvas.height) continue; const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data; \
        for (let i = 3; i < data.length; i += 4) if (data[i] > 0) n += 1; } return n; })() > 3000";
    page.until(drawn).await;
    page.until("document.getElementById('legend').textContent.includes('O ')")
        .await;
    page.until("document.querySelectorAll('#tape tr').length > 5")
        .await;
    page.until("document.querySelectorAll('#holdings tr').length >= 2")
        .await;
    page.until("document.getElementById('strategies').textContent.includes('dip')")
        .await;
    page.until("document.getElementById('alerts').textContent.includes('watchdog')")
        .await;
    page.until("document.getElementById('feeds').textContent.includes('mock')")
        .await;

    // Another interval.
    page.value("[...document.querySelectorAll('#intervals button')].find(b => b.textContent === '5m').click()")
        .await;
    page.until(drawn).await;

    // An alert is created and fires.
    page.type_into("alert-condition", "price > 1").await;
    page.press("Enter", 13).await;
    page.until("document.getElementById('firings').textContent.includes('price > 1')")
        .await;
    page.until("document.getElementById('alerts').textContent.includes('price > 1')")
        .await;
    // A wrong one is explained.
    page.type_into("alert-condition", "price >").await;
    page.press("Enter", 13).await;
    page.until("!document.getElementById('alert-error').hidden && document.getElementById('alert-error').textContent.length > 5")
        .await;
    page.type_into("alert-condition", "").await;
    // It is deleted again.
    page.value("[...document.querySelectorAll('#alerts .remove')][0].click()")
        .await;
    page.until("!document.getElementById('alerts').textContent.includes('price > 1')")
        .await;
    page.value("document.getElementById('alert-error').hidden = true")
        .await;

    every_control_is_reached_by_the_keyboard(&mut page).await;
    page.value("document.activeElement.blur(); scrollTo(0, 0)")
        .await;
    screenshots(&mut page).await;
    // One refusal was provoked above; nothing else may have gone wrong.
    let others: Vec<_> = page.errors.iter().filter(|e| !e.contains("422")).collect();
    assert!(others.is_empty(), "{others:#?}");

    // The server dies: what is shown is not passed for the present.
    server.kill().await.unwrap();
    page.until("document.body.dataset.state !== 'live'").await;
    page.until("document.getElementById('connection-text').textContent.includes('stale since')")
        .await;
    page.shoot("desktop-light-stale", false).await;
    // It is back: so are the prices, by themselves.
    let (_server, again) = home.start(port).await;
    assert_eq!(again, url);
    page.until("document.body.dataset.state === 'live'").await;
    let first = page.text(PRICE).await;
    page.until(&format!("{PRICE} !== {}", json!(first))).await;
    assert_eq!(page.dialogs, 0);
}

async fn every_control_is_reached_by_the_keyboard(page: &mut Page) {
    let all = "[...document.querySelectorAll('a[href], button, input, summary, [tabindex=\"0\"]')]\
        .filter(e => e.checkVisibility() && !e.disabled && e.tabIndex >= 0)";
    let count = page.value(&format!("{all}.length")).await.as_u64().unwrap();
    page.value(
        "window.reached = new Set(); document.body.focus(); scrollTo(0, 0); \
        document.addEventListener('focusin', e => window.reached.add(e.target)); 0",
    )
    .await;
    page.value("document.querySelector('.skip').focus(); 0")
        .await;
    for _ in 0..count + 20 {
        page.press("Tab", 9).await;
    }
    let missed = page
        .value(&format!(
            "{all}.filter(e => !window.reached.has(e) && !e.classList.contains('skip')).map(e => e.outerHTML.slice(0, 120))"
        ))
        .await;
    assert_eq!(missed, json!([]), "of {count}");
}

async fn screenshots(page: &mut Page) {
    for scheme in ["light", "dark"] {
        page.look_like(1440, 1000, scheme).await;
        page.shoot(&format!("desktop-{scheme}"), false).await;
        page.look_like(390, 844, scheme).await;
        page.shoot(&format!("phone-{scheme}"), true).await;
    }
    page.look_like(3840, 2160, "dark").await;
    page.shoot("4k-dark", false).await;
    page.look_like(360, 740, "light").await;
    let wide = "document.documentElement.scrollWidth <= document.documentElement.clientWidth";
    tokio::time::timeout(WAIT, page.until(wide)).await.unwrap();
    page.look_like(1440, 1000, "light").await;
}
