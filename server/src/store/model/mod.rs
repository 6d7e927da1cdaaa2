//! What goes into the store and comes out, where it is not already a shape of the wire.

mod accounts;
mod changes;
mod groups;
mod history;
mod messages;

pub use accounts::*;
pub use changes::*;
pub use groups::*;
pub use history::*;
pub use messages::*;
