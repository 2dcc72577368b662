//! Ten thousand broken frames among as many good ones, for each exchange, over the whole client: every good one
//! arrives, every broken one is counted, and nothing else happens.

mod broken;

use tickwire::sim::Venue;

const FRAMES: usize = 10_000;

async fn broken_frames_harm_no_good_one(venue: Venue) {
    let outcome = broken::run(venue, FRAMES).await;
    assert!(
        outcome.exact,
        "a good trade is missing, or there is something else"
    );
    assert_eq!(outcome.bad_frames, FRAMES as u64);
    assert_eq!((outcome.connects, outcome.disconnects), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn broken_frames_of_binance_harm_no_good_one() {
    broken_frames_harm_no_good_one(Venue::Binance).await;
}

#[tokio::test(start_paused = true)]
async fn broken_frames_of_coinbase_harm_no_good_one() {
    broken_frames_harm_no_good_one(Venue::Coinbase).await;
}

#[tokio::test(start_paused = true)]
async fn broken_frames_of_kraken_harm_no_good_one() {
    broken_frames_harm_no_good_one(Venue::Kraken).await;
}
