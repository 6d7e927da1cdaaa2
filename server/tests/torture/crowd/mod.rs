//! Crowds: what is promised holds for thousands of connections as it does for seven, and what they cost has bounds.
//!
//! Each scenario has two sizes: a small one among the ordinary tests, and the one that the promise speaks of, which
//! `scripts/torture crowd` runs. The clients share the machine with the server, so bounds of time are wide or are ratios,
//! and everything else is counted.

mod descriptors;
mod figures;
mod follower;
mod half_open;
mod people;
mod presence;
mod slow;
mod stop;
mod storm;
mod watcher;
mod writer;

use crate::raw::Came;
use figures::Figures;
use std::pin::Pin;
use std::time::Duration;

/// How long a small scenario may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

type Running<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// How many come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    /// A few hundred.
    Small,
    /// As many as the promise says.
    Full,
}

impl Size {
    fn of<T>(self, small: T, full: T) -> T {
        match self {
            Self::Small => small,
            Self::Full => full,
        }
    }
}

/// Something that a crowd does, or that is done to it.
struct Scenario {
    name: &'static str,
    run: for<'a> fn(Size, &'a mut Figures) -> Running<'a>,
}

const SCENARIOS: &[Scenario] = &[
    Scenario { name: "slow", run: |size, figures| Box::pin(slow::slow(size, figures)) },
    Scenario { name: "half_open", run: |size, figures| Box::pin(half_open::half_open(size, figures)) },
    Scenario { name: "storm", run: |size, figures| Box::pin(storm::storm(size, figures)) },
    Scenario { name: "stop", run: |size, figures| Box::pin(stop::stop(size, figures)) },
    Scenario { name: "presence", run: |size, figures| Box::pin(presence::presence(size, figures)) },
    Scenario { name: "descriptors", run: |size, figures| Box::pin(descriptors::descriptors(size, figures)) },
];

/// Runs the scenario of this name, or every one, prints the figures, and insists that each is within its bound.
pub(crate) async fn run(size: Size, named: Option<&str>) {
    let chosen = || SCENARIOS.iter().filter(|scenario| named.is_none_or(|name| name == scenario.name));
    assert!(chosen().next().is_some(), "{named:?}: no such crowd");
    let mut figures = Figures::default();
    for scenario in chosen() {
        figures.begin(scenario.name);
        let patience = size.of(PATIENCE, PATIENCE * 5);
        let ended = tokio::time::timeout(patience, (scenario.run)(size, &mut figures)).await;
        assert!(ended.is_ok(), "{} does not come to an end", scenario.name);
    }
    println!("{}", figures.table());
    assert!(figures.broken.is_empty(), "beyond their bounds: {:#?}", figures.broken);
}
