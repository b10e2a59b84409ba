//! A small world in which every membership has a member and a near miss, and every entity a row with all
//! its fields. Each row that is written is read back through SeaORM and compared.

use chrono::NaiveDate;
use entities::*;
use sea_orm_migration::sea_orm::{DatabaseConnection, EntityTrait, IntoActiveModel};
use serde_json::json;
use uuid::Uuid;

pub(crate) struct World {
    pub(crate) nordwind: Uuid,
    pub(crate) aqua: Uuid,
    pub(crate) bergmann: Uuid,
    pub(crate) ceram: Uuid,
    pub(crate) rita: Uuid,
    pub(crate) otto: Uuid,
    pub(crate) customer: Uuid,
    pub(crate) anna: Uuid,
    pub(crate) seal: Uuid,
    pub(crate) pump: Uuid,
    /// Delivered on the last day of Aqua's supply.
    pub(crate) old_seal: Lot,
    /// Delivered on the first day of Ceram's.
    pub(crate) new_seal: Lot,
    /// A set that held a pump that held Aqua's seal.
    pub(crate) pump_set: Lot,
    /// A safety case about a lot that Aqua supplied and Bergmann sold.
    pub(crate) danger: Lot,
}

/// A case and its row in `case_product`.
pub(crate) type Lot = (Uuid, Uuid);

pub(crate) fn day(text: &str) -> Instant {
    format!("{text}T00:00:00Z").parse().unwrap()
}

pub(crate) fn now() -> Instant {
    "2026-07-01T09:30:00.000001Z".parse().unwrap()
}

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn text(text: &str) -> Option<String> {
    Some(text.to_string())
}

fn amount(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// Writes a row, reads it back, compares the two and yields its key.
macro_rules! keep {
    ($db:expr, $entity:ident { $($fields:tt)* }) => {{
        let model = $entity::Model { id: Uuid::now_v7(), $($fields)* };
        let row = model.clone().into_active_model();
        $entity::Entity::insert(row).exec_without_returning($db).await.unwrap();
        let read = $entity::Entity::find_by_id(model.id).one($db).await.unwrap();
        assert_eq!(read.as_ref(), Some(&model));
        model.id
    }};
}

pub(crate) async fn build(db: &DatabaseConnection) -> World {
    let nordwind = organisation(db, "nordwind", "internal", None).await;
    let aqua = organisation(db, "aqua-seals", "supplier", None).await;
    let bergmann = organisation(db, "bergmann", "distributor", Some(nordwind)).await;
    let ceram = organisation(db, "ceram-motors", "supplier", None).await;

    let dach = unit(db, nordwind, "DACH", None).await;
    unit(db, nordwind, "AT", Some(dach)).await;
    let de = unit(db, nordwind, "DE", Some(dach)).await;
    let fr = unit(db, nordwind, "FR", None).await;
    let rita = person(db, nordwind, "rita", Some(de)).await;
    let otto = person(db, aqua, "otto", None).await;
    role(db, rita, "sales_rep", Some(dach), None).await;
    role(db, rita, "sales_rep", Some(fr), Some(day("2026-06-30"))).await;
    role(db, otto, "partner_planner", None, None).await;
    keep!(
        db,
        delegation {
            from_principal_id: otto,
            to_principal_id: rita,
            object_types: json!(["InventoryPosition"]),
            can_write: false,
            valid_from: day("2026-06-01"),
            valid_to: day("2026-07-01"),
            reason: "holiday".into(),
            approved_by_id: Some(rita),
        }
    );

    let customer = customer(db, rita, bergmann).await;
    keep!(db, customer_team { customer_id: customer, principal_id: rita });
    let anna = contact(db, customer).await;
    consents(db, anna, bergmann, aqua).await;

    let [seal, pump, set] = products(db).await;
    component(db, pump, seal, "2025-06-01", None).await;
    component(db, set, pump, "2025-01-01", None).await;
    // a circle, which nobody wants but somebody will import
    component(db, seal, set, "2025-01-01", Some("2027-01-01")).await;
    relation(db, aqua, seal, "supplies", "2025-01-01", Some("2026-01-01")).await;
    relation(db, ceram, seal, "supplies", "2026-01-01", None).await;
    relation(db, bergmann, pump, "distributes", "2025-01-01", None).await;

    order(db, customer, rita, [aqua, bergmann], pump, de).await;
    demand(db, customer, rita, aqua, seal, de).await;
    agreements(db, [nordwind, aqua, ceram], [rita, otto], [seal, pump], customer).await;

    let old_seal = case(db, "C-1", [customer, anna], seal, Some("2025-12-31"), "S-1", false).await;
    let new_seal = case(db, "C-2", [customer, anna], seal, Some("2026-01-01"), "S-2", false).await;
    let pump_set = case(db, "C-3", [customer, anna], set, Some("2025-07-01"), "T-1", false).await;
    let danger = case(db, "C-4", [customer, anna], pump, None, "L-1", true).await;
    // near misses: before the pump held the seal, on an unknown day, and the same lot without danger
    case(db, "C-5", [customer, anna], pump, Some("2025-05-31"), "P-1", false).await;
    case(db, "C-6", [customer, anna], seal, None, "S-1", false).await;
    case(db, "C-7", [customer, anna], pump, None, "L-1", false).await;
    for (organisation_id, valid_to) in [(ceram, None), (aqua, Some(now()))] {
        keep!(
            db,
            case_party {
                case_id: old_seal.0,
                organisation_id,
                role: "supplier".into(),
                valid_from: day("2026-01-01"),
                valid_to,
            }
        );
    }
    keep!(
        db,
        case_message {
            case_id: old_seal.0,
            author_id: rita,
            visibility: "party".into(),
            party_id: Some(ceram),
            body: "is the lot known?".into(),
            created_at: now(),
        }
    );
    World {
        nordwind,
        aqua,
        bergmann,
        ceram,
        rita,
        otto,
        customer,
        anna,
        seal,
        pump,
        old_seal,
        new_seal,
        pump_set,
        danger,
    }
}

async fn organisation(db: &DatabaseConnection, slug: &str, kind: &str, parent_id: Option<Uuid>) -> Uuid {
    let id = keep!(
        db,
        organisation {
            slug: slug.into(),
            parent_id,
            display_name: slug.into(),
            legal_name: format!("{slug} GmbH"),
            country: "DE".into(),
            region: "DE".into(),
            external_ids: Some(json!({ "lei": "529900", "duns": [1, 2.5, null, "ä"] })),
            partner_tier: text("gold"),
            risk_rating: text("low"),
            nda_ref: text("NDA-1"),
            transfer_contract: text("SCC-1"),
            privacy_contact: text("privacy@host.example"),
            status: "active".into(),
            created_at: now(),
        }
    );
    for (kind, valid_to) in [(kind, None), ("logistics", Some(day("2026-01-01")))] {
        keep!(db, org_role { organisation_id: id, kind: kind.into(), valid_from: day("2025-01-01"), valid_to });
    }
    id
}

async fn unit(db: &DatabaseConnection, organisation_id: Uuid, region: &str, parent_id: Option<Uuid>) -> Uuid {
    keep!(
        db,
        org_unit {
            organisation_id,
            parent_id,
            name: region.into(),
            kind: "sales_region".into(),
            country: "DE".into(),
            region: region.into(),
            cost_centre: text("4711"),
        }
    )
}

async fn person(db: &DatabaseConnection, organisation_id: Uuid, slug: &str, unit_id: Option<Uuid>) -> Uuid {
    keep!(
        db,
        principal {
            organisation_id,
            unit_id,
            slug: slug.into(),
            kind: "user".into(),
            subject: format!("sub-{slug}"),
            display_name: slug.into(),
            email: Some(format!("{slug}@firm.example")),
            locale: text("de-AT"),
            status: "active".into(),
            last_seen_at: Some(now()),
        }
    )
}

async fn role(db: &DatabaseConnection, who: Uuid, role: &str, scope_unit_id: Option<Uuid>, valid_to: Option<Instant>) {
    keep!(
        db,
        role_assignment {
            principal_id: who,
            role: role.into(),
            scope_unit_id,
            valid_from: day("2025-01-01"),
            valid_to,
            networks: Some(json!(["203.0.113.0/24"])),
            cost_per_minute: Some(2_000),
        }
    );
}

async fn customer(db: &DatabaseConnection, owner: Uuid, partner: Uuid) -> Uuid {
    keep!(
        db,
        customer {
            organisation_id: None,
            name: "Stadtwerke Linz".into(),
            code_name: text("Otter"),
            segment: "utility".into(),
            industry: text("water"),
            country: "AT".into(),
            region: "AT".into(),
            postcode: text("4020"),
            city: text("Linz"),
            street: text("Wiener Straße 151"),
            owner_id: Some(owner),
            lifecycle_stage: "customer".into(),
            portfolio_strategy: text("re_engineer"),
            nda_level: 2,
            credit_limit: Some(amount("100000.5")),
            annual_revenue: Some(amount("-0.0001")),
            clv: Some(Decimal(i64::MAX)),
            churn_risk: Some(amount("0.25")),
            assigned_partner_id: Some(partner),
            created_at: Instant(-1),
            updated_at: now(),
        }
    )
}

async fn contact(db: &DatabaseConnection, customer: Uuid) -> Uuid {
    let id = keep!(
        db,
        contact {
            customer_id: Some(customer),
            organisation_id: None,
            given_name: "Anna".into(),
            family_name: "Huber".into(),
            email: text("anna@linz.example"),
            phone: text("+43 732 123"),
            job_title: text("buyer"),
            language: text("de"),
            preferred_channel: text("phone"),
            is_billing: true,
            birth_date: Some(date("1969-12-31")),
            erased_at: None,
        }
    );
    keep!(
        db,
        privacy_request {
            contact_id: id,
            kind: "erase".into(),
            received_at: now(),
            due_at: day("2026-08-01"),
            status: "open".into(),
            told_partners: Some(json!(["bergmann"])),
        }
    );
    id
}

async fn consents(db: &DatabaseConnection, contact_id: Uuid, live: Uuid, withdrawn: Uuid) {
    for (purpose, recipient_id, withdrawn_at, expires_at) in [
        ("partner_contact", Some(live), None, Some(day("2027-01-01"))),
        ("partner_contact", Some(withdrawn), Some(day("2026-06-30")), None),
        ("survey", Some(withdrawn), None, None),
        ("marketing_email", None, None, None),
    ] {
        keep!(
            db,
            consent {
                contact_id,
                purpose: purpose.into(),
                legal_basis: "consent".into(),
                channel: text("email"),
                recipient_id,
                status: "given".into(),
                given_at: Some(day("2026-01-01")),
                withdrawn_at,
                expires_at,
                evidence_ref: text("form 7"),
                text_version: text("3"),
            }
        );
    }
}

async fn products(db: &DatabaseConnection) -> [Uuid; 3] {
    let mut ids = [Uuid::nil(); 3];
    for (id, sku) in ids.iter_mut().zip(["SEAL", "PUMP", "SET"]) {
        *id = keep!(
            db,
            product {
                sku: sku.into(),
                name: format!("{sku} 40"),
                family: "pumps".into(),
                gtin: text("04012345678901"),
                uom: "pc".into(),
                lifecycle: "phase_in".into(),
                embargo_until: Some(day("2026-09-01")),
                list_price: Some(amount("199.9")),
                standard_cost: Some(amount("83.1234")),
            }
        );
    }
    ids
}

async fn component(db: &DatabaseConnection, product_id: Uuid, component_id: Uuid, from: &str, to: Option<&str>) {
    keep!(
        db,
        product_component {
            product_id,
            component_id,
            qty_per: amount("2"),
            valid_from: date(from),
            valid_to: to.map(date),
        }
    );
}

async fn relation(db: &DatabaseConnection, who: Uuid, product_id: Uuid, role: &str, from: &str, to: Option<&str>) {
    keep!(
        db,
        partner_product {
            organisation_id: who,
            product_id,
            role: role.into(),
            partner_part_no: text("X-9"),
            quota_pct: Some(amount("60")),
            unit_price: Some(amount("3.5")),
            lead_time_days: Some(i32::MAX),
            moq: Some(amount("100")),
            valid_from: date(from),
            valid_to: to.map(date),
        }
    );
}

async fn order(db: &DatabaseConnection, customer: Uuid, owner: Uuid, by: [Uuid; 2], product_id: Uuid, unit: Uuid) {
    let [source, seller] = by;
    let order_id = keep!(
        db,
        sales_order {
            number: "O-1".into(),
            customer_id: customer,
            sold_by_id: Some(seller),
            owner_id: Some(owner),
            carrier_id: Some(seller),
            ship_to_unit_id: Some(unit),
            ship_to_country: "AT".into(),
            ship_to_region: "AT".into(),
            ship_to_postcode: "4020".into(),
            status: "shipped".into(),
            currency: "EUR".into(),
            total: Some(amount("1799.1")),
            margin: Some(amount("600")),
            placed_at: now(),
            requested_date: date("2026-07-15"),
            promised_date: Some(date("2026-07-16")),
            shipped_on: Some(date("2026-07-14")),
            updated_at: now(),
        }
    );
    keep!(
        db,
        order_line {
            order_id,
            line_no: 1,
            product_id,
            qty: amount("10"),
            uom: "pc".into(),
            unit_price: Some(amount("199.9")),
            discount_pct: Some(amount("10")),
            unit_cost: Some(amount("83.1234")),
            net_amount: Some(amount("1799.1")),
            ordered_on: date("2026-07-01"),
            requested_date: date("2026-07-15"),
            confirmed_date: Some(date("2026-07-16")),
            source_id: Some(source),
            lot_no: text("L-1"),
            status: "shipped".into(),
        }
    );
}

async fn demand(db: &DatabaseConnection, customer: Uuid, planner: Uuid, supplier: Uuid, product_id: Uuid, unit: Uuid) {
    let version_id = keep!(
        db,
        forecast_version {
            name: "2026-W27".into(),
            status: "published".into(),
            published_at: Some(now()),
            commit_due_at: Some(day("2026-07-03")),
            horizon_from: date("2026-01-05"),
            horizon_to: date("2027-12-31"),
            created_by_id: planner,
        }
    );
    let series_id = keep!(
        db,
        demand_series {
            product_id,
            supplier_id: Some(supplier),
            customer_id: Some(customer),
            region: "AT".into(),
            ship_to_unit_id: Some(unit),
            category: "after_sales".into(),
            uom: "pc".into(),
        }
    );
    keep!(
        db,
        demand_bucket {
            series_id,
            version_id,
            supplier_id: Some(supplier),
            bucket_start: date("2026-07-06"),
            granularity: "week".into(),
            qty: amount("120"),
            qty_low: Some(amount("100")),
            qty_high: Some(amount("150")),
            firmness: "trade_off".into(),
            contributors: 7,
            top_share: Some(amount("0.4")),
            source: "statistical".into(),
            updated_at: now(),
        }
    );
    keep!(
        db,
        demand_signal {
            kind: "promotion".into(),
            product_id,
            customer_id: Some(customer),
            region: text("AT"),
            observed_at: now(),
            magnitude: amount("40"),
            confidence: Some(amount("0.8")),
            note: text("fair in Wels"),
            originator_id: supplier,
        }
    );
    let commitment = keep!(
        db,
        supply_commitment {
            series_id,
            version_id,
            bucket_start: date("2026-07-06"),
            supplier_id: supplier,
            qty: amount("100"),
            upside_qty: Some(amount("20")),
            status: "partial".into(),
            reason_code: text("force_majeure"),
            comment_shared: text("flood"),
            comment_private: text("second time this year"),
            committed_by_id: Some(planner),
            committed_at: Some(now()),
            row_version: 1,
        }
    );
    keep!(
        db,
        capacity_bucket {
            group_name: "turning".into(),
            supplier_id: supplier,
            bucket_start: date("2026-07-06"),
            actual: amount("80"),
            maximum: amount("120"),
            agreed: Some(amount("100")),
        }
    );
    keep!(
        db,
        inventory_position {
            product_id,
            unit_id: unit,
            owner_id: supplier,
            kind: "consigned".into(),
            qty: amount("55"),
            min_qty: Some(amount("50")),
            max_qty: Some(amount("90")),
            as_of: now(),
        }
    );
    keep!(
        db,
        exception_item {
            kind: "commit_mismatch".into(),
            object_type: "SupplyCommitment".into(),
            object_id: commitment,
            organisation_id: Some(supplier),
            severity: 1,
            threshold: Some(amount("5")),
            delta: Some(amount("-20")),
            status: "open".into(),
            opened_at: now(),
            due_at: Some(day("2026-07-03")),
            closed_at: Some(now()),
        }
    );
}

/// The second partner has the same scopes: once without its signature, once in an agreement that is over.
async fn agreements(db: &DatabaseConnection, who: [Uuid; 3], signed: [Uuid; 2], products: [Uuid; 2], customer: Uuid) {
    let [grantor, first, second] = who;
    let [seal, pump] = products;
    let terms = [
        (first, "active", Some(signed[1]), Some(day("2027-01-01"))),
        (second, "draft", Some(signed[1]), None),
        (second, "draft", None, None),
    ];
    for (seq, (grantee, status, signature, valid_to)) in (1..).zip(terms) {
        let agreement_id = keep!(
            db,
            sharing_agreement {
                grantor_id: grantor,
                grantee_id: grantee,
                title: "parts 2026".into(),
                purpose: "supply planning".into(),
                legal_ref: text("V-12"),
                status: status.into(),
                valid_from: day("2026-01-01"),
                valid_to,
                read_after_end_days: 30,
                history_days: Some(182),
                horizon_days: Some(546),
                k_threshold: Some(5),
                signed_by_grantor_id: Some(signed[0]),
                signed_by_grantee_id: signature,
            }
        );
        for (effect, product_id, valid_to) in
            [("include", pump, None), ("include", seal, Some(now())), ("exclude", seal, None)]
        {
            keep!(
                db,
                agreement_scope {
                    agreement_id,
                    object_type: "demand".into(),
                    effect: effect.into(),
                    product_id: Some(product_id),
                    product_family: text("pumps"),
                    region: text("AT"),
                    customer_id: (effect == "exclude").then_some(customer),
                    valid_from: Some(day("2026-01-01")),
                    valid_to,
                }
            );
        }
        keep!(
            db,
            agreement_field {
                agreement_id,
                object_type: "Customer".into(),
                field: "postcode".into(),
                treatment: "prefix".into(),
                param: text("2"),
                writable: false,
            }
        );
        keep!(
            db,
            audit_event {
                seq,
                at: now(),
                principal_id: Some(signed[0]),
                organisation_id: Some(grantee),
                on_behalf_of_id: Some(signed[1]),
                action: "break_glass".into(),
                object_type: "Customer".into(),
                object_id: Some(customer),
                fields: Some(json!(["postcode"])),
                rows: Some(1),
                decision: "masked".into(),
                policy_version: "abc".into(),
                agreement_id: Some(agreement_id),
                reason: text("delivery lost"),
                prev_hash: text("00"),
                hash: text("01"),
            }
        );
    }
    keep!(
        db,
        break_glass {
            principal_id: signed[0],
            object_type: "Contact".into(),
            object_id: customer,
            field: "phone".into(),
            reason: "delivery lost".into(),
            opened_at: now(),
            ends_at: day("2026-07-08"),
        }
    );
    keep!(
        db,
        mail {
            recipient: "rita@host.example".into(),
            subject: "a look".into(),
            body: "somebody looked".into(),
            created_at: now(),
            attempts: 1,
            next_at: now(),
            sent_at: Some(now()),
            problem: text("nobody there"),
        }
    );
}

async fn case(
    db: &DatabaseConnection,
    number: &str,
    who: [Uuid; 2],
    product_id: Uuid,
    delivered_on: Option<&str>,
    lot_no: &str,
    safety_flag: bool,
) -> Lot {
    let case_id = keep!(
        db,
        case {
            number: number.into(),
            customer_id: Some(who[0]),
            contact_id: Some(who[1]),
            channel: "portal".into(),
            status: "in_progress".into(),
            severity: 2,
            safety_flag,
            subject_internal: "Huber: leaks".into(),
            subject_shared: text("leaks"),
            description_internal: text("Huber says it leaks"),
            description_shared: text("it leaks"),
            root_cause: text("seal"),
            liable_id: None,
            region: "AT".into(),
            owner_id: None,
            opened_at: now(),
            first_response_due: Some(now()),
            resolution_due: Some(day("2026-07-08")),
            closed_at: Some(now()),
            csat: Some(4),
        }
    );
    let lot = keep!(
        db,
        case_product {
            case_id,
            product_id,
            lot_no: text(lot_no),
            serial_no: text("4-711"),
            delivered_on: delivered_on.map(date),
        }
    );
    (case_id, lot)
}
