//! Random small worlds: a few rows of every type of the catalogue, full of nulls and of moments that lie
//! exactly on an edge, a microsecond or a millisecond beside it.

use std::collections::HashSet;

use chrono::{Days, NaiveDate};
use entente::catalogue::{CATALOGUE, Field, Type, Value};
use entities::{Decimal, Instant, meta::Kind};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use uuid::Uuid;

pub type Row = Vec<Value>;

#[derive(Clone)]
pub struct World {
    /// By type, in the catalogue's order; a row has the values of all fields, the key first.
    pub rows: Vec<Vec<Row>>,
    /// The moment around which all others lie.
    pub now: Instant,
    /// What the agreements of this world are about; few things, so that they meet.
    pub objects: Vec<&'static str>,
}

/// What a scope can be about, and the types that it then covers.
pub const OBJECTS: &[(&str, &[&str])] = &[
    ("customer", &["Customer"]),
    ("order", &["SalesOrder", "OrderLine"]),
    ("demand", &["DemandSeries"]),
    ("case", &["Case"]),
    ("inventory", &["InventoryPosition"]),
];

pub const REGIONS: &[&str] = &["AT", "DE", "FR"];
const TEXTS: &[&str] = &[
    "a",
    "A",
    "",
    "ab",
    "b%c",
    "x_y",
    "[z]*?",
    "back\\slash",
    "1010",
    "10%",
    "ä",
    "äöü",
    "it's",
    "@x",
    "a@b.example",
    "ä@b.example",
    "anna@firm.example",
    "anna",
    "two@at@x",
];
pub const ROLES: &[&str] = &["planner", "sales_rep", "support_agent", "partner_planner", "partner_sales"];
const KINDS: &[&str] = &["internal", "supplier", "distributor", "logistics"];

/// Columns whose values together must differ; what is one text gets a running number.
pub const UNIQUE: &[(&str, &[&str])] = &[
    ("CustomerTeam", &["principal_id", "customer_id"]),
    ("AgreementField", &["agreement_id", "object_type", "field"]),
    ("OrderLine", &["order_id", "line_no"]),
    ("DemandBucket", &["series_id", "version_id", "bucket_start", "granularity"]),
    ("SupplyCommitment", &["series_id", "version_id", "bucket_start", "supplier_id"]),
    ("CapacityBucket", &["supplier_id", "group_name", "bucket_start"]),
];
const NUMBERED: &[(&str, &str)] = &[
    ("Organisation", "slug"),
    ("Principal", "slug"),
    ("Principal", "subject"),
    ("Product", "sku"),
    ("SalesOrder", "number"),
    ("Case", "number"),
];

pub fn ty(name: &str) -> &'static Type {
    CATALOGUE.by_name(name).expect("a type of the catalogue")
}

impl World {
    pub fn random(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        // a moment that is a midnight too, or one within a day; always whole milliseconds
        let day: i64 = 1_784_073_600_000;
        let now = Instant(1000 * (day + *[0, 37_800_123].choose(&mut rng).expect("some")));
        let objects = OBJECTS.choose_multiple(&mut rng, 2).map(|(object, _)| *object).collect();
        let mut world = World { rows: vec![Vec::new(); CATALOGUE.types.len()], now, objects };
        for ty in &CATALOGUE.types {
            let mut seen = HashSet::new();
            for _ in 0..count(ty, &mut rng) {
                if let Some(row) = world.row(ty, &mut rng)
                    && seen.insert(world.unique(ty, &row))
                {
                    world.rows[ty.id.0].push(row);
                }
            }
        }
        world
    }

    pub fn all(&self, name: &str) -> impl Iterator<Item = Record<'_>> {
        let ty = ty(name);
        self.rows[ty.id.0].iter().map(move |row| Record { ty, row })
    }

    fn row(&self, ty: &Type, rng: &mut StdRng) -> Option<Row> {
        let mut row: Row = Vec::with_capacity(ty.fields.len());
        for (i, field) in ty.fields.iter().enumerate() {
            row.push(if i == 0 { Value::Id(Uuid::from_u128(rng.r#gen())) } else { self.value(ty, field, rng)? });
        }
        // a scope mostly names one thing, else it would hardly ever cover a row
        let sides = ["product_id", "product_family", "region", "customer_id"];
        if ty.name == "AgreementScope" && rng.gen_bool(0.8) {
            let kept = sides.choose(rng).expect("some");
            for (value, field) in row.iter_mut().zip(&ty.fields) {
                if sides.contains(&field.column) && field.column != *kept {
                    *value = Value::Null;
                }
            }
        }
        Some(row)
    }

    fn value(&self, ty: &Type, field: &Field, rng: &mut StdRng) -> Option<Value> {
        if let Some(value) = self.chosen(ty, field, rng) {
            return Some(value);
        }
        if field.optional && rng.gen_bool(0.35) {
            return Some(Value::Null);
        }
        if let Some(to) = field.to {
            // a type that points at itself finds its earlier rows only
            let target = self.rows[to.0].choose(rng).map(|row| row[0].clone());
            return target.or(field.optional.then_some(Value::Null));
        }
        let mut text = |pool: &[&str]| Value::from(*pool.choose(rng).expect("some"));
        Some(match field.kind {
            Kind::Text if !field.one_of.is_empty() => text(field.one_of),
            Kind::Text if field.code.is_some() => text(REGIONS),
            Kind::Text => text(TEXTS),
            Kind::Int => (*[-7, 0, 1, 2, 5, 100].choose(rng).expect("some")).into(),
            Kind::Bool => rng.gen_bool(0.5).into(),
            Kind::Decimal => {
                Decimal(*[-15_000, 0, 10_000, 123_456, 999_999, 1_000_000, 10_000_000].choose(rng).expect("some"))
                    .into()
            }
            Kind::Instant => self.instant(rng).into(),
            Kind::Date => self.day(rng).into(),
            Kind::Json => Value::Json(serde_json::json!([{ "a": rng.gen_range(0..2) }])),
            Kind::Id => Value::Id(Uuid::from_u128(rng.r#gen())),
        })
    }

    pub fn instant(&self, rng: &mut StdRng) -> Instant {
        const DAY: i64 = 86_400_000_000;
        const OFF: &[i64] = &[-60 * DAY, -30 * DAY, -7 * DAY, -1000, -1, 0, 1, 999, 1000, 1001, DAY, 7 * DAY, 60 * DAY];
        const NEAR: &[i64] = &[-1000, -1, 0, 1, 999, 1000];
        Instant(self.now.0 + if rng.gen_bool(0.35) { NEAR } else { OFF }.choose(rng).expect("some"))
    }

    pub fn day(&self, rng: &mut StdRng) -> NaiveDate {
        const OFF: &[i64] = &[-400, -183, -182, -30, -1, 0, 1, 7, 30, 546, 547];
        let off = *OFF.choose(rng).expect("some");
        let (day, by) = (self.now.utc().date_naive(), Days::new(off.unsigned_abs()));
        if off < 0 { day - by } else { day + by }
    }

    /// What must make sense for rules to meet: agreements that are in force, scopes that cover something.
    fn chosen(&self, ty: &Type, field: &Field, rng: &mut StdRng) -> Option<Value> {
        let one = |rng: &mut StdRng, pool: &[&str]| Some(Value::from(*pool.choose(rng).expect("some")));
        if let Some((name, column)) = NUMBERED.iter().find(|(t, c)| *t == ty.name && *c == field.column) {
            let text = *["a", "b%", "Ä"].choose(rng).expect("some");
            return Some(Value::from(format!("{text}-{name}-{column}-{}", self.rows[ty.id.0].len())));
        }
        match (ty.name, field.column) {
            ("AuditEvent", "seq") => Some(Value::Int(self.rows[ty.id.0].len() as i64)),
            ("OrgRole", "kind") => one(rng, KINDS),
            ("RoleAssignment", "role") => one(rng, ROLES),
            ("RoleAssignment" | "OrgRole" | "CaseParty", "valid_from") => Some(self.early(rng).into()),
            ("Organisation", "status") if rng.gen_bool(0.9) => Some("active".into()),
            ("Product", "family") | ("AgreementScope", "product_family") if rng.gen_bool(0.8) => {
                one(rng, &["seals", "pumps"])
            }
            ("SharingAgreement", "status") if rng.gen_bool(0.8) => Some("active".into()),
            ("SharingAgreement", "valid_from") => Some(self.early(rng).into()),
            ("SharingAgreement", "signed_by_grantor_id" | "signed_by_grantee_id") if rng.gen_bool(0.9) => {
                self.rows[super::world::ty("Principal").id.0].choose(rng).map(|row| row[0].clone())
            }
            ("AgreementScope", "effect") if rng.gen_bool(0.6) => Some("include".into()),
            ("AgreementScope", "object_type") if rng.gen_bool(0.9) => one(rng, &self.objects),
            ("AgreementScope", "valid_from" | "valid_to") if rng.gen_bool(0.5) => Some(Value::Null),
            ("AgreementField", "object_type") => {
                let of = super::world::ty(self.covered(rng));
                let singular = format!("{}{}", of.name[..1].to_lowercase(), &of.name[1..]);
                one(rng, &[&[of.table, singular.as_str(), "nothing"][..], &self.objects].concat())
            }
            ("AgreementField", "field") => {
                let of = if rng.gen_bool(0.9) { super::world::ty(self.covered(rng)) } else { ty };
                let field = of.fields.choose(rng).expect("some");
                Some(if rng.gen_bool(0.5) { field.name.clone().into() } else { field.column.into() })
            }
            ("AgreementField", "treatment") if rng.gen_bool(0.8) => {
                one(rng, &["full", "prefix", "email_mask", "band", "days_of_supply", "pseudonym", "aggregate_only"])
            }
            ("AgreementField", "param") => one(rng, &["2", "5", "1", "0.5", "10", "7", "28", "3,0.8"]),
            ("PartnerProduct", "role") if rng.gen_bool(0.7) => Some("supplies".into()),
            ("OrderLine" | "CaseProduct", "lot_no") => one(rng, &["L1", "L2"]),
            // one product in one place, so that there is a demand for what lies there
            ("ForecastVersion", "status") if rng.gen_bool(0.5) => Some("published".into()),
            ("InventoryPosition" | "DemandSeries", "product_id" | "unit_id" | "ship_to_unit_id")
                if field.to.is_some() && rng.gen_bool(0.7) =>
            {
                Some(self.rows[field.to?.0].first()?[0].clone())
            }
            ("Consent", "status") if rng.gen_bool(0.7) => Some("given".into()),
            ("Consent", "purpose") if rng.gen_bool(0.8) => one(rng, &["marketing_email", "partner_contact"]),
            ("Consent", "withdrawn_at") if rng.gen_bool(0.7) => Some(Value::Null),
            ("Customer", "nda_level") => Some(rng.gen_range(0..=2i64).into()),
            _ => None,
        }
    }

    /// A type that the agreements may cover.
    pub fn covered(&self, rng: &mut StdRng) -> &'static str {
        let types: Vec<&str> = OBJECTS
            .iter()
            .filter(|(o, _)| self.objects.contains(o))
            .flat_map(|(_, types)| types.iter().copied())
            .collect();
        types.choose(rng).expect("some")
    }

    fn early(&self, rng: &mut StdRng) -> Instant {
        if rng.gen_bool(0.6) { Instant(self.now.0 - 400 * 86_400_000_000) } else { self.instant(rng) }
    }

    fn unique(&self, ty: &Type, row: &Row) -> Vec<String> {
        let columns = UNIQUE.iter().find(|(name, _)| *name == ty.name).map_or(&["id"][..], |(_, c)| *c);
        let at = |column: &str| ty.fields.iter().position(|f| f.column == column).expect("a column");
        columns.iter().map(|c| format!("{:?}", row[at(c)])).collect()
    }
}

fn count(ty: &Type, rng: &mut StdRng) -> usize {
    match ty.name {
        "Organisation" => 3,
        "AgreementScope" => rng.gen_range(6..=12),
        "AgreementField" => rng.gen_range(10..=25),
        "OrderLine" | "DemandBucket" | "DemandSeries" => rng.gen_range(4..=8),
        "Principal" | "Customer" | "Product" | "SalesOrder" | "Case" | "Contact" | "PartnerProduct" => {
            rng.gen_range(3..=5)
        }
        _ => rng.gen_range(1..=4),
    }
}

/// A row with its type.
#[derive(Clone, Copy)]
pub struct Record<'w> {
    pub ty: &'static Type,
    pub row: &'w Row,
}

impl<'w> Record<'w> {
    pub fn get(self, column: &str) -> &'w Value {
        let at = self.ty.fields.iter().position(|f| f.column == column);
        &self.row[at.unwrap_or_else(|| panic!("{} has no {column}", self.ty.name))]
    }

    pub fn key(self) -> Uuid {
        self.id("id").expect("a key")
    }

    pub fn id(self, column: &str) -> Option<Uuid> {
        match self.get(column) {
            Value::Id(id) => Some(*id),
            _ => None,
        }
    }

    pub fn text(self, column: &str) -> Option<&'w str> {
        match self.get(column) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn is(self, column: &str, text: &str) -> bool {
        self.text(column) == Some(text)
    }

    pub fn at(self, column: &str) -> Option<Instant> {
        match self.get(column) {
            Value::Instant(at) => Some(*at),
            _ => None,
        }
    }

    pub fn on(self, column: &str) -> Option<NaiveDate> {
        match self.get(column) {
            Value::Date(day) => Some(*day),
            _ => None,
        }
    }

    pub fn whole(self, column: &str) -> i64 {
        match self.get(column) {
            Value::Int(number) => *number,
            other => panic!("{column} is {other:?}"),
        }
    }

    pub fn flag(self, column: &str) -> bool {
        *self.get(column) == Value::Bool(true)
    }
}
