//! Rows as they would stand in an event, decided in memory: against Cedar, seats together against each alone,
//! and from one time edge of a view to the next, where nothing may change.

use std::sync::{Arc, LazyLock};

use entente::{
    access::{
        Gate, View,
        memory::{Case, Shown},
    },
    catalogue::CATALOGUE,
};
use entities::Instant;
use rand::{Rng, rngs::StdRng};

use super::{
    reference::{Asker, SECRET},
    verdict::Exam,
    world::World,
};

/// All of them.
static FIELDS: LazyLock<Vec<Vec<usize>>> =
    LazyLock::new(|| CATALOGUE.types.iter().map(|ty| (0..ty.fields.len()).collect()).collect());

/// Every row of the world with all its fields.
pub fn cases<'a>(view: &'a View, asker: &Asker, world: &'a World) -> Vec<Case<'a>> {
    let case = |ty: usize, row| {
        let ty = CATALOGUE.types[ty].id;
        Case { view, me: asker.person, ty, row, fields: &FIELDS[ty.0] }
    };
    world.rows.iter().enumerate().flat_map(|(ty, rows)| rows.iter().map(move |row| case(ty, row))).collect()
}

impl Exam<'_> {
    /// The first difference, in words.
    pub async fn in_memory(&self) -> Option<String> {
        let cases = cases(self.recalled, self.asker, self.world);
        let given = self.gate.decide(self.asker.now, &cases).await.unwrap();
        let known = self.gate.learn(self.asker.now, &cases).await.unwrap();
        let right = self.verdict.0.iter().flat_map(|rows| rows.iter().enumerate());
        for (case, (shown, (row, allowed))) in cases.iter().zip(given.into_iter().zip(right)) {
            let (ty, view) = (CATALOGUE.ty(case.ty), self.recalled.of(case.ty));
            let seen = allowed.iter().any(Option::is_some);
            let Some(shown) = shown else {
                if seen {
                    return Some(format!("{} is hidden, Cedar shows {:?}\n{:?}", ty.name, case.row, view.row));
                }
                continue;
            };
            if !seen {
                return Some(format!("{} is there, Cedar hides {:?}\n{:?}", ty.name, case.row, view.row));
            }
            let values = case.values(&known, &shown, SECRET);
            for (i, field) in ty.fields.iter().enumerate().skip(1) {
                let right = self.right(case.ty, row, i);
                if shown[i] != allowed[i] || values[i] != right {
                    return Some(format!(
                        "{}.{} is {:?} = {:?}, Cedar says {:?} = {right:?} of {:?}\n{:?}",
                        ty.name, field.name, shown[i], values[i], allowed[i], case.row, view.fields[i]
                    ));
                }
            }
        }
        None
    }

    /// From edge to edge, so many of them: nothing changes in between. How many there were, and at how many
    /// something did change; an edge may be for nothing.
    pub async fn lasts(&self, edges: usize, rng: &mut StdRng) -> Result<[usize; 2], String> {
        const YEAR: i64 = 365 * 86_400_000_000;
        let (mut now, mut seen) = (self.asker.now, [0, 0]);
        while seen[0] < edges {
            let view = self.gate.seat_view(&self.view.seat, now).await.unwrap();
            let cases = cases(&view, self.asker, self.world);
            let edge = self.gate.next_edge(&view, self.asker.person, now).await.unwrap();
            let end = edge.map_or(now.0 + YEAR, |at| at.0 - 1);
            assert!(now.0 <= end, "an edge at {edge:?}, not after {now}");
            let before = self.gate.decide(now, &cases).await.unwrap();
            for at in [Instant(rng.gen_range(now.0..=end)), Instant(end)] {
                let then = self.gate.decide(at, &cases).await.unwrap();
                if let Some(i) = (0..cases.len()).find(|i| before[*i] != then[*i]) {
                    let (ty, view) = (CATALOGUE.ty(cases[i].ty), view.of(cases[i].ty));
                    return Err(format!(
                        "the next edge after {now} is {edge:?}, but {} changed by {at}: {:?} → {:?}\n{:?}\n{view:?}",
                        ty.name, before[i], then[i], cases[i].row
                    ));
                }
            }
            let Some(edge) = edge else { break };
            let view = self.gate.seat_view(&self.view.seat, edge).await.unwrap();
            let after = self.gate.decide(edge, &self::cases(&view, self.asker, self.world)).await.unwrap();
            seen = [seen[0] + 1, seen[1] + usize::from(after != before)];
            now = edge;
        }
        Ok(seen)
    }
}

/// The first seat whose rows are decided otherwise when others ask at the same time.
pub async fn apart(gate: &Gate, world: &World, seats: &[(Arc<View>, Asker)]) -> Option<String> {
    let (_, Asker { now, .. }) = seats.first()?;
    let all: Vec<Vec<Case<'_>>> = seats.iter().map(|(view, asker)| cases(view, asker, world)).collect();
    let together: Vec<Option<Shown>> = gate.decide(*now, &all.concat()).await.unwrap();
    let mut together = together.chunks(all[0].len());
    for (cases, (_, asker)) in all.iter().zip(seats) {
        let alone = gate.decide(*now, cases).await.unwrap();
        if together.next() != Some(&alone[..]) {
            return Some(format!("in memory: asked together with others it is otherwise for {asker:?}"));
        }
    }
    None
}
