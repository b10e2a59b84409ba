//! Who plays: organisations, what they are to Nordwind, their units, people and roles, and one delegation.
//! The first person by slug of each role is the one that a seat without a user means.

use entities::{Instant, delegation, org_role, org_unit, organisation, principal, role_assignment};
use serde_json::json;
use uuid::Uuid;

use super::{
    seed::{Seed, text},
    write,
};
use crate::{access::load::Load, error::Result};

pub(super) struct Cast {
    /// Makes pumps and runs the hub.
    pub nordwind: Uuid,
    /// Supplier A: seals and gaskets.
    pub aqua: Uuid,
    /// Distributor B: Germany, Austria, Switzerland.
    pub bergmann: Uuid,
    /// Supplier C: motors, and the rest of the seals.
    pub ceram: Uuid,
    /// Distributor D: France.
    pub dauphin: Uuid,
    /// Logistics L.
    pub lindner: Uuid,
    pub units: Units,
    pub people: People,
}

pub(super) struct Units {
    pub kiel: Uuid,
    pub graz: Uuid,
    pub lyon: Uuid,
    pub kassel: Uuid,
    pub linz: Uuid,
}

pub(super) struct People {
    pub ada: Uuid,
    pub anna: Uuid,
    pub bruno: Uuid,
    pub claire: Uuid,
    pub maren: Uuid,
    pub paula: Uuid,
    pub sven: Uuid,
    pub svea: Uuid,
    pub alice: Uuid,
    pub bea: Uuid,
    pub carl: Uuid,
    pub denis: Uuid,
    pub lena: Uuid,
}

/// The rows while they are gathered: what a person is called becomes a key only once.
struct Gather<'a> {
    seed: &'a mut Seed,
    organisations: Vec<organisation::Model>,
    roles: Vec<org_role::Model>,
    units: Vec<org_unit::Model>,
    people: Vec<principal::Model>,
    assignments: Vec<role_assignment::Model>,
}

impl Cast {
    pub(super) async fn insert(load: &mut Load, seed: &mut Seed) -> Result<Self> {
        let mut rows = Gather {
            seed,
            organisations: Vec::new(),
            roles: Vec::new(),
            units: Vec::new(),
            people: Vec::new(),
            assignments: Vec::new(),
        };
        let cast = rows.cast();
        let delegation = rows.delegation(&cast);
        write::<organisation::Entity>(load, rows.organisations).await?;
        write::<org_role::Entity>(load, rows.roles).await?;
        write::<org_unit::Entity>(load, rows.units).await?;
        write::<principal::Entity>(load, rows.people).await?;
        write::<role_assignment::Entity>(load, rows.assignments).await?;
        write::<delegation::Entity>(load, vec![delegation]).await?;
        Ok(cast)
    }
}

impl Gather<'_> {
    fn cast(&mut self) -> Cast {
        let nordwind = self.organisation("nordwind", "Nordwind", "Nordwind Pumpen GmbH", "DE", None);
        let aqua = self.organisation("aqua-seals", "Aqua Seals", "Aqua Seals GmbH", "DE", Some(("gold", "low")));
        let bergmann = self.organisation("bergmann", "Bergmann", "Bergmann Vertrieb GmbH", "DE", Some(("gold", "low")));
        let ceram =
            self.organisation("ceram-motors", "Ceram Motors", "Ceram Motors s.r.o.", "CZ", Some(("silver", "medium")));
        let dauphin = self.organisation("dauphin", "Dauphin", "Dauphin Pompes SARL", "FR", Some(("silver", "low")));
        let lindner = self.organisation("lindner", "Lindner", "Lindner Logistik AG", "AT", Some(("bronze", "medium")));

        self.role(nordwind, "internal", None);
        self.role(aqua, "supplier", None);
        self.role(bergmann, "distributor", None);
        self.role(ceram, "supplier", None);
        self.role(dauphin, "distributor", None);
        self.role(lindner, "logistics", None);
        // roles end: both firms were something else before
        self.role(ceram, "contract_manufacturer", Some(self.seed.new_year(-2)));
        self.role(bergmann, "service_partner", Some(self.seed.new_year(-1)));

        let kiel = self.unit(nordwind, None, "Plant Kiel", "plant", "DE", "DE");
        let graz = self.unit(nordwind, None, "Plant Graz", "plant", "AT", "AT");
        let lyon = self.unit(nordwind, None, "Service depot Lyon", "warehouse", "FR", "FR");
        let kassel = self.unit(nordwind, None, "Central warehouse Kassel", "warehouse", "DE", "DE");
        let planning = self.unit(nordwind, None, "Supply planning", "department", "DE", "DE");
        let service = self.unit(nordwind, None, "Customer service", "department", "DE", "DE");
        let office = self.unit(nordwind, None, "Administration", "department", "DE", "DE");
        // regions of the upper units are no customer's region: a territory is what lies below
        let sales = self.unit(nordwind, None, "Sales", "sales_region", "DE", "EU");
        let dach = self.unit(nordwind, Some(sales), "Sales DACH", "sales_region", "DE", "DACH");
        let germany = self.unit(nordwind, Some(dach), "Sales Germany", "sales_region", "DE", "DE");
        let alps = self.unit(nordwind, Some(dach), "Sales Alps", "sales_region", "AT", "ALPS");
        self.unit(nordwind, Some(alps), "Sales Austria", "sales_region", "AT", "AT");
        self.unit(nordwind, Some(alps), "Sales Switzerland", "sales_region", "CH", "CH");
        let france = self.unit(nordwind, Some(sales), "Sales France", "sales_region", "FR", "FR");
        let bremen = self.unit(aqua, None, "Aqua Seals Bremen", "plant", "DE", "DE");
        let brno = self.unit(ceram, None, "Ceram Brno", "plant", "CZ", "CZ");
        let linz = self.unit(lindner, None, "Lindner hub Linz", "warehouse", "AT", "AT");

        let ada = self.person(nordwind, Some(office), "ada", "Ada Lindqvist", "admin", None);
        let paula = self.person(nordwind, Some(planning), "paula", "Paula Petersen", "planner", None);
        let anna = self.person(nordwind, Some(germany), "anna", "Anna Albers", "sales_rep", Some(germany));
        let bruno = self.person(nordwind, Some(alps), "bruno", "Bruno Berger", "sales_rep", Some(alps));
        let claire = self.person(nordwind, Some(france), "claire", "Claire Caron", "sales_rep", Some(france));
        let maren = self.person(nordwind, Some(dach), "maren", "Maren Moor", "sales_manager", Some(dach));
        let svea = self.person(nordwind, Some(service), "svea", "Svea Sommer", "support_agent", None);
        let sven = self.person(nordwind, Some(service), "sven", "Sven Stein", "support_agent", None);
        self.person(nordwind, Some(office), "fiona", "Fiona Falk", "finance", None);
        self.person(nordwind, Some(office), "mia", "Mia Maurer", "marketing", None);
        let alice = self.person(aqua, Some(bremen), "alice", "Alice Aden", "partner_planner", None);
        self.person(aqua, Some(bremen), "arne", "Arne Ahrens", "partner_admin", None);
        self.machine(aqua, "erp", "Aqua Seals ERP");
        let bea = self.person(bergmann, None, "bea", "Bea Bergmann", "partner_sales", None);
        self.person(bergmann, None, "boris", "Boris Bach", "partner_marketing", None);
        let carl = self.person(ceram, Some(brno), "carl", "Carl Čermák", "partner_planner", None);
        let denis = self.person(dauphin, None, "denis", "Denis Dauphin", "partner_sales", None);
        let lena = self.person(lindner, Some(linz), "lena", "Lena Lindner", "partner_planner", None);

        let units = Units { kiel, graz, lyon, kassel, linz };
        let people = People { ada, anna, bruno, claire, maren, paula, sven, svea, alice, bea, carl, denis, lena };
        Cast { nordwind, aqua, bergmann, ceram, dauphin, lindner, units, people }
    }

    fn organisation(
        &mut self,
        slug: &str,
        name: &str,
        legal: &str,
        country: &str,
        opinion: Option<(&str, &str)>,
    ) -> Uuid {
        let id = self.seed.id();
        self.organisations.push(organisation::Model {
            id,
            slug: slug.into(),
            parent_id: None,
            display_name: name.into(),
            legal_name: legal.into(),
            country: country.into(),
            region: country.into(),
            external_ids: Some(json!({ "gln": format!("40{:011}", 7_351_000 + 97 * self.organisations.len()) })),
            partner_tier: opinion.map(|(tier, _)| tier.into()),
            risk_rating: opinion.map(|(_, risk)| risk.into()),
            nda_ref: opinion.map(|_| format!("NDA-{}", slug.to_uppercase())),
            transfer_contract: None,
            privacy_contact: text(&format!("privacy@{slug}.example")),
            status: "active".into(),
            created_at: self.seed.new_year(-6),
        });
        id
    }

    fn role(&mut self, organisation_id: Uuid, kind: &str, valid_to: Option<Instant>) {
        let valid_from = self.seed.new_year(-6);
        self.roles.push(org_role::Model {
            id: self.seed.id(),
            organisation_id,
            kind: kind.into(),
            valid_from,
            valid_to,
        });
    }

    fn unit(
        &mut self,
        organisation_id: Uuid,
        parent_id: Option<Uuid>,
        name: &str,
        kind: &str,
        country: &str,
        region: &str,
    ) -> Uuid {
        let id = self.seed.id();
        self.units.push(org_unit::Model {
            id,
            organisation_id,
            parent_id,
            name: name.into(),
            kind: kind.into(),
            country: country.into(),
            region: region.into(),
            cost_centre: (kind == "department").then(|| format!("CC{}", 100 + 10 * self.units.len())),
        });
        id
    }

    fn person(
        &mut self,
        organisation_id: Uuid,
        unit_id: Option<Uuid>,
        slug: &str,
        name: &str,
        role: &str,
        scope_unit_id: Option<Uuid>,
    ) -> Uuid {
        let home = self.slug_of(organisation_id);
        let id = self.seed.id();
        self.people.push(principal::Model {
            id,
            organisation_id,
            unit_id,
            slug: slug.into(),
            kind: "user".into(),
            subject: format!("{home}|{slug}"),
            display_name: name.into(),
            email: Some(format!("{slug}@{home}.example")),
            locale: text("de-DE"),
            status: "active".into(),
            last_seen_at: Some(self.seed.hours(-26)),
        });
        self.assign(id, role, scope_unit_id);
        id
    }

    fn machine(&mut self, organisation_id: Uuid, slug: &str, name: &str) {
        let home = self.slug_of(organisation_id);
        let id = self.seed.id();
        self.people.push(principal::Model {
            id,
            organisation_id,
            unit_id: None,
            slug: slug.into(),
            kind: "service".into(),
            subject: format!("{home}|{slug}"),
            display_name: name.into(),
            email: None,
            locale: None,
            status: "active".into(),
            last_seen_at: Some(self.seed.hours(-1)),
        });
        self.assign(id, "service_account", None);
        if let Some(right) = self.assignments.last_mut() {
            // the demo runs on one machine; elsewhere these are the addresses of the partner
            right.networks = Some(json!(["127.0.0.0/8", "::1/128"]));
            right.cost_per_minute = Some(2_000);
        }
    }

    fn assign(&mut self, principal_id: Uuid, role: &str, scope_unit_id: Option<Uuid>) {
        let valid_from = self.seed.new_year(-3);
        let id = self.seed.id();
        self.assignments.push(role_assignment::Model {
            id,
            principal_id,
            role: role.into(),
            scope_unit_id,
            valid_from,
            valid_to: None,
            networks: None,
            cost_per_minute: None,
        });
    }

    fn slug_of(&self, organisation: Uuid) -> String {
        self.organisations.iter().find(|o| o.id == organisation).map(|o| o.slug.clone()).unwrap_or_default()
    }

    /// Alice is on holiday: Lena of the logistics firm acts for her on stock, read only.
    fn delegation(&mut self, cast: &Cast) -> delegation::Model {
        delegation::Model {
            id: self.seed.id(),
            from_principal_id: cast.people.alice,
            to_principal_id: cast.people.lena,
            object_types: json!(["InventoryPosition"]),
            can_write: false,
            valid_from: self.seed.at(-7, 0),
            valid_to: self.seed.next(7, 1, 0),
            reason: "holiday cover for stock".into(),
            approved_by_id: Some(cast.people.paula),
        }
    }
}
