//! Imports from end to end into a database file.

use std::fs;

use super::*;
use crate::{
    access::connect::DatabaseUrl,
    catalogue::{CATALOGUE, Value},
};

struct Hub {
    folder: tempfile::TempDir,
    db: Db,
    clock: Clock,
}

const ORGANISATIONS: &str = "key,slug,displayName,legalName,country,region,status\n\
    A,aqua,Aqua Seals,Aqua Seals GmbH,AT,AT,active\n\
    B,berg,Bergmann,Bergmann AG,DE,DE,active\n";

impl Hub {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let db = Db::open(&DatabaseUrl::sqlite(folder.path().join("hub.db"))).await.expect("a database");
        db.migrate_up().await.expect("tables");
        let clock = Clock::held("2026-07-01T12:00:00Z".parse().expect("valid"));
        Hub { folder, db, clock }
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, text).expect("written");
        path.display().to_string()
    }

    async fn import(&self, ty: &str, text: &str, change: impl FnOnce(&mut Args)) -> Result<Outcome> {
        let file = self.write("t.csv", text);
        let mut args = Args { what: vec![ty.to_owned(), file], ..Args::default() };
        change(&mut args);
        take(&self.db, &self.clock, &args).await
    }

    async fn good(&self, ty: &str, text: &str) {
        let outcome = self.import(ty, text, |_| ()).await.expect("imported");
        assert_eq!(lines(&outcome), Vec::<String>::new());
    }

    /// The field of the row with this key.
    async fn value(&self, ty: &str, key: &str, field: &str) -> Option<Value> {
        let ty = CATALOGUE.by_name(ty).expect("a type");
        let mut load = self.db.load().await.expect("a transaction");
        let id = *load.keyed(ty, "csv", &[key.to_owned()]).await.expect("an answer").get(key)?;
        load.values(ty, ty.field_index(field).expect("a field"), &[id]).await.expect("an answer").remove(&id)
    }
}

fn lines(outcome: &Outcome) -> Vec<String> {
    let mut out = Vec::new();
    outcome.problems.tell(&mut out).expect("a buffer takes all");
    String::from_utf8(out).expect("text").lines().map(str::to_owned).collect()
}

fn verdict(outcome: &Outcome) -> String {
    outcome.verdict().map_or_else(|error| error.to_string(), |()| String::new())
}

#[tokio::test]
async fn rows_come_in_with_keys_references_and_stamps() {
    let hub = Hub::new().await;
    hub.good("Organisation", ORGANISATIONS).await;
    hub.good("orgRoles", "organisation,kind,validFrom\nA,supplier,2026-01-01T00:00:00Z\n").await;
    let now = Value::Instant(hub.clock.now());
    assert_eq!(hub.value("Organisation", "A", "createdAt").await, Some(now));

    // a row may point at one above it, and at one by its id
    let id = hub.value("Organisation", "B", "id").await.expect("there");
    let units = format!(
        "key,organisation,parent,name,kind,country,region\nU1,A,,Plant,plant,AT,AT\nU2,{id},U1,Store,warehouse,DE,DE\n"
    );
    hub.good("OrgUnit", &units).await;
    assert_eq!(hub.value("OrgUnit", "U2", "parent").await, hub.value("OrgUnit", "U1", "id").await);
    assert_eq!(hub.value("OrgUnit", "U2", "organisation").await, Some(id));
}

#[tokio::test]
async fn one_wrong_row_keeps_all_out() {
    let hub = Hub::new().await;
    let wrong = format!("{ORGANISATIONS}C,cera,Ceram,Ceram,FR,FR,sleeping\nD,,Dauphin,Dauphin,FR,FR,active\n");
    let outcome = hub.import("Organisation", &wrong, |_| ()).await.expect("an answer");
    assert_eq!(
        lines(&outcome),
        [
            "t.csv line 4: column `status`: `sleeping` is wrong, expected one of `active`, `suspended`",
            "t.csv line 5: column `slug` is empty, a value is needed",
        ]
    );
    assert_eq!(verdict(&outcome), "nothing was imported: 2 rows are wrong, correct them or use --keep-going");
    assert_eq!(hub.value("Organisation", "A", "slug").await, None);

    let outcome = hub.import("Organisation", &wrong, |args| args.keep_going = true).await.expect("an answer");
    assert_eq!(verdict(&outcome), "2 rows were imported, 2 rows are left out as wrong");
    assert_eq!(hub.value("Organisation", "A", "slug").await, Some("aqua".into()));
    assert_eq!(hub.value("Organisation", "C", "slug").await, None);
}

#[tokio::test]
async fn what_the_database_refuses_is_told_by_line() {
    let hub = Hub::new().await;
    hub.good("Organisation", ORGANISATIONS).await;
    let rows = "key,slug,displayName,legalName,country,region,status,parent\n\
        C,cera,Ceram,Ceram,FR,FR,active,Z\n\
        D,aqua,Dauphin,Dauphin,FR,FR,active,\n\
        A,again,Again,Again,FR,FR,active,\n\
        E,e,E,E,FR,FR,active,\n\
        E,f,F,F,FR,FR,active,\n\
        F,g\n\
        ,h,H,H,FR,FR,active,\n";
    let outcome = hub.import("Organisation", rows, |_| ()).await.expect("an answer");
    assert_eq!(
        lines(&outcome),
        [
            "t.csv line 2: column `parent`: `Z` is wrong, expected the key of a `Organisation` that was imported from \
             source `csv`, or its id",
            "t.csv line 3: column `slug`: another row has `aqua` already",
            "t.csv line 4: key `A` of source `csv` was imported before, use --update to change its row",
            "t.csv line 6: key `E` is in the file twice",
            "t.csv line 7: has 2 cells, the header has 8",
            "t.csv line 8: the key is empty, each row needs its own",
        ]
    );
}

#[tokio::test]
async fn update_changes_known_rows_and_nothing_else() {
    let hub = Hub::new().await;
    hub.good("Organisation", ORGANISATIONS).await;
    let id = hub.value("Organisation", "A", "id").await;
    let change = "key,displayName,status\nA,Aqua,suspended\n";
    let outcome = hub.import("Organisation", change, |args| args.update = true).await.expect("imported");
    assert_eq!(verdict(&outcome), "");
    assert_eq!(outcome.tables[0].2, Counts { new: 0, changed: 1 });
    assert_eq!(hub.value("Organisation", "A", "id").await, id);
    assert_eq!(hub.value("Organisation", "A", "displayName").await, Some("Aqua".into()));
    assert_eq!(hub.value("Organisation", "A", "slug").await, Some("aqua".into()));
    assert_eq!(hub.value("Organisation", "B", "displayName").await, Some("Bergmann".into()));

    // a row that is not known lacks the rest
    let unknown = "key,displayName,status\nZ,Z,active\n";
    let outcome = hub.import("Organisation", unknown, |args| args.update = true).await.expect("an answer");
    assert!(lines(&outcome)[0].starts_with("t.csv line 2: column `slug` is empty"), "{:?}", lines(&outcome));
}

#[tokio::test]
async fn a_mapping_feeds_several_types_from_one_folder() {
    let hub = Hub::new().await;
    hub.write("firms.csv", "No; Name ;Land\n1; Aqua ;Austria\n2;Berg;-\n");
    let mapping = "source = 'erp'\ntrim = true\ndelimiter = ';'\nnull = ['-']\n\
        [values.land]\nAustria = 'AT'\n\
        [[import]]\ntype = 'Organisation'\nfile = 'firms.csv'\nkey = 'f-{No}'\n[import.fields]\n\
        slug = 'firm-{No}'\ndisplayName = '{Name}'\nlegalName = '{Name}'\nstatus = 'active'\n\
        country = { text = '{Land}', values = 'land', default = 'DE' }\nregion = 'EU'\n\
        [[import]]\ntype = 'OrgRole'\nfile = 'firms.csv'\nwhen = '{Land}'\n[import.fields]\n\
        organisation = 'f-{No}'\nkind = 'supplier'\nvalidFrom = 2026-01-01T00:00:00Z\n";
    let map = hub.write("map.toml", mapping);
    let args = Args { what: vec![hub.folder.path().display().to_string()], map: Some(map.into()), ..Args::default() };
    let outcome = take(&hub.db, &hub.clock, &args).await.expect("imported");
    assert_eq!(lines(&outcome), Vec::<String>::new());
    let taken: Vec<_> = outcome.tables.iter().map(|(ty, _, counts)| (*ty, counts.new)).collect();
    assert_eq!(taken, [("Organisation", 2), ("OrgRole", 1)]);
}

#[tokio::test]
async fn order_lines_compute_what_they_leave_out() {
    let hub = Hub::new().await;
    hub.good("Customer", "key,name,segment,country,region,lifecycleStage,ndaLevel\nC,Cust,a,AT,AT,customer,0\n").await;
    hub.good("Product", "key,sku,name,family,uom,lifecycle\nP,P,Pump,pumps,piece,active\n").await;
    let orders = "key,number,customer,shipToCountry,shipToRegion,shipToPostcode,status,currency,placedAt,requestedDate\n\
        O,1,C,AT,AT,1010,open,EUR,2026-06-01T23:00:00+02:00,2026-07-01\n";
    hub.good("SalesOrder", orders).await;
    let lines = "key,order,lineNo,product,qty,uom,unitPrice,discountPct,netAmount,orderedOn,requestedDate,status\n\
        L1,O,1,P,10,piece,9.80,5,,2026-06-01,2026-07-01,open\n\
        L2,O,2,P,10,piece,9.80,5,1,2026-06-01,2026-07-01,open\n\
        L3,O,3,P,10,piece,,,,2026-06-01,2026-07-01,open\n";
    hub.good("OrderLine", lines).await;
    let net = async |key: &str| hub.value("OrderLine", key, "netAmount").await.map(|value| value.to_string());
    assert_eq!(net("L1").await.as_deref(), Some("93.1"));
    assert_eq!(net("L2").await.as_deref(), Some("1"));
    assert_eq!(net("L3").await.as_deref(), Some(""));

    // a changed quantity changes what follows from it
    let outcome = hub.import("OrderLine", "key,qty\nL1,20\n", |args| args.update = true).await.expect("imported");
    assert_eq!(verdict(&outcome), "");
    assert_eq!(net("L1").await.as_deref(), Some("186.2"));
}

#[tokio::test]
async fn wrong_use_is_one_sentence() {
    let hub = Hub::new().await;
    let fault = async |ty: &str, text: &str| {
        hub.import(ty, text, |_| ()).await.err().map(|error| (error.exit_code(), error.to_string())).unwrap_or_default()
    };
    let (code, text) = fault("Organisations", "a\n").await;
    assert!(code == 2 && text.starts_with("`Organisations` is no type, use one of `Organisation`"), "{text}");
    let (code, text) = fault("Organisation", "slug,color\n").await;
    assert!(code == 2 && text.starts_with("`t.csv`: `color` is no field of `Organisation`, which has `key`"), "{text}");
    let (code, text) = fault("Organisation", "slug\n").await;
    assert!(code == 2 && text.contains("`Organisation` also needs `displayName`, `legalName`"), "{text}");
    let args = Args { what: vec!["Organisation".into(), "nowhere.csv".into()], ..Args::default() };
    let error = take(&hub.db, &hub.clock, &args).await.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.starts_with("cannot read `nowhere.csv`"), "{error}");
}
