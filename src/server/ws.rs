//! One WebSocket client.
