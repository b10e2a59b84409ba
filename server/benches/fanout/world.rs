//! The world that is followed: a manufacturer's products, and 200 suppliers. Each supplies products of its own and is
//! named others by its agreement, so each sees every product, but not with the same fields.

use entente::access::{connect::Db, load::Load};
use entities::{
    Decimal, Instant, agreement_scope, org_role, organisation, partner_product, principal, product, role_assignment,
    sharing_agreement,
};
use sea_orm::{EntityTrait, IntoActiveModel};
use uuid::{Builder, Uuid};

use crate::Outcome;

/// The clock of the hub when it starts.
pub const NOW: &str = "2026-07-01T12:00:00Z";
pub const SUPPLIERS: usize = 200;
pub const PRODUCTS: usize = 1_000;

const DAY: i64 = 86_400_000_000;
const FAMILIES: [&str; 4] = ["pumps", "seals", "bearings", "valves"];

struct World<'a> {
    load: &'a mut Load,
    keys: u64,
    now: Instant,
}

pub fn supplier_slug(n: usize) -> String {
    format!("supplier-{n}")
}

pub fn sku(n: usize) -> String {
    format!("NW-{:05}", n % PRODUCTS)
}

/// Builds the world in an empty, migrated database.
pub async fn build(db: &Db, _times: usize) -> Outcome<()> {
    let mut load = db.load().await?;
    World { load: &mut load, keys: 0, now: NOW.parse()? }.rows().await?;
    Ok(load.commit().await?)
}

impl World<'_> {
    fn id(&mut self) -> Uuid {
        self.keys += 1;
        let mut rest = [7; 10];
        rest[2..].copy_from_slice(&self.keys.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        Builder::from_unix_timestamp_millis(1_700_000_000_000 + self.keys, &rest).into_uuid()
    }

    fn ago(&self, days: i64) -> Instant {
        Instant(self.now.0 - days * DAY)
    }

    async fn write<E>(&mut self, rows: Vec<E::Model>) -> Outcome<()>
    where
        E: EntityTrait,
        E::Model: IntoActiveModel<E::ActiveModel>,
    {
        let rows = rows.into_iter().map(IntoActiveModel::into_active_model).collect();
        Ok(self.load.insert_many::<E>(rows).await?)
    }

    async fn rows(&mut self) -> Outcome<()> {
        let host = self.organisation("nordwind", "internal").await?;
        let planner = self.person(host, "planner").await?;
        self.person(host, "finance").await?;
        let products = self.products().await?;
        for n in 0..SUPPLIERS {
            let supplier = self.organisation(&supplier_slug(n), "supplier").await?;
            let person = self.person(supplier, "partner_planner").await?;
            let own = |nth: usize| products[(n * 5 + nth) % PRODUCTS];
            let mut supplied = Vec::new();
            for nth in 0..5 {
                supplied.push(partner_product::Model {
                    id: self.id(),
                    organisation_id: supplier,
                    product_id: own(nth),
                    role: "supplies".into(),
                    partner_part_no: None,
                    quota_pct: None,
                    unit_price: None,
                    lead_time_days: None,
                    moq: None,
                    valid_from: self.ago(700).utc().date_naive(),
                    valid_to: None,
                });
            }
            self.write::<partner_product::Entity>(supplied).await?;
            self.agreement((host, planner), (supplier, person), &[own(7), own(11)]).await?;
        }
        Ok(())
    }

    async fn organisation(&mut self, slug: &str, kind: &str) -> Outcome<Uuid> {
        let (id, role) = (self.id(), self.id());
        let organisation = organisation::Model {
            id,
            parent_id: None,
            display_name: slug.to_owned(),
            legal_name: format!("{slug} GmbH"),
            slug: slug.into(),
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
        };
        let (valid_from, kind) = (self.ago(900), kind.into());
        let role = org_role::Model { id: role, organisation_id: id, kind, valid_from, valid_to: None };
        self.write::<organisation::Entity>(vec![organisation]).await?;
        self.write::<org_role::Entity>(vec![role]).await?;
        Ok(id)
    }

    async fn person(&mut self, organisation_id: Uuid, role: &str) -> Outcome<Uuid> {
        let (id, assignment) = (self.id(), self.id());
        let person = principal::Model {
            id,
            organisation_id,
            unit_id: None,
            slug: role.into(),
            kind: "user".into(),
            subject: id.to_string(),
            display_name: role.into(),
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

    async fn products(&mut self) -> Outcome<Vec<Uuid>> {
        let mut all = Vec::new();
        for n in 0..PRODUCTS {
            all.push(product::Model {
                id: self.id(),
                sku: sku(n),
                name: format!("batch {:08}", 0),
                family: FAMILIES[n % FAMILIES.len()].into(),
                gtin: None,
                uom: "pcs".into(),
                lifecycle: "active".into(),
                embargo_until: None,
                list_price: Some(Decimal::from_int(100)),
                standard_cost: Some(Decimal::from_int(60)),
            });
        }
        let ids = all.iter().map(|p| p.id).collect();
        self.write::<product::Entity>(all).await?;
        Ok(ids)
    }

    async fn agreement(
        &mut self,
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
        let scopes = products.iter().map(|product| agreement_scope::Model {
            id: self.id(),
            agreement_id: agreement.id,
            object_type: "demand".into(),
            effect: "include".into(),
            product_id: Some(*product),
            product_family: None,
            region: None,
            customer_id: None,
            valid_from: None,
            valid_to: None,
        });
        let scopes = scopes.collect();
        self.write::<sharing_agreement::Entity>(vec![agreement]).await?;
        self.write::<agreement_scope::Entity>(scopes).await
    }
}
