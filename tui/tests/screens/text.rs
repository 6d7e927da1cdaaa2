//! Messages on their way to the screen, made by lot.

#[path = "../../../shared/tests/support/mutated.rs"]
mod mutated;
#[path = "../properties/text.rs"]
mod property;

use mutated::{many, mutated, seeds};
use proptest::prelude::*;

#[test]
fn the_seeds() {
    seeds("tests/seeds/text").iter().for_each(|message| property::check(message));
}

proptest! {
    #![proptest_config(many())]

    #[test]
    fn nothing_of_a_message_is_lost_or_too_wide(message in mutated(seeds("tests/seeds/text"))) {
        property::check(&message);
    }
}
