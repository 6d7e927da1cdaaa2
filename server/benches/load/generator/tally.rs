//! What was sent, and what became of it.

use crate::report::Figures;
use crate::stamp::Stamp;
use anyhow::Result;
use hdrhistogram::Histogram;

/// Of all connections together.
pub(super) struct Tally {
    pub(super) sent: u64,
    pub(super) delivered: u64,
    pub(super) acked: u64,
    /// Deliveries that were there already.
    twice: u64,
    /// Deliveries behind a later one of the same sender.
    out_of_order: u64,
    /// When the last one came, in nanoseconds since the generator began.
    pub(super) last: u64,
    /// Microseconds from sending to delivery, and to the ack.
    delivery: Histogram<u64>,
    ack: Histogram<u64>,
}

/// What one connection has of the messages of each sender.
#[derive(Default)]
pub(super) struct Received(Vec<(u32, Numbers)>);

/// Which numbers are there: all below `next` except the missing.
#[derive(Default)]
struct Numbers {
    next: u32,
    missing: Vec<u32>,
}

enum Arrival {
    InOrder,
    Late,
    Again,
}

impl Numbers {
    fn add(&mut self, number: u32) -> Arrival {
        if number >= self.next {
            self.missing.extend(self.next..number);
            self.next = number + 1;
            Arrival::InOrder
        } else if let Some(at) = self.missing.iter().position(|missing| *missing == number) {
            self.missing.swap_remove(at);
            Arrival::Late
        } else {
            Arrival::Again
        }
    }
}

impl Received {
    fn of(&mut self, sender: u32) -> &mut Numbers {
        let at = self.0.iter().position(|(from, _)| *from == sender).unwrap_or_else(|| {
            self.0.push((sender, Numbers::default()));
            self.0.len() - 1
        });
        &mut self.0[at].1
    }
}

impl Tally {
    pub(super) fn new() -> Result<Self> {
        let histogram = || Histogram::new_with_bounds(1, 120_000_000, 3);
        Ok(Self {
            sent: 0,
            delivered: 0,
            acked: 0,
            twice: 0,
            out_of_order: 0,
            last: 0,
            delivery: histogram()?,
            ack: histogram()?,
        })
    }

    /// Counts a delivery. False: it was there already.
    pub(super) fn deliver(&mut self, received: &mut Received, stamp: Stamp, now: u64) -> bool {
        match received.of(stamp.sender).add(stamp.number) {
            Arrival::InOrder => {}
            Arrival::Late => self.out_of_order += 1,
            Arrival::Again => {
                self.twice += 1;
                return false;
            }
        }
        self.delivery.saturating_record(micros(stamp.sent, now));
        self.delivered += 1;
        self.last = now;
        true
    }

    /// Counts the ack of what was sent then.
    pub(super) fn acknowledge(&mut self, sent: u64, now: u64) {
        self.ack.saturating_record(micros(sent, now));
        self.acked += 1;
    }

    /// What came of it, each sent message being for so many.
    pub(super) fn figures(&self, receivers: u64) -> Figures {
        let mut figures = Figures::from([
            ("sent".to_owned(), self.sent as f64),
            ("lost".to_owned(), (self.sent * receivers).saturating_sub(self.delivered) as f64),
            ("twice".to_owned(), self.twice as f64),
            ("out_of_order".to_owned(), self.out_of_order as f64),
        ]);
        let quantiles = [("p50_ms", 0.5), ("p99_ms", 0.99), ("max_ms", 1.0)];
        for (prefix, histogram) in [("", &self.delivery), ("ack_", &self.ack)] {
            for (name, quantile) in quantiles.iter().filter(|_| !histogram.is_empty()) {
                figures
                    .insert(format!("{prefix}{name}"), histogram.value_at_quantile(*quantile) as f64 / 1e3);
            }
        }
        figures
    }
}

/// From then to now, at least one: a histogram begins there.
fn micros(then: u64, now: u64) -> u64 {
    (now.saturating_sub(then) / 1000).max(1)
}
