//! Who may see what: agreements in every state, with what they cover and how it is shown.

use entities::{Instant, agreement_field, agreement_scope, sharing_agreement};
use uuid::Uuid;

use super::{
    cast::Cast,
    customers::Customers,
    products::{DRAINAGE, MOTORS, PUMPS, Products},
    seed::Seed,
    write,
};
use crate::{access::load::Load, error::Result};

/// The agreements in force that the log names.
pub(super) struct Agreements {
    pub aqua: Uuid,
    pub bergmann: Uuid,
}

/// What a scope names; `Default` is everything.
#[derive(Default)]
struct Named<'a> {
    product: Option<Uuid>,
    family: Option<&'a str>,
    region: Option<&'a str>,
    customer: Option<Uuid>,
    until: Option<Instant>,
}

struct Gather<'a> {
    seed: &'a mut Seed,
    cast: &'a Cast,
    agreements: Vec<sharing_agreement::Model>,
    scopes: Vec<agreement_scope::Model>,
    fields: Vec<agreement_field::Model>,
}

pub(super) async fn insert(
    load: &mut Load,
    seed: &mut Seed,
    cast: &Cast,
    customers: &Customers,
    products: &Products,
) -> Result<Agreements> {
    let mut rows = Gather { seed, cast, agreements: Vec::new(), scopes: Vec::new(), fields: Vec::new() };
    let aqua = rows.aqua(products);
    rows.ceram(products);
    let bergmann = rows.bergmann(customers.named("K9").id);
    rows.dauphin();
    rows.lindner();
    rows.not_in_force();
    write::<sharing_agreement::Entity>(load, rows.agreements).await?;
    write::<agreement_scope::Entity>(load, rows.scopes).await?;
    write::<agreement_field::Entity>(load, rows.fields).await?;
    Ok(Agreements { aqua, bergmann })
}

impl Gather<'_> {
    /// A supplier for this calendar year: its parts, and the new pump by name.
    fn aqua(&mut self, products: &Products) -> Uuid {
        let title = format!("Supply collaboration {}", self.seed.year());
        let (from, to) = (self.seed.new_year(0), self.seed.new_year(1));
        let id = self.agreement(self.cast.aqua, &title, "active", from, Some(to));
        for product in [products.s40, products.g10, products.sk40, products.s60, products.px500] {
            self.include(id, "demand", Named { product: Some(product), ..Named::default() });
        }
        self.exclude(id, "demand", Named { region: Some("FR"), ..Named::default() });
        // a scope may end before its agreement
        let ended = self.seed.at(-30, 0);
        self.include(id, "demand", Named { product: Some(products.s25), until: Some(ended), ..Named::default() });
        for product in [products.s40, products.g10, products.sk40] {
            self.include(id, "order", Named { product: Some(product), ..Named::default() });
        }
        for product in [products.s40, products.g10] {
            self.include(id, "inventory", Named { product: Some(product), ..Named::default() });
        }
        self.include(id, "case", Named::default());
        self.field(id, "inventory", "qty", "band", Some("50"));
        self.field(id, "inventory", "min_qty", "full", None);
        self.field(id, "inventory", "max_qty", "full", None);
        id
    }

    /// A supplier without an end: seals by product, motors by family, which names none of them.
    fn ceram(&mut self, products: &Products) {
        let from = self.seed.new_year(-1);
        let id = self.agreement(self.cast.ceram, "Supply collaboration, motors and seals", "active", from, None);
        for product in [products.s40, products.s25] {
            self.include(id, "demand", Named { product: Some(product), ..Named::default() });
            self.include(id, "order", Named { product: Some(product), ..Named::default() });
        }
        self.include(id, "demand", Named { family: Some(MOTORS), ..Named::default() });
        self.include(id, "order", Named { family: Some(MOTORS), ..Named::default() });
        self.include(id, "case", Named::default());
        // of a motor that nobody else makes: how long it lasts tells of the demand, too
        self.include(id, "inventory", Named { product: Some(products.m12), ..Named::default() });
        self.field(id, "inventory", "qty", "days_of_supply", Some("28"));
        self.field(id, "demand_bucket", "qty_low", "full", None);
        self.field(id, "demand_bucket", "qty_high", "full", None);
    }

    /// A distributor for three countries, but for one customer.
    fn bergmann(&mut self, k9: Uuid) -> Uuid {
        let (from, to) = (self.seed.new_year(-1), self.seed.new_year(2));
        let id =
            self.agreement(self.cast.bergmann, "Distribution Germany, Austria, Switzerland", "active", from, Some(to));
        for object in ["customer", "order", "case"] {
            for region in ["DE", "AT", "CH"] {
                self.include(id, object, Named { region: Some(region), ..Named::default() });
            }
            self.exclude(id, object, Named { customer: Some(k9), ..Named::default() });
        }
        for family in [PUMPS, DRAINAGE] {
            self.include(id, "inventory", Named { family: Some(family), ..Named::default() });
            // the demand of all countries, in sums that name nobody
            self.include(id, "demand", Named { family: Some(family), ..Named::default() });
        }
        self.distributor_fields(id);
        self.field(id, "inventory", "qty", "band", Some("10"));
        id
    }

    fn dauphin(&mut self) {
        let (from, to) = (self.seed.new_year(-1), self.seed.new_year(1));
        let id = self.agreement(self.cast.dauphin, "Distribution France", "active", from, Some(to));
        for object in ["customer", "order", "case"] {
            self.include(id, object, Named { region: Some("FR"), ..Named::default() });
        }
        self.distributor_fields(id);
    }

    /// A postcode of two characters, no city, no street, a masked address.
    fn distributor_fields(&mut self, id: Uuid) {
        self.field(id, "customer", "name", "full", None);
        self.field(id, "customer", "postcode", "prefix", Some("2"));
        self.field(id, "order", "ship_to_postcode", "prefix", Some("2"));
        self.field(id, "contact", "email", "email_mask", None);
    }

    /// A carrier: the orders it carries, with the address, and the stock in its warehouse.
    fn lindner(&mut self) {
        let from = self.seed.new_year(-2);
        let id = self.agreement(self.cast.lindner, "Transport and storage", "active", from, None);
        self.include(id, "order", Named::default());
        self.include(id, "inventory", Named::default());
        self.field(id, "order", "ship_to_postcode", "full", None);
        self.field(id, "inventory", "qty", "full", None);
    }

    /// Each of these would show what the partner must not see, if it counted.
    fn not_in_force(&mut self) {
        let (cast, seed) = (self.cast, &*self.seed);
        let (before, this, next) = (seed.new_year(-1), seed.new_year(0), seed.new_year(1));
        let year = seed.year();
        let everything = ["customer", "order", "case", "demand", "inventory"];

        let last = format!("Supply collaboration {}", year - 1);
        let ended = self.agreement(cast.aqua, &last, "ended", before, Some(this));
        // its dates are over, whatever its status says
        let lapsed = self.agreement(cast.dauphin, "Distribution Germany, trial", "active", before, Some(this));
        let later = self.agreement(cast.ceram, "Market data from next year", "active", next, None);
        let suspended = self.agreement(cast.dauphin, "Shared stock", "suspended", this, None);
        let unsigned = self.agreement(cast.bergmann, "Distribution France, proposal", "draft", this, None);
        let offered = self.agreement(cast.ceram, "Distribution of motors, offer", "draft", this, None);
        for id in [ended, lapsed, later, suspended, unsigned, offered] {
            for object in everything {
                self.include(id, object, Named::default());
            }
        }
        for id in [ended, suspended, unsigned, offered] {
            self.field(id, "customer", "city", "full", None);
        }
        if let Some(row) = self.agreements.iter_mut().find(|a| a.id == offered) {
            row.signed_by_grantor_id = Some(cast.people.maren);
        }
    }

    fn agreement(&mut self, grantee_id: Uuid, title: &str, status: &str, from: Instant, to: Option<Instant>) -> Uuid {
        let (cast, id) = (self.cast, self.seed.id());
        let people = &cast.people;
        let theirs = [
            (cast.aqua, people.alice),
            (cast.bergmann, people.bea),
            (cast.ceram, people.carl),
            (cast.dauphin, people.denis),
            (cast.lindner, people.lena),
        ];
        let grantee = theirs.iter().find(|(who, _)| *who == grantee_id).map(|(_, person)| *person);
        let signed = status != "draft";
        self.agreements.push(sharing_agreement::Model {
            id,
            grantor_id: cast.nordwind,
            grantee_id,
            title: title.into(),
            purpose: "joint planning and service".into(),
            legal_ref: Some(format!("V-{}", 3_100 + 7 * self.agreements.len())),
            status: status.into(),
            valid_from: from,
            valid_to: to,
            read_after_end_days: 90,
            history_days: Some(182),
            horizon_days: Some(546),
            k_threshold: Some(5),
            signed_by_grantor_id: signed.then_some(people.maren),
            signed_by_grantee_id: grantee.filter(|_| signed),
        });
        id
    }

    fn include(&mut self, agreement: Uuid, object: &str, named: Named<'_>) {
        self.scope(agreement, object, "include", named);
    }

    fn exclude(&mut self, agreement: Uuid, object: &str, named: Named<'_>) {
        self.scope(agreement, object, "exclude", named);
    }

    fn scope(&mut self, agreement_id: Uuid, object: &str, effect: &str, named: Named<'_>) {
        self.scopes.push(agreement_scope::Model {
            id: self.seed.id(),
            agreement_id,
            object_type: object.into(),
            effect: effect.into(),
            product_id: named.product,
            product_family: named.family.map(String::from),
            region: named.region.map(String::from),
            customer_id: named.customer,
            valid_from: None,
            valid_to: named.until,
        });
    }

    fn field(&mut self, agreement_id: Uuid, object: &str, field: &str, treatment: &str, param: Option<&str>) {
        self.fields.push(agreement_field::Model {
            id: self.seed.id(),
            agreement_id,
            object_type: object.into(),
            field: field.into(),
            treatment: treatment.into(),
            param: param.map(String::from),
            writable: false,
        });
    }
}
