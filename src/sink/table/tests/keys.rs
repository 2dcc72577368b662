//! What keys do.

use super::*;

#[test]
fn more_rows_than_lines_scroll() {
    let markets: Vec<Market> = (0..50).map(|n| market(&format!("C{n:02}"))).collect();
    let mut state = TableState::new(markets, &[Stream::Ticker]);
    let first = |state: &mut TableState| screen(state, 80, 13, 0)[2][1..4].to_owned();
    assert_eq!(first(&mut state), "C00");
    assert_eq!(key(&mut state, KeyCode::Up), Action::Nothing);
    for (code, shown) in [
        (KeyCode::Down, "C01"),
        (KeyCode::Char('j'), "C02"),
        (KeyCode::PageDown, "C12"),
        (KeyCode::Char('k'), "C11"),
        (KeyCode::PageUp, "C01"),
        (KeyCode::End, "C40"),
        (KeyCode::Up, "C39"),
        (KeyCode::Home, "C00"),
    ] {
        assert_eq!(key(&mut state, code), Action::Redraw, "{code:?}");
        assert_eq!(first(&mut state), shown, "{code:?}");
    }
    key(&mut state, KeyCode::End);
    assert_eq!(key(&mut state, KeyCode::Down), Action::Nothing);
    let footer = screen(&mut state, 80, 13, 0).pop().unwrap();
    assert!(
        footer.ends_with("41-50/50  ↑↓ scroll  s order: as asked  q quit"),
        "{footer}"
    );
    // A larger screen has nothing left to scroll.
    assert_eq!(screen(&mut state, 80, 60, 0)[2][1..4], *"C00");
}

#[test]
fn s_changes_the_order() {
    let (zed, abc) = (market("ZED"), market("ABC"));
    let mut state = TableState::new(vec![zed, market("NEW"), abc], &[Stream::Ticker]);
    for (market, percent) in [(zed, "-1"), (abc, "2")] {
        let ticker = Ticker {
            change_percent_24h: percent.parse().ok(),
            ..Ticker::empty(market, at(0))
        };
        state.apply(&Event::Ticker(Arc::new(ticker)), at(0));
    }
    let mut order = || {
        let lines = screen(&mut state, 80, 6, 0);
        let rows = lines[2..5].iter().map(|line| line[1..4].to_owned());
        key(&mut state, KeyCode::Char('s'));
        rows.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(order(), "ZED NEW ABC");
    assert_eq!(order(), "ABC ZED NEW");
    assert_eq!(order(), "ABC NEW ZED");
    assert_eq!(order(), "ZED NEW ABC");
}

#[test]
fn q_escape_and_control_c_leave_and_a_resize_repaints() {
    let mut state = tickers();
    assert_eq!(key(&mut state, KeyCode::Char('q')), Action::Quit);
    assert_eq!(key(&mut state, KeyCode::Esc), Action::Quit);
    assert_eq!(key(&mut state, KeyCode::Char('c')), Action::Nothing);
    let control = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL);
    assert_eq!(state.key(control('c')), Action::Quit);
    assert_eq!(state.key(control('l')), Action::Repaint);
    assert_eq!(state.key(control('q')), Action::Nothing);
    assert_eq!(state.input(&Input::Resize(1, 1)), Action::Repaint);
    assert_eq!(state.input(&Input::FocusLost), Action::Nothing);
}
