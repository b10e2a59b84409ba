//! Who belongs to which set, said once more: the memberships of the catalogue and the scopes of
//! agreements as plain loops over rows. Nothing here knows SQL or the compiler.

use std::collections::{BTreeSet, HashSet};

use chrono::NaiveDate;
use entente::catalogue::{Type, Value};
use entities::Instant;
use uuid::Uuid;

use super::world::{Record, World};

/// The member of a set: the key of a row, or a code.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Member {
    Row(Uuid),
    Code(String),
}

/// Policies count whole milliseconds, so the moment of a request is cut to them.
pub fn cut(now: Instant) -> Instant {
    Instant(now.0.div_euclid(1000) * 1000)
}

/// From inclusive, until exclusive.
fn in_force(from: Option<Instant>, until: Option<Instant>, now: Instant) -> bool {
    from.is_none_or(|from| from <= now) && until.is_none_or(|until| now < until)
}

fn valid(row: Record<'_>, now: Instant) -> bool {
    in_force(row.at("valid_from"), row.at("valid_to"), now)
}

fn valid_on(row: Record<'_>, day: NaiveDate) -> bool {
    row.on("valid_from").is_some_and(|from| from <= day) && row.on("valid_to").is_none_or(|until| day < until)
}

impl World {
    /// The members of a set that an organisation or a person holds.
    pub fn members(&self, set: &str, holder: Uuid, at: Instant) -> BTreeSet<Member> {
        let now = cut(at);
        let rows = |found: Vec<Uuid>| found.into_iter().map(Member::Row).collect();
        let keys = |table: &str, column: &str, keep: &dyn Fn(Record<'_>) -> bool| -> BTreeSet<Member> {
            rows(self.all(table).filter(|row| keep(*row)).filter_map(|row| row.id(column)).collect())
        };
        match set {
            "accounts" => keys("CustomerTeam", "customer_id", &|row| row.id("principal_id") == Some(holder)),
            "territory" => self.territory(holder, now),
            "counterparties" => {
                let other = |mine: &str, theirs: &str| {
                    keys("SharingAgreement", theirs, &|row| row.id(mine) == Some(holder) && !row.is("status", "draft"))
                };
                &other("grantor_id", "grantee_id") | &other("grantee_id", "grantor_id")
            }
            "recentPartners" => {
                let agreements = || {
                    self.all("SharingAgreement")
                        .filter(|row| row.id("grantee_id") == Some(holder) && !row.is("status", "draft"))
                };
                let grace = |row: Record<'_>| row.whole("read_after_end_days").min(36_500) * 86_400_000_000;
                let runs = |row: Record<'_>| row.at("valid_to").is_none_or(|end| end.0 + grace(row) > now.0);
                let keeps = agreements().next().is_none() || agreements().any(runs);
                rows(keeps.then_some(holder).into_iter().collect())
            }
            "deputies" => {
                let side = |mine: &str, theirs: &str| {
                    keys("Delegation", theirs, &|row| {
                        let person = row.id(mine).expect("a person");
                        self.all("Principal").any(|p| p.key() == person && p.id("organisation_id") == Some(holder))
                    })
                };
                &side("from_principal_id", "to_principal_id") | &side("to_principal_id", "from_principal_id")
            }
            "namedProducts" => self
                .agreements_with(holder, now)
                .flat_map(|agreement| self.scopes_of(agreement, now))
                .filter(|scope| scope.is("effect", "include"))
                .filter_map(|scope| scope.id("product_id"))
                .map(Member::Row)
                .collect(),
            "suppliedProducts" | "distributedProducts" => {
                let role = if set == "suppliedProducts" { "supplies" } else { "distributes" };
                let today = now.utc().date_naive();
                keys("PartnerProduct", "product_id", &|row| {
                    row.id("organisation_id") == Some(holder) && row.is("role", role) && valid_on(row, today)
                })
            }
            "suppliedCases" => keys("CaseProduct", "case_id", &|row| self.delivered(row, holder)),
            "suppliedLots" => keys("CaseProduct", "id", &|row| self.delivered(row, holder)),
            "partyCases" => {
                keys("CaseParty", "case_id", &|row| row.id("organisation_id") == Some(holder) && valid(row, now))
            }
            "safetyCases" => keys("CaseProduct", "case_id", &|row| self.endangered(row, holder)),
            "safetyLots" => keys("CaseProduct", "id", &|row| self.endangered(row, holder)),
            "safetyProducts" => keys("CaseProduct", "product_id", &|row| self.endangered(row, holder)),
            "consentedContacts" => keys("Consent", "contact_id", &|row| {
                row.id("recipient_id") == Some(holder) && row.is("purpose", "partner_contact") && live(row, now)
            }),
            "marketingContacts" => keys("Consent", "contact_id", &|row| {
                self.is_host(holder, now)
                    && row.id("recipient_id").is_none()
                    && row.is("purpose", "marketing_email")
                    && live(row, now)
            }),
            "activeCaseContacts" => keys("Case", "contact_id", &|row| {
                let thirty_days = 30 * 86_400_000_000;
                self.is_host(holder, now) && row.at("closed_at").is_none_or(|at| at.0 > now.0 - thirty_days)
            }),
            other => panic!("the set `{other}` is new: say here who belongs to it"),
        }
    }

    fn territory(&self, person: Uuid, now: Instant) -> BTreeSet<Member> {
        let assigned = self.all("RoleAssignment").filter(|row| row.id("principal_id") == Some(person));
        let mut open: Vec<Uuid> =
            assigned.filter(|row| valid(*row, now)).filter_map(|r| r.id("scope_unit_id")).collect();
        let mut units = HashSet::new();
        while let Some(unit) = open.pop() {
            if units.insert(unit) {
                open.extend(self.all("OrgUnit").filter(|u| u.id("parent_id") == Some(unit)).map(Record::key));
            }
        }
        let regions = self.all("OrgUnit").filter(|u| units.contains(&u.key())).filter_map(|u| u.text("region"));
        regions.map(|region| Member::Code(region.to_string())).collect()
    }

    /// Is the lot of a part that the organisation supplied on the day of delivery, or does it hold one?
    fn delivered(&self, lot: Record<'_>, supplier: Uuid) -> bool {
        let (product, day) = (lot.id("product_id").expect("a product"), lot.on("delivered_on"));
        day.is_some_and(|day| self.supplied(product, supplier, day, &mut HashSet::new()))
    }

    fn supplied(&self, product: Uuid, supplier: Uuid, day: NaiveDate, seen: &mut HashSet<Uuid>) -> bool {
        let direct = self.all("PartnerProduct").any(|row| {
            row.id("product_id") == Some(product)
                && row.id("organisation_id") == Some(supplier)
                && row.is("role", "supplies")
                && valid_on(row, day)
        });
        direct
            || seen.insert(product)
                && self.all("ProductComponent").any(|row| {
                    row.id("product_id") == Some(product)
                        && valid_on(row, day)
                        && self.supplied(row.id("component_id").expect("a part"), supplier, day, seen)
                })
    }

    /// Is the lot in a safety case, and did the organisation supply or sell it?
    fn endangered(&self, lot: Record<'_>, holder: Uuid) -> bool {
        let case = self.all("Case").find(|case| Some(case.key()) == lot.id("case_id")).expect("its case");
        case.flag("safety_flag")
            && lot.text("lot_no").is_some()
            && self.all("OrderLine").any(|line| {
                let order = self.all("SalesOrder").find(|o| Some(o.key()) == line.id("order_id")).expect("its order");
                line.text("lot_no") == lot.text("lot_no")
                    && line.id("product_id") == lot.id("product_id")
                    && (line.id("source_id") == Some(holder) || order.id("sold_by_id") == Some(holder))
            })
    }

    fn is_host(&self, organisation: Uuid, now: Instant) -> bool {
        let mut roles = self.all("OrgRole").filter(|row| row.id("organisation_id") == Some(organisation));
        roles.any(|row| row.is("kind", "internal") && valid(row, now))
    }

    /// What an organisation is to us.
    pub fn kinds(&self, organisation: Uuid, at: Instant) -> BTreeSet<String> {
        let roles = self.all("OrgRole").filter(|row| row.id("organisation_id") == Some(organisation));
        roles.filter(|row| valid(*row, cut(at))).filter_map(|row| row.text("kind")).map(String::from).collect()
    }

    // ---- agreements

    /// The agreements in force with this organisation.
    pub fn agreements_with(&self, grantee: Uuid, at: Instant) -> impl Iterator<Item = Record<'_>> {
        self.all("SharingAgreement").filter(move |row| {
            row.id("grantee_id") == Some(grantee)
                && row.is("status", "active")
                && row.id("signed_by_grantor_id").is_some()
                && row.id("signed_by_grantee_id").is_some()
                && valid(*row, cut(at))
        })
    }

    fn scopes_of(&self, agreement: Record<'_>, now: Instant) -> impl Iterator<Item = Record<'_>> {
        let key = agreement.key();
        self.all("AgreementScope").filter(move |row| row.id("agreement_id") == Some(key) && valid(*row, now))
    }

    /// Does this agreement cover the row? Some scope includes it and none takes it away.
    pub fn covers(&self, agreement: Record<'_>, row: Record<'_>, at: Instant) -> bool {
        let Some(sides) = self.sides(row) else { return false };
        let about = |effect: &'static str| {
            let scopes = self.scopes_of(agreement, cut(at));
            scopes.filter(move |s| s.is("object_type", sides.object) && s.is("effect", effect))
        };
        // a scope that names what the type has not: an include gives nothing, an exclude takes all
        about("include").any(|scope| sides.matches(scope) == Some(true))
            && !about("exclude").any(|scope| sides.matches(scope) != Some(false))
    }

    fn sides(&self, row: Record<'_>) -> Option<Sides> {
        let product = |row: Record<'_>| {
            let product = self.all("Product").find(|p| Some(p.key()) == row.id("product_id")).expect("its product");
            Some(vec![product.get("id").clone(), product.get("family").clone()])
        };
        let one = |row: Record<'_>, column: &str| Some(vec![row.get(column).clone()]);
        let sides = |object, product, region, customer| Some(Sides { object, product, region, customer });
        match row.ty.name {
            "Customer" => sides("customer", None, one(row, "region"), one(row, "id")),
            "SalesOrder" => sides("order", None, one(row, "ship_to_region"), one(row, "customer_id")),
            "OrderLine" => {
                let order = self.all("SalesOrder").find(|o| Some(o.key()) == row.id("order_id")).expect("its order");
                sides("order", product(row), one(order, "ship_to_region"), one(order, "customer_id"))
            }
            "DemandSeries" => sides("demand", product(row), one(row, "region"), one(row, "customer_id")),
            "Case" => sides("case", None, one(row, "region"), one(row, "customer_id")),
            "InventoryPosition" => sides("inventory", product(row), None, None),
            _ => None,
        }
    }
}

fn live(consent: Record<'_>, now: Instant) -> bool {
    consent.is("status", "given")
        && consent.at("given_at").is_some_and(|at| at <= now)
        && *consent.get("withdrawn_at") == Value::Null
        && consent.at("expires_at").is_none_or(|at| now < at)
}

/// What the scopes of an agreement can name of a row: values, or nothing if the type has no such side.
#[derive(Clone)]
struct Sides {
    object: &'static str,
    product: Option<Vec<Value>>,
    region: Option<Vec<Value>>,
    customer: Option<Vec<Value>>,
}

impl Sides {
    /// `None`: the scope names a side that the type has not.
    fn matches(&self, scope: Record<'_>) -> Option<bool> {
        let mut all = true;
        for (column, side) in [
            ("product_id", &self.product),
            ("product_family", &self.product),
            ("region", &self.region),
            ("customer_id", &self.customer),
        ] {
            let named = scope.get(column);
            if !named.is_null() {
                all &= side.as_ref()?.contains(named);
            }
        }
        Some(all)
    }
}

/// The object names under which an agreement's field rows mean a type.
pub fn object_names(ty: &Type) -> Vec<String> {
    let object = match ty.name {
        "Customer" => Some("customer"),
        "SalesOrder" | "OrderLine" => Some("order"),
        "DemandSeries" => Some("demand"),
        "Case" => Some("case"),
        "InventoryPosition" => Some("inventory"),
        _ => None,
    };
    let mut chars = ty.name.chars();
    let first = chars.next().map(|c| c.to_ascii_lowercase());
    let mut names: Vec<String> = vec![first.into_iter().chain(chars).collect(), ty.table.to_string()];
    names.extend(object.map(String::from));
    names
}
