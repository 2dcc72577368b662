//! Pauses between tries of what a server keeps running.

use std::time::Duration;

use tokio::time::Instant;

/// The first pause; each next one is twice as long, up to the longest.
const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(300);
/// What went well for so long begins with the first one anew.
const WELL: Duration = Duration::from_secs(600);

/// How long to wait until something is tried again.
pub struct Pauses {
    next: Duration,
    begun: Instant,
}

impl Default for Pauses {
    fn default() -> Self {
        Self {
            next: FIRST,
            begun: Instant::now(),
        }
    }
}

impl Pauses {
    /// A try begins. Returns the pause after it, if it ends soon.
    pub fn begin(&mut self) -> Duration {
        self.begun = Instant::now();
        self.next
    }

    /// It has ended. Returns the pause before the next one.
    pub fn end(&mut self) -> Duration {
        if self.begun.elapsed() >= WELL {
            self.next = FIRST;
        }
        let pause = self.next;
        self.next = (pause * 2).min(LONGEST);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_fails_again_and_again_is_tried_less_and_less_often_until_it_was_well() {
        let mut pauses = Pauses::default();
        let mut seconds = Vec::new();
        for _ in 0..8 {
            pauses.begin();
            seconds.push(pauses.end().as_secs());
        }
        assert_eq!(seconds, [5, 10, 20, 40, 80, 160, 300, 300]);
        pauses.begin();
        tokio::time::sleep(WELL).await;
        assert_eq!(pauses.end(), FIRST);
    }
}
