//! `entente policy prove`: the shipped policies hold, and what is planted is found and told.

use std::{fs, path::Path, time::Duration};

use tempfile::TempDir;

use crate::harness::{Command, entente, repository, skip, solver, tests};

tests! {
    alone:
        the_shipped_policies_are_proven,
        a_planted_hole_is_told_with_its_world,
        a_weaker_base_is_found_whatever_else_is_there,
        a_policy_that_decides_nothing_is_named,
        a_claim_or_an_exception_that_says_nothing_is_named,
        an_invariant_that_is_none_is_told_with_its_place,
        without_a_solver_it_says_what_to_install;
}

fn prove(folder: &Path) -> Command {
    solving(entente(&["policy", "prove", "--policies", &folder.to_string_lossy()]))
}

/// Without a solver the test is skipped.
fn solving(prove: Command) -> Command {
    let program = solver().unwrap_or_else(|reason| skip(reason));
    let path = std::env::var("PATH").unwrap_or_default();
    // it shares its cores with all other tests
    prove.env("CVC5", &program).env("PATH", &path).within(Duration::from_secs(300))
}

/// Policies and invariants, by file.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("invariants")).unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn shipped(file: &str) -> String {
    fs::read_to_string(repository().join("policies").join(file)).unwrap()
}

async fn the_shipped_policies_are_proven() {
    // the claims about writing speak of each action, and take minutes
    let prove = solving(entente(&["policy", "prove"])).within(Duration::from_secs(1_200));
    let said = prove.run().await.good();
    assert!(!said.contains("FAILS") && !said.contains("IDLE"), "{said}");
    // all of them: those in the binary are those of the folder
    let files = fs::read_dir(repository().join("policies/invariants")).unwrap();
    let texts = files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    let claims: usize = texts.map(|text| text.matches("\nforbid (").count()).sum();
    let last = said.lines().last().unwrap();
    assert!(claims > 20 && last.starts_with(&format!("{claims} of {claims} invariants hold, ")), "{said}");
}

const CONTACTS: &str = r#"
@id("partner.phones")
@doc("No partner reads a phone number.")
forbid (principal, action == Action::"Contact.phone", resource is Contact)
unless { principal in Kind::"internal" };
"#;

const HOLE: &str = r#"
@id("planted.phones")
@doc("Distributors call their customers' people.")
permit (principal in Kind::"distributor", action in Action::"Contact:contact", resource is Contact)
when { principal in Role::"partner_sales" && resource has customer && resource.customer.country == "DE" };
"#;

async fn a_planted_hole_is_told_with_its_world() {
    let files = [("contact.cedar", HOLE), ("invariants/contacts.cedar", CONTACTS)];
    let said = prove(folder(&files).path()).run().await;
    assert_eq!(said.sentence(1), "1 of 1 invariants do not hold, as said above");
    for told in [
        "FAILS partner.phones  1 fields",
        "Contact.phone is allowed in this world",
        "kind distributor",
        "role partner_sales",
        "customer is Customer 1",
        "country is \"DE\"",
        "allowed by planted.phones (contact.cedar:2): Distributors call their customers' people.",
        "the moment: ",
    ] {
        assert!(said.stdout.contains(told), "{told}:\n{}", said.stdout);
    }
    // under the shipped base it reaches shared customers only, and is a hole still
    let base = shipped("base.cedar");
    let files = [&files[..], &[("base.cedar", base.as_str())]].concat();
    let said = prove(folder(&files).path()).run().await;
    said.sentence(1);
    assert!(said.stdout.contains("Customer 1: in the asker's organisation's sharedCustomers"), "{}", said.stdout);
}

async fn a_weaker_base_is_found_whatever_else_is_there() {
    let base = shipped("base.cedar");
    let invariants = shipped("invariants/base.cedar");
    let start = invariants.find("@id(\"base.foreign-secrets\")").unwrap();
    let claim = invariants[start..].split("\n\n").next().unwrap();
    let weaker = base.replace(
        "(resource is OrgRole && resource.organisation == principal.organisation) ||",
        "(resource is OrgRole) ||",
    );
    assert_ne!(base, weaker);
    let good = prove(folder(&[("base.cedar", &base), ("invariants/a.cedar", claim)]).path()).run().await;
    assert!(good.stdout.contains("holds base.foreign-secrets"), "{}{}", good.stdout, good.stderr);
    let said = prove(folder(&[("base.cedar", &weaker), ("invariants/a.cedar", claim)]).path()).run().await;
    assert!(said.sentence(1).starts_with("1 of 1 invariants do not hold"), "{}", said.stderr);
    for told in ["FAILS base.foreign-secrets", "OrgRole.", "allowed by any permit that may be added"] {
        assert!(said.stdout.contains(told), "{told}:\n{}", said.stdout);
    }
}

async fn a_policy_that_decides_nothing_is_named() {
    let wide = r#"
@id("orders.all")
@doc("Planners see orders.")
permit (principal in Role::"planner", action in Action::"SalesOrder", resource is SalesOrder);
"#;
    let narrow = r#"
@id("orders.open")
@doc("... and so this adds nothing.")
permit (principal in Role::"planner", action in Action::"SalesOrder:shared", resource is SalesOrder)
when { resource.status == "open" };

@id("orders.never")
@doc("No region is two regions.")
permit (principal, action in Action::"SalesOrder", resource is SalesOrder)
when { resource.status == "open" && resource.status == "closed" };

@id("orders.taken")
@doc("What a forbid takes.")
permit (principal in Role::"finance", action in Action::"SalesOrder:finance", resource is SalesOrder)
when { resource.status == "void" };

@id("orders.void")
@doc("Void orders are nobody's.")
forbid (principal, action in Action::"SalesOrder", resource is SalesOrder)
when { resource.status == "void" };
"#;
    let said = prove(folder(&[("a.cedar", wide), ("b.cedar", narrow)]).path()).run().await;
    assert_eq!(said.sentence(1), "3 of 5 policies are idle or wrongly called so, as said above");
    for told in [
        "IDLE  orders.open (b.cedar:2): all that it gives is given by orders.all (a.cedar:2)",
        "IDLE  orders.never (b.cedar:7): no request meets its condition",
        "IDLE  orders.taken (b.cedar:12): the forbids take all that it gives",
    ] {
        assert!(said.stdout.contains(told), "{told}:\n{}", said.stdout);
    }
    // with a reason it may stay; without need it may not say so
    let kept = narrow.replace("@id(\"orders.open\")", "@id(\"orders.open\")\n@idle(\"until planners lose the rest\")");
    let kept = kept.split("@id(\"orders.never\")").next().unwrap();
    let said = prove(folder(&[("a.cedar", wide), ("b.cedar", kept)]).path()).run().await.good();
    assert!(
        said.contains("kept  orders.open (b.cedar:2): ") && said.contains("until planners lose the rest"),
        "{said}"
    );
    let said = prove(folder(&[("b.cedar", kept)]).path()).run().await;
    said.sentence(1);
    assert!(said.stdout.contains("orders.open (b.cedar:2): it decides something of its own"), "{}", said.stdout);
}

async fn a_claim_or_an_exception_that_says_nothing_is_named() {
    let policy = r#"
@id("a")
@doc("Everybody sees what products are called.")
permit (principal, action == Action::"Product.name", resource is Product);
"#;
    let claims = r#"
@id("hollow")
@doc("Two statuses at once.")
forbid (principal, action, resource is SalesOrder)
when { resource.status == "open" && resource.status == "closed" };

@id("costs")
@doc("Nobody reads costs.")
forbid (principal, action in Action::"Product:finance", resource is Product);

@id("costs.finance")
@doc("But finance.")
@except("costs")
permit (principal in Role::"finance", action in Action::"Product:finance", resource is Product);
"#;
    let said = prove(folder(&[("a.cedar", policy), ("invariants/a.cedar", claims)]).path()).run().await;
    assert_eq!(said.sentence(1), "2 of 2 invariants do not hold, as said above");
    for told in ["no request is what it speaks of", "its exception costs.finance (invariants/a.cedar:11) is not needed"]
    {
        assert!(said.stdout.contains(told), "{told}:\n{}", said.stdout);
    }
}

async fn an_invariant_that_is_none_is_told_with_its_place() {
    let cases = [
        ("@tier(\"legal\")\npermit (principal, action, resource)", "the annotation `@tier` is unknown"),
        ("permit (principal, action, resource)", "a permit is an exception: name the forbid with @except"),
        ("@except(\"b\")\npermit (principal, action, resource)", "there is no forbid `b`"),
        ("@given(\"bass.cedar\")\nforbid (principal, action, resource)", "there is no policy file `bass.cedar`"),
        ("forbid (principal, action == Action::\"Contact.fone\", resource)", "unrecognized action"),
    ];
    let base = shipped("base.cedar");
    for (text, told) in cases {
        let text = format!("@id(\"a\")\n@doc(\"x\")\n{text};\n");
        let folder = folder(&[("base.cedar", &base), ("invariants/a.cedar", &text)]);
        // refused before a solver is asked for
        let said = entente(&["policy", "prove", "--policies", &folder.path().to_string_lossy()]).run().await;
        let sentence = said.sentence(1);
        assert!(sentence.starts_with("invariants/a.cedar:") && sentence.contains(told), "{sentence}");
    }
}

async fn without_a_solver_it_says_what_to_install() {
    let said = entente(&["policy", "prove"]).env("CVC5", "/nowhere/cvc5").run().await;
    let sentence = said.sentence(3);
    assert!(sentence.contains("`/nowhere/cvc5` does not start") && sentence.contains("apt install cvc5"), "{sentence}");
}
