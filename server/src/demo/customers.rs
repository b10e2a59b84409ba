//! Who buys: firms and households in four countries, three of them under a non-disclosure agreement, and
//! the account teams that know them.

use entities::{customer, customer_team};
use uuid::Uuid;

use super::{
    cast::Cast,
    seed::{Seed, hundredths, text, whole},
    write,
};
use crate::{access::load::Load, error::Result};

/// Name, region, postcode, city, street, segment, industry, mail domain.
type Line =
    (&'static str, &'static str, &'static str, &'static str, &'static str, &'static str, &'static str, &'static str);

const LINES: &[Line] = &[
    ("Hafenwerke Hamburg GmbH", "DE", "20457", "Hamburg", "Am Sandtorkai 41", "key", "ports", "hafenwerke.example"),
    ("K9 Kältetechnik GmbH", "DE", "04109", "Leipzig", "Gerberstraße 9", "key", "refrigeration", "k9-kaelte.example"),
    ("Stadtwerke Kassel", "DE", "34117", "Kassel", "Königstor 3", "key", "utilities", "stadtwerke-kassel.example"),
    ("Rheinwasser AG", "DE", "50668", "Köln", "Konrad-Adenauer-Ufer 5", "key", "utilities", "rheinwasser.example"),
    ("Brauerei Sonnhof", "DE", "96047", "Bamberg", "Sandstraße 12", "standard", "food", "sonnhof.example"),
    (
        "Klinikum Nordheide",
        "DE",
        "21244",
        "Buchholz",
        "Steinbecker Straße 44",
        "standard",
        "health",
        "nordheide.example",
    ),
    ("Molkerei Allgäuer Land", "DE", "87435", "Kempten", "Molkereiweg 1", "standard", "food", "allgaeuer.example"),
    ("Papierfabrik Weiden", "DE", "92637", "Weiden", "Mühlenweg 20", "standard", "paper", "papier-weiden.example"),
    ("Elbe Chemie GmbH", "DE", "01097", "Dresden", "Hafenstraße 30", "key", "chemicals", "elbe-chemie.example"),
    ("Spreewerk Fernwärme", "DE", "10243", "Berlin", "Am Ostbahnhof 8", "key", "utilities", "spreewerk.example"),
    ("Gartenbau Petersen", "DE", "25421", "Pinneberg", "Rosenweg 7", "small", "horticulture", "petersen.example"),
    (
        "Hotelgruppe Ostsee",
        "DE",
        "18055",
        "Rostock",
        "Strandstraße 88",
        "standard",
        "hospitality",
        "ostsee-hotels.example",
    ),
    ("Automaten Krüger", "DE", "44135", "Dortmund", "Ostwall 15", "small", "machinery", "krueger.example"),
    (
        "Neckar Klimatechnik",
        "DE",
        "70173",
        "Stuttgart",
        "Neckarstraße 2",
        "standard",
        "refrigeration",
        "neckar-klima.example",
    ),
    ("Familie Brandt", "DE", "24103", "Kiel", "Holtenauer Straße 119", "household", "", "mail.example"),
    ("Alpenstahl AG", "AT", "8700", "Leoben", "Eisenstraße 1", "key", "steel", "alpenstahl.example"),
    ("Donauwerk Sondertechnik GmbH", "AT", "4020", "Linz", "Werftweg 6", "key", "defence", "donauwerk.example"),
    ("Wiener Bäder Betriebe", "AT", "1030", "Wien", "Landstraße 60", "key", "leisure", "wiener-baeder.example"),
    ("Tiroler Bergbahnen", "AT", "6020", "Innsbruck", "Bergisel 4", "standard", "transport", "tiroler-bahnen.example"),
    (
        "Salzburg Thermal",
        "AT",
        "5020",
        "Salzburg",
        "Auerspergstraße 22",
        "standard",
        "leisure",
        "salzburg-thermal.example",
    ),
    ("Steirische Obstsäfte", "AT", "8160", "Weiz", "Apfelallee 3", "standard", "food", "obstsaefte.example"),
    ("Kraftwerk Kaprun", "AT", "5710", "Kaprun", "Kesselfallstraße 1", "standard", "utilities", "kaprun.example"),
    ("Familie Huber", "AT", "8010", "Graz", "Leonhardstraße 31", "household", "", "post.example"),
    ("Basel Biotech AG", "CH", "4058", "Basel", "Rheinpromenade 100", "key", "pharma", "basel-biotech.example"),
    ("Zürich Wasserversorgung", "CH", "8021", "Zürich", "Hardhof 9", "key", "utilities", "zh-wasser.example"),
    ("Uhrenwerk Biel", "CH", "2502", "Biel", "Zentralstraße 55", "small", "machinery", "uhrenwerk.example"),
    ("Käserei Emmental", "CH", "3550", "Langnau", "Dorfstraße 8", "small", "food", "kaeserei-emmental.example"),
    ("Genossenschaft Limmat", "CH", "5400", "Baden", "Limmatweg 14", "standard", "housing", "limmat.example"),
    ("Bündner Kraftwerke", "CH", "7000", "Chur", "Plessurquai 2", "standard", "utilities", "buendner-kw.example"),
    ("Eaux de Lyon", "FR", "69002", "Lyon", "Quai Perrache 12", "key", "utilities", "eaux-lyon.example"),
    (
        "Brasserie du Rhin",
        "FR",
        "67000",
        "Strasbourg",
        "Rue de la Brasserie 3",
        "standard",
        "food",
        "brasserie-rhin.example",
    ),
    ("Vignobles Castel-Roux", "FR", "33000", "Bordeaux", "Cours du Médoc 40", "small", "food", "castel-roux.example"),
    ("Hôpital Saint-Marc", "FR", "44000", "Nantes", "Boulevard Jean Monnet 5", "key", "health", "saint-marc.example"),
    (
        "Papeterie des Vosges",
        "FR",
        "88000",
        "Épinal",
        "Quai des Bons Enfants 1",
        "standard",
        "paper",
        "papeterie-vosges.example",
    ),
    ("Chauffage Delorme", "FR", "75011", "Paris", "Rue Oberkampf 90", "small", "heating", "delorme.example"),
    ("Famille Moreau", "FR", "31000", "Toulouse", "Rue des Lois 17", "household", "", "courriel.example"),
];

pub(super) struct Customers {
    pub all: Vec<customer::Model>,
}

impl Customers {
    pub(super) async fn insert(load: &mut Load, seed: &mut Seed, cast: &Cast) -> Result<Self> {
        let all: Vec<customer::Model> =
            LINES.iter().enumerate().map(|(n, line)| customer(seed, cast, n, line)).collect();
        let customers = Customers { all };
        let team = customers.team(seed, cast);
        write::<customer::Entity>(load, customers.all.clone()).await?;
        write::<customer_team::Entity>(load, team).await?;
        Ok(customers)
    }

    /// The line of [`LINES`] that begins so.
    pub(super) fn named(&self, start: &str) -> &customer::Model {
        let found = self.all.iter().find(|c| c.name.starts_with(start));
        debug_assert!(found.is_some(), "nobody is called {start}");
        found.unwrap_or(&self.all[0])
    }

    pub(super) fn domain(&self, customer: Uuid) -> &'static str {
        self.all.iter().position(|c| c.id == customer).map_or("mail.example", |at| LINES[at].7)
    }

    /// Key accounts have a team. That of the customer whose existence is a secret is two people.
    fn team(&self, seed: &mut Seed, cast: &Cast) -> Vec<customer_team::Model> {
        let mut rows = Vec::new();
        let mut join = |customer_id, principal_id| {
            rows.push(customer_team::Model { id: seed.id(), customer_id, principal_id });
        };
        for customer in self.all.iter().filter(|c| c.segment == "key" && c.nda_level < 2) {
            customer.owner_id.iter().for_each(|owner| join(customer.id, *owner));
        }
        let secret = self.named("Donauwerk").id;
        join(secret, cast.people.bruno);
        join(secret, cast.people.sven);
        // operators see the secret customer because they are on its team, not because they are operators
        join(secret, cast.people.ada);
        // a German rep on an Austrian account: the team counts beside the territory
        join(self.named("Wiener").id, cast.people.anna);
        rows
    }
}

fn customer(seed: &mut Seed, cast: &Cast, n: usize, line: &Line) -> customer::Model {
    let &(name, region, postcode, city, street, segment, industry, _) = line;
    let (code_name, nda_level) = match name {
        "Alpenstahl AG" => (text("Heron"), 1),
        "Basel Biotech AG" => (text("Otter"), 1),
        "Donauwerk Sondertechnik GmbH" => (text("Kestrel"), 2),
        _ => (None, 0),
    };
    let assigned = match (name, region) {
        ("K9 Kältetechnik GmbH" | "Donauwerk Sondertechnik GmbH", _) => None,
        // in charge of a customer whose name it does not know
        ("Alpenstahl AG", _) => Some(cast.bergmann),
        (_, "FR") => (!n.is_multiple_of(3)).then_some(cast.dauphin),
        _ => n.is_multiple_of(3).then_some(cast.bergmann),
    };
    let owner = match region {
        "DE" => cast.people.anna,
        "FR" => cast.people.claire,
        _ => cast.people.bruno,
    };
    let (limit, revenue) = match segment {
        "key" => (250_000, 1_800_000),
        "standard" => (60_000, 320_000),
        "small" => (15_000, 45_000),
        _ => (2_000, 1_500),
    };
    let stages = ["customer", "customer", "customer", "at_risk", "prospect"];
    let strategies = ["protect", "enhance", "harvest", "re_engineer"];
    customer::Model {
        id: seed.id(),
        organisation_id: None,
        name: name.into(),
        code_name,
        segment: segment.into(),
        industry: (!industry.is_empty()).then(|| industry.into()),
        country: region.into(),
        region: region.into(),
        postcode: text(postcode),
        city: text(city),
        street: text(street),
        owner_id: Some(owner),
        lifecycle_stage: (*seed.one_of(&stages)).into(),
        portfolio_strategy: Some((*seed.one_of(&strategies)).into()),
        nda_level,
        credit_limit: Some(whole(limit)),
        annual_revenue: Some(whole(revenue + 1_000 * seed.pick(90))),
        clv: Some(whole(limit * 3 + 100 * seed.pick(80))),
        churn_risk: Some(hundredths(2 + seed.pick(60))),
        assigned_partner_id: assigned,
        created_at: seed.at(-1_200 + n as i64, 9),
        updated_at: seed.at(-(n as i64) % 40 - 1, 11),
    }
}
