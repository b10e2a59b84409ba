//! The world that is read: a manufacturer with 50 suppliers, each of which sees its own half of 100,000
//! demand buckets. Every row follows from its number, so that both databases hold the same bytes.

use chrono::{Days, NaiveDate};
use entente::access::{connect::Db, load::Load};
use entities::{
    Decimal, Instant, agreement_field, agreement_scope, customer, customer_team, demand_bucket, demand_series,
    forecast_version, order_line, org_role, organisation, principal, product, role_assignment, sales_order,
    sharing_agreement,
};
use sea_orm::{EntityTrait, IntoActiveModel};
use uuid::{Builder, Uuid};

use crate::Outcome;

/// The clock of the hub and of the handler when they start.
pub const NOW: &str = "2026-07-01T12:00:00Z";
pub const SUPPLIERS: usize = 50;
pub const REGIONS: [&str; 8] = ["DE", "AT", "CH", "FR", "IT", "NL", "PL", "CZ"];

const OTHERS: usize = 149;
const PRODUCTS: usize = 2_000;
const CUSTOMERS: usize = 2_000;
const ORDERS: usize = 10_000;
const LINES: usize = 10;
/// Weeks of each planning run; the last one is published, the others are history.
const RUNS: [u64; 4] = [10, 10, 10, 20];
const FAMILIES: [&str; 12] = [
    "pumps",
    "seals",
    "bearings",
    "valves",
    "motors",
    "housings",
    "shafts",
    "impellers",
    "filters",
    "sensors",
    "drives",
    "couplings",
];
/// Of the twelve families of products, those that every supplier's agreement covers.
pub const SHARED_FAMILIES: [&str; 6] = ["pumps", "bearings", "motors", "shafts", "filters", "drives"];
const CHUNK: usize = 10_000;

struct World<'a> {
    load: &'a mut Load,
    keys: u64,
    now: Instant,
}

pub fn supplier_slug(n: usize) -> String {
    format!("supplier-{n}")
}

/// Builds the world in an empty, migrated database. With `times` there are so many times as many orders
/// and buckets.
pub async fn build(db: &Db, times: usize) -> Outcome<()> {
    let mut load = db.load().await?;
    World { load: &mut load, keys: 0, now: NOW.parse()? }.rows(times).await?;
    Ok(load.commit().await?)
}

/// A number that looks like chance.
fn mixed(n: usize) -> usize {
    let mut x = (n as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (x ^ (x >> 31)) as usize
}

fn day(offset: i64) -> NaiveDate {
    let base = NaiveDate::from_ymd_opt(2026, 6, 29).unwrap_or_default();
    if offset < 0 { base - Days::new(offset.unsigned_abs()) } else { base + Days::new(offset.unsigned_abs()) }
}

fn money(n: usize, least: i64, most: i64) -> Decimal {
    // cents
    Decimal((least + (mixed(n) % (most - least) as usize) as i64) * 100)
}

impl World<'_> {
    /// Keys rise in the order in which rows are made, as those of a real hub do.
    fn id(&mut self) -> Uuid {
        self.keys += 1;
        let mut rest = [0; 10];
        rest[2..].copy_from_slice(&(mixed(self.keys as usize) as u64).to_be_bytes());
        Builder::from_unix_timestamp_millis(1_700_000_000_000 + self.keys, &rest).into_uuid()
    }

    async fn write<E>(&mut self, rows: Vec<E::Model>) -> Outcome<()>
    where
        E: EntityTrait,
        E::Model: IntoActiveModel<E::ActiveModel>,
    {
        let rows = rows.into_iter().map(IntoActiveModel::into_active_model).collect();
        Ok(self.load.insert_many::<E>(rows).await?)
    }

    async fn rows(&mut self, times: usize) -> Outcome<()> {
        let organisations = self.organisations().await?;
        let (host, suppliers) = (organisations[0], &organisations[1..=SUPPLIERS]);
        let planner = self.person(host, "paula", "planner").await?;
        let finance = self.person(host, "fiona", "finance").await?;
        let customers = self.customers(finance).await?;
        let products = self.products().await?;
        for (n, supplier) in suppliers.iter().enumerate() {
            let person = self.person(*supplier, "alice", "partner_planner").await?;
            self.agreement(n, (host, planner), (*supplier, person), &products).await?;
        }
        self.orders(times, &customers, &products, suppliers).await?;
        self.demand(times, planner, &customers, &products, suppliers).await
    }

    async fn organisations(&mut self) -> Outcome<Vec<Uuid>> {
        let (mut all, mut roles) = (Vec::new(), Vec::new());
        for n in 0..=SUPPLIERS + OTHERS {
            let (slug, kind) = match n {
                0 => ("nordwind".to_owned(), "internal"),
                n if n <= SUPPLIERS => (supplier_slug(n - 1), "supplier"),
                n => (format!("firm-{n}"), if n % 5 == 0 { "distributor" } else { "customer" }),
            };
            let (id, role) = (self.id(), self.id());
            all.push(organisation::Model {
                id,
                parent_id: None,
                display_name: slug.clone(),
                legal_name: format!("{slug} GmbH"),
                slug,
                country: "DE".into(),
                region: "DE".into(),
                external_ids: None,
                partner_tier: None,
                risk_rating: None,
                nda_ref: None,
                transfer_contract: None,
                privacy_contact: None,
                status: "active".into(),
                created_at: self.ago(900),
            });
            roles.push(org_role::Model {
                id: role,
                organisation_id: id,
                kind: kind.into(),
                valid_from: self.ago(900),
                valid_to: None,
            });
        }
        let ids = all.iter().map(|o| o.id).collect();
        self.write::<organisation::Entity>(all).await?;
        self.write::<org_role::Entity>(roles).await?;
        Ok(ids)
    }

    fn ago(&self, days: i64) -> Instant {
        Instant(self.now.0 - days * 86_400_000_000)
    }

    async fn person(&mut self, organisation_id: Uuid, slug: &str, role: &str) -> Outcome<Uuid> {
        let (id, assignment) = (self.id(), self.id());
        let person = principal::Model {
            id,
            organisation_id,
            unit_id: None,
            slug: slug.into(),
            kind: "user".into(),
            subject: id.to_string(),
            display_name: slug.into(),
            email: None,
            locale: None,
            status: "active".into(),
            last_seen_at: None,
        };
        let assignment = role_assignment::Model {
            id: assignment,
            principal_id: id,
            role: role.into(),
            scope_unit_id: None,
            valid_from: self.ago(800),
            valid_to: None,
            networks: None,
            cost_per_minute: None,
        };
        self.write::<principal::Entity>(vec![person]).await?;
        self.write::<role_assignment::Entity>(vec![assignment]).await?;
        Ok(id)
    }

    /// One in fifty is under a non-disclosure agreement, half of these to the point of not existing. The
    /// person is on the team of a few of them.
    async fn customers(&mut self, person: Uuid) -> Outcome<Vec<Uuid>> {
        let (mut all, mut team) = (Vec::new(), Vec::new());
        for n in 0..CUSTOMERS {
            let id = self.id();
            let nda_level = if n % 50 == 7 { 1 + i16::from(n % 100 == 7) } else { 0 };
            if n % 500 == 7 {
                team.push(customer_team::Model { id: self.id(), customer_id: id, principal_id: person });
            }
            all.push(customer::Model {
                id,
                organisation_id: None,
                name: format!("Wasserwerk {n}"),
                code_name: Some(format!("K-{n}")),
                segment: "key".into(),
                industry: Some(["water", "chemistry", "food", "energy"][n % 4].into()),
                country: REGIONS[n % 8].into(),
                region: REGIONS[n % 8].into(),
                postcode: Some(format!("{:05}", mixed(n) % 100_000)),
                city: Some("Kiel".into()),
                street: Some(format!("Hafenweg {n}")),
                owner_id: None,
                lifecycle_stage: "customer".into(),
                portfolio_strategy: None,
                nda_level,
                credit_limit: Some(money(n, 100_000, 90_000_000)),
                annual_revenue: None,
                clv: None,
                churn_risk: None,
                assigned_partner_id: None,
                created_at: self.ago(700),
                updated_at: self.ago(5),
            });
        }
        let ids = all.iter().map(|c| c.id).collect();
        self.write::<customer::Entity>(all).await?;
        self.write::<customer_team::Entity>(team).await?;
        Ok(ids)
    }

    async fn products(&mut self) -> Outcome<Vec<Uuid>> {
        let mut all = Vec::new();
        for n in 0..PRODUCTS {
            all.push(product::Model {
                id: self.id(),
                sku: format!("NW-{n:05}"),
                name: format!("{} {n}", FAMILIES[n % 12]),
                family: FAMILIES[n % 12].into(),
                gtin: None,
                uom: "pcs".into(),
                lifecycle: "active".into(),
                embargo_until: (n % 40 == 3).then(|| Instant(self.now.0 + 30 * 86_400_000_000)),
                list_price: Some(money(n, 500, 200_000)),
                standard_cost: Some(money(n, 200, 100_000)),
            });
        }
        let ids = all.iter().map(|p| p.id).collect();
        self.write::<product::Entity>(all).await?;
        Ok(ids)
    }

    /// Half of the families, five products by name, all of it but two products.
    async fn agreement(
        &mut self,
        supplier: usize,
        (grantor_id, planner): (Uuid, Uuid),
        (grantee_id, person): (Uuid, Uuid),
        products: &[Uuid],
    ) -> Outcome<()> {
        let agreement = sharing_agreement::Model {
            id: self.id(),
            grantor_id,
            grantee_id,
            title: "Demand".into(),
            purpose: "planning".into(),
            legal_ref: None,
            status: "active".into(),
            valid_from: self.ago(700),
            valid_to: None,
            read_after_end_days: 30,
            history_days: None,
            horizon_days: None,
            k_threshold: None,
            signed_by_grantor_id: Some(planner),
            signed_by_grantee_id: Some(person),
        };
        let mut scopes = Vec::new();
        let named = |n: usize| Some(products[supplier + SUPPLIERS * n]);
        let mut scope = |world: &mut Self, effect: &str, family: Option<&str>, product_id: Option<Uuid>| {
            scopes.push(agreement_scope::Model {
                id: world.id(),
                agreement_id: agreement.id,
                object_type: "demand".into(),
                effect: effect.into(),
                product_id,
                product_family: family.map(Into::into),
                region: None,
                customer_id: None,
                valid_from: None,
                valid_to: None,
            });
        };
        for family in SHARED_FAMILIES {
            scope(self, "include", Some(family), None);
        }
        for n in NAMED {
            scope(self, "include", None, named(n));
        }
        for n in EXCLUDED {
            scope(self, "exclude", None, named(n));
        }
        let field = agreement_field::Model {
            id: self.id(),
            agreement_id: agreement.id,
            object_type: "DemandBucket".into(),
            field: "qtyLow".into(),
            treatment: "band".into(),
            param: Some("10".into()),
            writable: false,
        };
        self.write::<sharing_agreement::Entity>(vec![agreement]).await?;
        self.write::<agreement_scope::Entity>(scopes).await?;
        self.write::<agreement_field::Entity>(vec![field]).await
    }

    async fn orders(&mut self, times: usize, customers: &[Uuid], products: &[Uuid], suppliers: &[Uuid]) -> Outcome<()> {
        const STATUS: [&str; 4] = ["open", "confirmed", "shipped", "invoiced"];
        let (mut orders, mut lines) = (Vec::new(), Vec::new());
        for n in 0..ORDERS * times {
            let (id, of) = (self.id(), mixed(n) % customers.len());
            // two years of orders, oldest first
            let placed = -730 + (n * 730 / (ORDERS * times)) as i64;
            orders.push(sales_order::Model {
                id,
                number: format!("SO-{n:07}"),
                customer_id: customers[of],
                sold_by_id: None,
                owner_id: None,
                carrier_id: None,
                ship_to_unit_id: None,
                ship_to_country: REGIONS[of % 8].into(),
                ship_to_region: REGIONS[of % 8].into(),
                ship_to_postcode: "24103".into(),
                status: STATUS[mixed(n + 1) % 4].into(),
                currency: "EUR".into(),
                total: Some(money(n, 10_000, 5_000_000)),
                margin: Some(money(n, 1_000, 500_000)),
                placed_at: self.ago(-placed),
                requested_date: day(placed + 21),
                promised_date: None,
                shipped_on: None,
                updated_at: self.ago(-placed),
            });
            for line in 0..LINES {
                let of = mixed(n * LINES + line) % products.len();
                let price = money(of, 500, 200_000);
                let qty = 1 + (mixed(n + line) % 50) as i64;
                lines.push(order_line::Model {
                    id: self.id(),
                    order_id: id,
                    line_no: line as i32 + 1,
                    product_id: products[of],
                    qty: Decimal::from_int(qty),
                    uom: "pcs".into(),
                    unit_price: Some(price),
                    discount_pct: None,
                    unit_cost: Some(money(of, 200, 100_000)),
                    net_amount: Some(Decimal(price.0 * qty)),
                    ordered_on: day(placed),
                    requested_date: day(placed + 21),
                    confirmed_date: None,
                    source_id: Some(suppliers[of % SUPPLIERS]),
                    lot_no: None,
                    status: STATUS[mixed(n + 1) % 4].into(),
                });
            }
            if lines.len() >= CHUNK || n + 1 == ORDERS * times {
                self.write::<sales_order::Entity>(std::mem::take(&mut orders)).await?;
                self.write::<order_line::Entity>(std::mem::take(&mut lines)).await?;
            }
        }
        Ok(())
    }

    async fn demand(
        &mut self,
        times: usize,
        planner: Uuid,
        customers: &[Uuid],
        products: &[Uuid],
        suppliers: &[Uuid],
    ) -> Outcome<()> {
        let mut series = Vec::new();
        for n in 0..PRODUCTS * times {
            series.push(demand_series::Model {
                id: self.id(),
                product_id: products[n % PRODUCTS],
                supplier_id: Some(suppliers[n % SUPPLIERS]),
                // some demand stands for one customer, now and then for a secret one
                customer_id: (n % 40 == 11).then(|| customers[mixed(n) % customers.len()]),
                region: REGIONS[mixed(n) % 8].into(),
                ship_to_unit_id: None,
                category: "default".into(),
                uom: "pcs".into(),
            });
        }
        let of: Vec<(Uuid, Option<Uuid>)> = series.iter().map(|s| (s.id, s.supplier_id)).collect();
        self.write::<demand_series::Entity>(series).await?;
        for (run, weeks) in RUNS.into_iter().enumerate() {
            let last = run + 1 == RUNS.len();
            let version = forecast_version::Model {
                id: self.id(),
                name: format!("Run {}", run + 1),
                status: if last { "published" } else { "superseded" }.into(),
                published_at: Some(self.ago(90)),
                commit_due_at: None,
                horizon_from: day(0),
                horizon_to: day(140),
                created_by_id: planner,
            };
            let version_id = version.id;
            self.write::<forecast_version::Entity>(vec![version]).await?;
            let mut buckets = Vec::new();
            for (n, (series_id, supplier_id)) in of.iter().enumerate() {
                for week in 0..weeks {
                    let number = n * 100 + week as usize;
                    buckets.push(demand_bucket::Model {
                        id: self.id(),
                        series_id: *series_id,
                        version_id,
                        supplier_id: *supplier_id,
                        bucket_start: day(7 * week as i64 - 28),
                        granularity: "week".into(),
                        qty: Decimal((mixed(number) % 400) as i64 * 2_500),
                        qty_low: None,
                        qty_high: None,
                        firmness: ["firm", "trade_off", "forecast"][(week as usize / 4).min(2)].into(),
                        contributors: 5,
                        top_share: None,
                        source: "statistical".into(),
                        updated_at: self.ago(3),
                    });
                }
                if buckets.len() >= CHUNK || n + 1 == of.len() {
                    self.write::<demand_bucket::Entity>(std::mem::take(&mut buckets)).await?;
                }
            }
        }
        Ok(())
    }
}

/// Which of a supplier's forty products its agreement names one by one, and which it leaves out.
pub const NAMED: [usize; 5] = [1, 4, 7, 10, 13];
pub const EXCLUDED: [usize; 2] = [2, 3];
