//! The gate. Nothing outside this folder reaches the database: every door asks here, with its caller.

pub mod chain;
pub mod compile;
pub mod connect;
mod convert;
pub mod facts;
mod former;
mod gate;
pub mod guard;
mod guess;
mod joint;
pub mod key;
pub mod load;
pub mod log;
pub mod look;
pub mod memory;
pub mod moments;
pub mod outbox;
pub mod pred;
pub mod probe;
pub mod read;
pub mod roster;
mod scope;
pub mod select;
mod sql;
pub mod trace;
mod treat;
mod url;
pub mod view;
pub mod webhooks;
pub mod write;

pub use compile::dry;
pub use convert::NotSql;
pub use gate::{Gate, Reading};
pub use roster::{Caller, Origin, Seat};
pub use treat::Treatment;
pub use view::{View, ViewClass};
