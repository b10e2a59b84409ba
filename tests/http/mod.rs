//! `/graphql` and its neighbours as HTTP sees them.

mod bodies;
mod health;
mod media;
mod methods;
mod page;

use crate::harness::tests;

tests!(bodies, health, media, methods, page);
