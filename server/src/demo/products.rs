//! What is made, of what, and who supplies or sells it. Bills of material and supply relations have
//! dates: two parts change their place, and one its supplier.

use chrono::NaiveDate;
use entities::{partner_product, product, product_component};
use uuid::Uuid;

use super::{
    cast::Cast,
    seed::{Seed, hundredths, text, whole},
    write,
};
use crate::{access::load::Load, error::Result};

pub(super) const PUMPS: &str = "circulation pumps";
pub(super) const DRAINAGE: &str = "drainage pumps";
pub(super) const SEALS: &str = "seals";
pub(super) const MOTORS: &str = "motors";
pub(super) const KITS: &str = "service kits";

/// Days from today on which the seal S25 left the P200, and on which C took the S25 over from A.
pub(super) const S25_LEFT_P200: i64 = -500;
pub(super) const S25_CHANGED_SUPPLIER: i64 = -300;

pub(super) struct Products {
    pub all: Vec<product::Model>,
    pub p100: Uuid,
    pub p200: Uuid,
    pub p300: Uuid,
    pub p400: Uuid,
    /// The new pump: unknown outside until the next first of September, 9 o'clock.
    pub px500: Uuid,
    /// The seal that A and C both make.
    pub s40: Uuid,
    /// The seal that C makes since A does not.
    pub s25: Uuid,
    /// A's seal of the new pump.
    pub s60: Uuid,
    pub g10: Uuid,
    pub m12: Uuid,
    pub m20: Uuid,
    /// C's motor of the new pump.
    pub m90: Uuid,
    pub sk40: Uuid,
}

impl Products {
    pub(super) async fn insert(load: &mut Load, seed: &mut Seed, cast: &Cast) -> Result<Self> {
        let mut all = Vec::new();
        let mut add = |sku: &str, name: &str, family: &str, lifecycle: &str, price: i64, cost: i64| {
            let id = seed.id();
            all.push(product::Model {
                id,
                sku: sku.into(),
                name: name.into(),
                family: family.into(),
                gtin: Some(format!("40{:011}", 8_800_013 + 1_009 * all.len())),
                uom: "pcs".into(),
                lifecycle: lifecycle.into(),
                embargo_until: (lifecycle == "phase_in").then(|| seed.next(9, 1, 9)),
                list_price: Some(hundredths(price)),
                standard_cost: Some(hundredths(cost)),
            });
            id
        };
        let p100 = add("P100", "Circulation pump P100", PUMPS, "active", 48_900, 27_150);
        let p200 = add("P200", "Circulation pump P200", PUMPS, "active", 89_500, 51_800);
        let p300 = add("P300", "Drainage pump P300", DRAINAGE, "active", 64_000, 35_200);
        let p400 = add("P400", "Drainage pump P400", DRAINAGE, "phase_out", 71_500, 44_900);
        let px500 = add("PX500", "Heat pump circulator PX500", PUMPS, "phase_in", 129_000, 70_300);
        let s40 = add("S40", "Shaft seal 40 mm", SEALS, "active", 3_980, 1_720);
        let s25 = add("S25", "Shaft seal 25 mm", SEALS, "active", 2_950, 1_310);
        let s60 = add("S60", "Shaft seal 60 mm", SEALS, "phase_in", 5_600, 2_240);
        let g10 = add("G10", "Gasket set G10", SEALS, "active", 1_490, 480);
        let m12 = add("M12", "Motor 1.2 kW", MOTORS, "active", 21_900, 12_600);
        let m20 = add("M20", "Motor 2.0 kW", MOTORS, "active", 29_800, 17_400);
        let m90 = add("M90", "Motor 0.9 kW EC", MOTORS, "phase_in", 33_500, 19_100);
        let sk40 = add("SK40", "Seal kit for P100 and P200", KITS, "active", 8_900, 3_350);
        let products = Products { all, p100, p200, p300, p400, px500, s40, s25, s60, g10, m12, m20, m90, sk40 };
        let built = products.built(seed);
        let partners = products.partners(seed, cast);
        write::<product::Entity>(load, products.all.clone()).await?;
        write::<product_component::Entity>(load, built).await?;
        write::<partner_product::Entity>(load, partners).await?;
        Ok(products)
    }

    pub(super) fn get(&self, id: Uuid) -> &product::Model {
        self.all.iter().find(|p| p.id == id).unwrap_or(&self.all[0])
    }

    fn built(&self, seed: &mut Seed) -> Vec<product_component::Model> {
        let ever = seed.new_year(-4).utc().date_naive();
        let changed = seed.day(S25_LEFT_P200);
        let mut line = |product_id, component_id, qty, valid_from, valid_to| product_component::Model {
            id: seed.id(),
            product_id,
            component_id,
            qty_per: whole(qty),
            valid_from,
            valid_to,
        };
        vec![
            line(self.p100, self.s40, 1, ever, None),
            line(self.p100, self.g10, 1, ever, None),
            line(self.p100, self.m12, 1, ever, None),
            line(self.p200, self.s25, 2, ever, Some(changed)),
            line(self.p200, self.s40, 2, changed, None),
            line(self.p300, self.s25, 1, ever, None),
            line(self.p400, self.m20, 1, ever, None),
            line(self.px500, self.s60, 1, ever, None),
            line(self.px500, self.m90, 1, ever, None),
            line(self.sk40, self.s40, 1, ever, None),
            line(self.sk40, self.g10, 1, ever, None),
        ]
    }

    fn partners(&self, seed: &mut Seed, cast: &Cast) -> Vec<partner_product::Model> {
        let ever = seed.new_year(-4).utc().date_naive();
        let changed = seed.day(S25_CHANGED_SUPPLIER);
        let mut rows = Vec::new();
        let mut supplies = |who, what: Uuid, part: &str, quota, price, from: NaiveDate, to: Option<NaiveDate>| {
            rows.push(partner_product::Model {
                id: seed.id(),
                organisation_id: who,
                product_id: what,
                role: "supplies".into(),
                partner_part_no: text(part),
                quota_pct: Some(whole(quota)),
                unit_price: Some(hundredths(price)),
                lead_time_days: Some(21),
                moq: Some(whole(100)),
                valid_from: from,
                valid_to: to,
            });
        };
        supplies(cast.aqua, self.s40, "AS-40-17", 60, 1_720, ever, None);
        supplies(cast.ceram, self.s40, "CM-SEAL-40", 40, 1_755, ever, None);
        supplies(cast.aqua, self.s25, "AS-25-02", 100, 1_310, ever, Some(changed));
        supplies(cast.ceram, self.s25, "CM-SEAL-25", 100, 1_290, changed, None);
        supplies(cast.aqua, self.s60, "AS-60-01", 100, 2_240, ever, None);
        supplies(cast.aqua, self.g10, "AS-G-10", 100, 480, ever, None);
        supplies(cast.aqua, self.sk40, "AS-KIT-40", 100, 3_350, ever, None);
        supplies(cast.ceram, self.m12, "CM-1200", 100, 12_600, ever, None);
        supplies(cast.ceram, self.m20, "CM-2000", 100, 17_400, ever, None);
        supplies(cast.ceram, self.m90, "CM-900-EC", 100, 19_100, ever, None);
        let sold = [self.p100, self.p200, self.p300, self.p400, self.px500, self.sk40];
        for distributor in [cast.bergmann, cast.dauphin] {
            for product_id in sold {
                rows.push(partner_product::Model {
                    id: seed.id(),
                    organisation_id: distributor,
                    product_id,
                    role: "distributes".into(),
                    partner_part_no: None,
                    quota_pct: None,
                    unit_price: None,
                    lead_time_days: Some(5),
                    moq: None,
                    valid_from: ever,
                    valid_to: None,
                });
            }
        }
        rows
    }
}
