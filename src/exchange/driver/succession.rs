//! The lines of a connection: one is opened, one takes over from another, one is lost.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use crate::feed::{FeedStats, Sign, Topic};
use crate::model::StatusState;
use crate::net::Dial;

use super::common::keys;
use super::connection::{Coming, Connection, Opened, Which};
use super::ended::Lost;
use super::session::Session;

/// How long both lines are read after the new one has all of its subscriptions: what was traded before
/// these can still be on its way on the old one.
const OVERLAP: Duration = Duration::from_secs(1);
/// No more than one successor in so long, whatever the exchange announces.
const SUCCESSION_PAUSE: Duration = Duration::from_secs(30);
/// The part of a connection's lifetime that is left unused, and once more as much at random, so that many
/// clients do not return at the same moment: 15 minutes of 24 hours.
const LIFETIME_MARGIN: u32 = 96;

impl<D: Dial + 'static> Connection<D>
where
    D::Stream: 'static,
{
    /// When [`Connection::on_time`] is wanted.
    pub(super) fn next_timer(&self) -> Option<Instant> {
        let coming = match &self.coming {
            Coming::At(at) => Some(*at),
            Coming::Open(session) => session.settled_at().map(|at| at + OVERLAP),
            Coming::Nothing | Coming::Opening(_) | Coming::GivenUp { .. } => None,
        };
        let polling = self.polls_from();
        [coming, polling].into_iter().flatten().min()
    }

    /// Does what is due.
    pub(super) async fn on_time(&mut self, now: Instant) {
        if self.polls_from().is_some_and(|at| at <= now) {
            self.start_polling();
        }
        let is_over =
            |settled_at: Option<Instant>| settled_at.is_some_and(|at| at + OVERLAP <= now);
        let is_filled = matches!(&self.coming, Coming::Open(line) if is_over(line.settled_at()));
        if is_filled {
            self.promote().await;
        } else if matches!(&self.coming, Coming::At(at) if *at <= now) {
            self.coming = Coming::Opening(self.opening());
        }
    }

    pub(super) async fn on_opened(&mut self, opened: Opened<D::Stream>) {
        self.coming = Coming::Nothing;
        match opened {
            Ok(socket) => {
                let (common, lifetime) = (self.common.clone(), self.lifetime());
                let known = self.newest().map(|line| line.known().to_vec());
                let known = known.unwrap_or_else(|| self.known.clone());
                let session = Session::new(common, *socket, &self.wanted, known, lifetime);
                match self.current {
                    None => self.current = Some(session),
                    Some(_) => self.coming = Coming::Open(Box::new(session)),
                }
            }
            Err(lost) => {
                FeedStats::add(&self.common.stats.disconnects, 1);
                self.outage.failed();
                self.again(lost).await;
            }
        }
    }

    fn lifetime(&mut self) -> Option<Duration> {
        let lifetime = self.common.options.limits.lifetime?;
        let margin = lifetime / LIFETIME_MARGIN;
        Some(lifetime - margin - margin.mul_f64(self.random.f64()))
    }

    /// After each turn of a line: takes note of what came of its subscriptions, and hands over what it
    /// brought.
    pub(super) async fn attend(&mut self, which: Which) {
        self.drop_refused(which).await;
        let Some(line) = self.line(which) else {
            return;
        };
        if line.take_settled() {
            self.outage.end();
            let troubled = &self.common.options.troubled;
            if troubled.swap(false, Ordering::Relaxed) {
                let attempt = self.backoff.attempts();
                let state = StatusState::Connected;
                let events = self.common.statuses(&self.wanted, state, attempt, None);
                if let Some(line) = self.line(which) {
                    line.tell(events);
                }
            }
        }
        let is_long = self.line(which).is_some_and(Session::hand_over);
        self.plan_succession();
        if is_long {
            tokio::task::yield_now().await;
        }
    }

    /// What one line was refused is wanted on none.
    async fn drop_refused(&mut self, which: Which) {
        let refused = self.line(which).map(Session::take_refused);
        let refused = refused.unwrap_or_default();
        if !refused.is_empty() {
            self.unsubscribe(&refused).await;
        }
    }

    /// Where the current line must be left, a successor is made first.
    fn plan_succession(&mut self) {
        if let (Coming::Nothing, Some(line)) = (&self.coming, &self.current)
            && let Some(leave) = line.leave()
        {
            let now = Instant::now();
            let earliest = self.succeeded_at.map_or(now, |at| at + SUCCESSION_PAUSE);
            tracing::info!(exchange = %self.common.adapter.exchange(), reason = %leave.reason, "opening a successor");
            self.pace = leave.pace;
            if line.is_proven() {
                self.backoff.reset();
            }
            self.coming = Coming::At(now.max(earliest));
        }
    }

    /// The line that comes takes over; the current one, if there still is one, is closed.
    async fn promote(&mut self) {
        let coming = std::mem::replace(&mut self.coming, Coming::Nothing);
        let Coming::Open(successor) = coming else {
            return;
        };
        self.succeeded_at = Some(Instant::now());
        if let Some(old) = self.current.replace(*successor) {
            self.end_line(old, true).await;
        }
    }

    /// A line ended by itself.
    pub(super) async fn on_lost(&mut self, which: Which, lost: Lost) {
        self.drop_refused(which).await;
        // The exchange asked for it, so it holds for every connection to this host.
        self.connects.clone().pause(lost.pause).await;
        FeedStats::add(&self.common.stats.disconnects, 1);
        match which {
            Which::Current => self.on_current_lost(lost).await,
            Which::Coming => {
                if let Coming::Open(session) = std::mem::replace(&mut self.coming, Coming::Nothing)
                {
                    self.end_line(*session, false).await;
                }
                self.again(lost).await;
            }
        }
    }

    async fn on_current_lost(&mut self, lost: Lost) {
        let Some(session) = self.current.take() else {
            // It went with the last topic.
            return;
        };
        if session.is_proven() {
            self.pace = Duration::ZERO;
            self.backoff.reset();
        }
        if let Some(leave) = session.leave() {
            self.pace = leave.pace;
        }
        if session.settled_at().is_none() {
            self.outage.failed();
        }
        self.outage.begin(Instant::now());
        self.end_line(session, false).await;
        let has_settled = match &self.coming {
            Coming::Open(successor) => Some(successor.settled_at().is_some()),
            _ => None,
        };
        match has_settled {
            Some(true) => self.outage.end(),
            Some(false) => self.interrupted(&lost).await,
            None => return self.again(lost).await,
        }
        self.promote().await;
    }

    /// Hands over what a line still has; what no other line has is told as lost.
    async fn end_line(&mut self, session: Session<D::Stream>, polite: bool) {
        let remains = self.newest().map(|line| line.acknowledged().to_vec());
        let remains = remains.unwrap_or_default();
        let is_gone = |topic: &&Topic| !remains.contains(topic);
        let gone: Vec<Topic> = session
            .acknowledged()
            .iter()
            .filter(is_gone)
            .cloned()
            .collect();
        self.known = session.known().to_vec();
        session.end(polite).await;
        if !gone.is_empty() {
            self.tell_signs(vec![Sign::Lost(keys(&gone))]).await;
        }
    }
}
