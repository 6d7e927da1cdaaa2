//! Messages on their way to the screen, made by lot.

#[path = "../../../shared/tests/support/mutated.rs"]
mod mutated;
#[path = "../properties/text.rs"]
mod text;

use mutated::{many, mutated, seeds};
use proptest::prelude::*;

#[test]
fn the_seeds() {
    seeds("tests/seeds/text").iter().for_each(|message| text::check(message));
}

proptest! {
    #![proptest_config(many())]

    #[test]
    fn nothing_of_a_message_is_lost_or_too_wide(message in mutated(seeds("tests/seeds/text"))) {
        text::check(&message);
    }
}
