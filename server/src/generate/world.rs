//! The plan of a generated world. Every row is a function of the seed and its number, so that any row can
//! be named without having been kept: memory does not grow with the world.

use chrono::{Datelike, Days, NaiveDate};
use entities::{Decimal, Instant};
use rand::{Rng, SeedableRng, rngs::StdRng};
use uuid::Uuid;

pub(super) const MINUTE: i64 = 60_000_000;
pub(super) const DAY: i64 = 24 * 60 * MINUTE;

/// Sales regions, which are countries here.
pub(super) const REGIONS: &[&str] = &["DE", "AT", "CH", "FR", "IT", "NL", "PL", "CZ"];
pub(super) const FAMILIES: &[&str] = &[
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

/// What a number counts; each has its own dice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Thing {
    Host = 1,
    Partner,
    Product,
    Customer,
    Order,
    Version,
    Series,
    Case,
}

/// A second row that belongs to a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Part {
    Itself,
    Role,
    Unit,
    Person,
    Machine,
    Assignment,
    MachineAssignment,
    Agreement,
    Scope,
    Field,
    Contact,
    Consent,
    Team,
    Supply,
    SecondSupply,
    Sale,
    Component,
    Stock,
    Bucket,
    Answer,
    Concerned,
    Message,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) customers: u64,
    pub(super) products: u64,
    pub(super) partners: u64,
    pub(super) weeks: u64,
    pub(super) lines: u64,
}

#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) seed: u64,
    /// The present of the world: what is ordered lies before, what is planned behind.
    pub(super) base: Instant,
    pub(super) sizes: Sizes,
    /// The organisation that was here before, or none.
    pub(super) found: Option<Uuid>,
    /// Suppliers by family.
    makers: Vec<Vec<u64>>,
    /// The distributor of each region, if there is one.
    sellers: Vec<Option<u64>>,
}

/// What a partner is to the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trade {
    Supplier,
    Distributor,
    Carrier,
}

pub(super) struct Product {
    pub(super) id: Uuid,
    pub(super) family: usize,
    pub(super) price: Decimal,
    pub(super) cost: Decimal,
    pub(super) supplier: u64,
    /// Takes the other part of the demand.
    pub(super) second: Option<u64>,
}

pub(super) struct Customer {
    pub(super) id: Uuid,
    pub(super) region: usize,
}

impl World {
    pub(super) fn new(seed: u64, base: Instant, sizes: Sizes, found: Option<Uuid>) -> Self {
        let mut world =
            World { seed, base, sizes, found, makers: vec![Vec::new(); FAMILIES.len()], sellers: Vec::new() };
        let families = FAMILIES.len() as u64;
        let suppliers: Vec<u64> = (0..sizes.partners).filter(|n| world.trade(*n) == Trade::Supplier).collect();
        for (family, makers) in (0..families).zip(&mut world.makers) {
            let makes = |n: &&u64| **n % families == family || (**n * 5 + 3) % families == family;
            makers.extend(suppliers.iter().filter(makes));
            if makers.is_empty() {
                makers.extend(suppliers.iter().cycle().nth(family as usize));
            }
        }
        let seller = |region| {
            let mut all = (0..sizes.partners).filter(|n| world.trade(*n) == Trade::Distributor);
            all.find(|n| world.market(*n) == region)
        };
        world.sellers = (0..REGIONS.len()).map(seller).collect();
        world
    }

    /// The dice of one thing: the same at every call.
    pub(super) fn dice(&self, thing: Thing, number: u64) -> StdRng {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.seed.to_le_bytes());
        seed[8..16].copy_from_slice(&number.to_le_bytes());
        seed[16] = thing as u8;
        StdRng::from_seed(seed)
    }

    /// The key of a thing or of a part of it. Keys of one table ascend, as those that the hub makes do.
    pub(super) fn id(&self, thing: Thing, number: u64, part: Part, at: u64) -> Uuid {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.seed.to_le_bytes());
        seed[8..16].copy_from_slice(&number.to_le_bytes());
        seed[16] = thing as u8;
        seed[17] = part as u8;
        seed[18..26].copy_from_slice(&at.to_le_bytes());
        let mut tail = [0; 10];
        StdRng::from_seed(seed).fill(&mut tail);
        // the first bits are those after the millisecond
        tail[..2].copy_from_slice(&(at as u16).to_be_bytes());
        let millis = (self.opening().0 / 1000).unsigned_abs() + number;
        uuid::Builder::from_unix_timestamp_millis(millis, &tail).into_uuid()
    }

    /// When the world's partners, products and customers came.
    pub(super) fn opening(&self) -> Instant {
        Instant(self.base.0 - (self.sizes.weeks as i64 * 7 + 365) * DAY)
    }

    pub(super) fn opening_day(&self) -> NaiveDate {
        self.opening().utc().date_naive()
    }

    /// The Monday so many weeks from the base's.
    pub(super) fn monday(&self, weeks: i64) -> NaiveDate {
        let day = self.base.utc().date_naive();
        let monday = day - Days::new(u64::from(day.weekday().num_days_from_monday()));
        monday + chrono::Duration::weeks(weeks)
    }

    pub(super) fn host(&self) -> Uuid {
        self.found.unwrap_or_else(|| self.id(Thing::Host, 0, Part::Itself, 0))
    }

    pub(super) fn partner(&self, number: u64) -> Uuid {
        self.id(Thing::Partner, number, Part::Itself, 0)
    }

    /// Of ten partners seven supply, two distribute and one carries.
    pub(super) fn trade(&self, number: u64) -> Trade {
        match number % 10 {
            3 | 7 => Trade::Distributor,
            5 => Trade::Carrier,
            _ => Trade::Supplier,
        }
    }

    /// The distributor of a region, if there is one.
    pub(super) fn distributor(&self, region: usize) -> Option<u64> {
        self.sellers[region]
    }

    /// The region that a distributor sells in.
    pub(super) fn market(&self, distributor: u64) -> usize {
        // the third and the seventh of each ten, one after the other
        let nth = distributor / 10 * 2 + u64::from(distributor % 10 == 7);
        nth as usize % REGIONS.len()
    }

    /// The families that a supplier makes.
    pub(super) fn makes(&self, supplier: u64) -> impl Iterator<Item = usize> {
        self.makers.iter().enumerate().filter(move |(_, makers)| makers.contains(&supplier)).map(|(family, _)| family)
    }

    pub(super) fn product(&self, number: u64) -> Product {
        let mut dice = self.dice(Thing::Product, number);
        let family = number as usize % FAMILIES.len();
        let price = Decimal(dice.gen_range(200..200_000) * 100);
        let cost = Decimal(price.0 * dice.gen_range(45..75) / 100);
        let makers = &self.makers[family];
        let first = dice.gen_range(0..makers.len());
        let second = (makers.len() > 1 && dice.gen_bool(0.3)).then(|| makers[(first + 1) % makers.len()]);
        let id = self.id(Thing::Product, number, Part::Itself, 0);
        Product { id, family, price, cost, supplier: makers[first], second }
    }

    pub(super) fn customer(&self, number: u64) -> Customer {
        let mut dice = self.dice(Thing::Customer, number);
        let region = few(&mut dice, REGIONS.len() as u64) as usize;
        Customer { id: self.id(Thing::Customer, number, Part::Itself, 0), region }
    }

    /// The lot of a product that was delivered in a week.
    pub(super) fn lot(&self, product: u64, day: NaiveDate) -> String {
        let week = day.iso_week();
        format!("{}-{:02}{:02}", self.sku(product), week.year() % 100, week.week())
    }

    pub(super) fn sku(&self, product: u64) -> String {
        format!("G{}-{:06}", self.seed, product + 1)
    }
}

/// A number below `n`, the low ones more often: few customers buy most.
pub(super) fn few(dice: &mut StdRng, n: u64) -> u64 {
    let x: f64 = dice.r#gen();
    ((x * x * n as f64) as u64).min(n - 1)
}

pub(super) fn one<'a>(dice: &mut StdRng, of: &[&'a str]) -> &'a str {
    of[dice.gen_range(0..of.len())]
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::generate) fn world(partners: u64) -> World {
        let base = "2026-06-29T00:00:00Z".parse().expect("valid");
        World::new(7, base, Sizes { customers: 40, products: 30, partners, weeks: 8, lines: 300 }, None)
    }

    #[test]
    fn keys_are_those_of_the_seed_and_ascend() {
        let (one, two) = (world(10), world(10));
        let ids = |world: &World| (0..100).map(|n| world.id(Thing::Customer, n, Part::Itself, 0)).collect::<Vec<_>>();
        assert_eq!(ids(&one), ids(&two));
        assert!(ids(&one).is_sorted());
        assert_ne!(one.id(Thing::Customer, 1, Part::Contact, 0), one.id(Thing::Customer, 1, Part::Itself, 0));
        let other = World { seed: 8, ..one.clone() };
        assert_ne!(ids(&one), ids(&other));
    }

    #[test]
    fn every_product_has_a_supplier_however_few_there_are() {
        for partners in [1, 2, 7, 40] {
            let world = world(partners);
            for n in 0..30 {
                let product = world.product(n);
                assert_eq!(world.trade(product.supplier), Trade::Supplier);
                assert!(product.supplier < partners && product.second != Some(product.supplier));
                assert!(world.makes(product.supplier).any(|family| family == product.family));
            }
        }
    }
}
