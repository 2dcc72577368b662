//! Takes every event from the engine, keeps the newest state and hands events to the hub.
