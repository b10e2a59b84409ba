//! GraphQL reads as a client sees them. Where it can, a test asks for plain rows and works out itself
//! what the hub must answer to an order, a filter or an aggregate over them.

mod aggregates;
mod documents;
mod filters;
pub mod freshness;
mod introspection;
mod lens;
mod limits;
mod nodes;
mod pages;
mod rows;
mod tools;
mod variables;
mod viewer;

use crate::harness::tests;

tests!(aggregates, documents, filters, freshness, introspection, lens, limits, nodes, pages, tools, variables, viewer);

const ADMIN: &str = "nordwind/admin";
const PLANNER: &str = "nordwind/planner";
const MARKETING: &str = "nordwind/marketing";
/// Supplier A.
const AQUA: &str = "aqua-seals/partner_planner";
/// Distributor B, to whom fields of customers are shown by the row or shortened.
const BERGMANN: &str = "bergmann/partner_sales";
