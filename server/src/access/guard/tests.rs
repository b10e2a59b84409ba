//! Small worlds, made of customers and what each of them has in each cell. Whatever can be computed from
//! everything that is told of a world, no sum that fails the rules may be among it.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Threshold,
    atoms::{self, Cell, Measure, Weight, groups},
};

fn atoms(cells: &[Cell], threshold: Threshold) -> Option<Vec<Option<usize>>> {
    let apart: Vec<usize> = (0..cells.len()).collect();
    Some(atoms::atoms(cells, &apart, threshold)?.into_iter().map(Some).collect())
}

const RULES: Threshold = Threshold { customers: 5, share: 7_500 };

/// What each customer has, by cell.
struct World {
    sides: Vec<usize>,
    cells: BTreeMap<Vec<usize>, Vec<BTreeMap<u32, i64>>>,
}

struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

impl World {
    /// Some cells are empty, some have few customers, some one that stands out. A cell is one row or several.
    fn new(dice: &mut Dice) -> Self {
        let sides: Vec<usize> = (0..1 + dice.roll(3)).map(|_| 1 + dice.roll(3) as usize).collect();
        let mut at = vec![Vec::new()];
        for side in &sides {
            at = at.iter().flat_map(|at| (0..*side).map(move |v| [&at[..], &[v]].concat())).collect();
        }
        let mut cells = BTreeMap::new();
        for at in at.into_iter().take(10) {
            if dice.roll(8) == 0 {
                continue;
            }
            let mut row = || {
                let count = [1, 3, 4, 5, 6, 9][dice.roll(6) as usize];
                let first = dice.roll(12) as u32;
                let mut row: BTreeMap<u32, i64> = (0..count).map(|c| (first + c, dice.roll(40) as i64)).collect();
                if dice.roll(3) == 0 {
                    row.insert(first, 300);
                }
                row
            };
            let rows = vec![row(), row()];
            let some = 1 + dice.roll(2) as usize;
            cells.insert(at, rows.into_iter().take(some).collect());
        }
        World { sides, cells }
    }

    /// The same as the database gives it: bounds, not customers.
    fn told(&self) -> Vec<Cell> {
        let cell = |(at, rows): (&Vec<usize>, &Vec<BTreeMap<u32, i64>>)| {
            let total = |row: &BTreeMap<u32, i64>| row.values().sum::<i64>();
            let most = |row: &BTreeMap<u32, i64>| row.values().copied().max().unwrap_or(0);
            let measure = Measure {
                sum: rows.iter().map(total).sum::<i64>().into(),
                values: rows.len() as i128,
                of_one: rows.iter().map(most).sum::<i64>().into(),
            };
            let customers = rows.iter().map(|row| row.len() as i64).max().unwrap_or(0);
            let weight = Weight { rows: rows.len() as i128, rows_of_one: 0, customers, measures: vec![measure] };
            Cell { at: at.clone(), weight, inside: true }
        };
        self.cells.iter().map(cell).collect()
    }

    /// Do the rules allow the sum over these cells? Counted customer by customer.
    fn allows(&self, cells: &[bool]) -> bool {
        let mut of: BTreeMap<u32, i64> = BTreeMap::new();
        for (rows, _) in self.cells.values().zip(cells).filter(|(_, inside)| **inside) {
            for (customer, qty) in rows.iter().flatten() {
                *of.entry(*customer).or_default() += qty;
            }
        }
        let (all, most) = (of.values().sum::<i64>(), of.values().copied().max().unwrap_or(0));
        of.len() >= 5 && most * 4 <= all * 3
    }
}

/// What is told of these cells when they are asked for by these sides: sets of cells, with their sums.
fn ask(cells: &[Cell], by: &[usize], inside: impl Fn(&Cell) -> bool) -> Vec<(Vec<bool>, i128)> {
    let mut cells = cells.to_vec();
    for cell in &mut cells {
        cell.inside = inside(cell);
    }
    let Some(atom) = atoms(&cells, RULES) else { return Vec::new() };
    let told = groups(&cells, &atom, by);
    // who asks knows which cells a rest can be made of; here it is found out which they are by telling each apart
    let mut marked = cells.clone();
    for (i, cell) in marked.iter_mut().enumerate() {
        cell.weight.rows = 1 << i;
    }
    let marks = groups(&marked, &atom, by);
    assert_eq!(told.len(), marks.len());
    let set = |rows: i128| (0..cells.len()).map(|i| rows >> i & 1 == 1).collect();
    told.iter().zip(marks).map(|(told, mark)| (set(mark.weight.rows), told.weight.measures[0].sum)).collect()
}

/// The rows of a matrix, reduced, over a field of so many elements that nothing vanishes by chance.
struct Span {
    rows: Vec<Vec<i64>>,
}

const PRIME: i64 = 1_000_003;

impl Span {
    fn reduce(&self, mut row: Vec<i64>) -> Vec<i64> {
        for known in &self.rows {
            let pivot = known.iter().position(|x| *x != 0).unwrap();
            let factor = row[pivot];
            for (x, k) in row.iter_mut().zip(known) {
                *x = (*x - factor * k).rem_euclid(PRIME);
            }
        }
        row
    }

    fn add(&mut self, set: &[bool]) {
        let row = self.reduce(set.iter().map(|inside| i64::from(*inside)).collect());
        let Some(pivot) = row.iter().position(|x| *x != 0) else { return };
        let mut inverse = 1;
        let (mut base, mut exponent) = (row[pivot], PRIME - 2);
        while exponent > 0 {
            if exponent & 1 == 1 {
                inverse = inverse * base % PRIME;
            }
            base = base * base % PRIME;
            exponent >>= 1;
        }
        self.rows.push(row.into_iter().map(|x| x * inverse % PRIME).collect());
    }

    fn has(&self, set: &[bool]) -> bool {
        self.reduce(set.iter().map(|inside| i64::from(*inside)).collect()).iter().all(|x| *x == 0)
    }
}

#[test]
fn nothing_that_the_rules_forbid_can_be_computed() {
    let mut dice = Dice(7);
    let (mut told_at_all, mut hidden, mut tried) = (0, 0, 0);
    for _ in 0..3_000 {
        let world = World::new(&mut dice);
        let cells = world.told();
        let count = cells.len();
        let mut span = Span { rows: Vec::new() };
        // a session: every grouping, and filters by any set of values of a side
        for _ in 0..12 {
            let by: Vec<usize> = (0..world.sides.len()).filter(|_| dice.roll(2) == 0).collect();
            let some: Vec<BTreeSet<usize>> =
                world.sides.iter().map(|side| (0..*side).filter(|_| dice.roll(4) > 0).collect()).collect();
            let all = dice.roll(2) == 0;
            let inside = |cell: &Cell| all || cell.at.iter().zip(&some).all(|(v, some)| some.contains(v));
            for (set, sum) in ask(&cells, &by, inside) {
                let expected: i64 = world
                    .cells
                    .values()
                    .zip(&set)
                    .filter(|(_, inside)| **inside)
                    .map(|(rows, _)| rows.iter().flatten().map(|(_, qty)| qty).sum::<i64>())
                    .sum();
                assert_eq!(sum, i128::from(expected));
                span.add(&set);
            }
        }
        for mask in 1..1_u32 << count {
            let set: Vec<bool> = (0..count).map(|i| mask >> i & 1 == 1).collect();
            tried += 1;
            if span.has(&set) {
                told_at_all += 1;
                assert!(world.allows(&set), "{:?}: {set:?}", world.cells);
            } else {
                hidden += usize::from(!world.allows(&set));
            }
        }
    }
    assert!(told_at_all > 10_000 && hidden > 5_000, "{told_at_all} told, {hidden} hidden, of {tried}");
}

fn cell(at: &[usize], customers: i64, sum: i128, of_one: i128) -> Cell {
    let measures = vec![Measure { sum, values: 1, of_one }];
    Cell { at: at.to_vec(), weight: Weight { rows: 1, rows_of_one: 0, customers, measures }, inside: true }
}

#[test]
fn the_rules_have_sharp_edges() {
    let passes = |customers, sum, of_one| cell(&[0], customers, sum, of_one).weight.passes(RULES);
    assert!(passes(5, 100, 75) && !passes(4, 100, 20) && !passes(5, 100, 76) && !passes(9, 10_000, 7_501));
    // a sum of nothing tells that everybody has nothing
    assert!(!passes(9, 0, 0));
}

#[test]
fn the_smallest_shown_cell_joins_a_rest_that_fails() {
    let one = [cell(&[0], 9, 900, 90), cell(&[1], 9, 300, 30), cell(&[2], 3, 100, 45)];
    let told = groups(&one, &atoms(&one, RULES).unwrap(), &[0]);
    assert_eq!(told.len(), 2);
    assert_eq!((told[0].at[0], told[0].suppressed, told[0].weight.measures[0].sum), (Some(0), false, 900));
    assert_eq!((told[1].at[0], told[1].suppressed, told[1].weight.measures[0].sum), (None, true, 400));
    // alone it has nobody to hide behind
    assert_eq!(atoms(&one[2..], RULES), None);
}

#[test]
fn what_crosses_the_filter_is_not_told() {
    let mut some = vec![cell(&[0], 9, 900, 90), cell(&[1], 9, 300, 30), cell(&[2], 3, 100, 45)];
    some[1].inside = false;
    let atom = atoms(&some, RULES).unwrap();
    let told = groups(&some, &atom, &[0]);
    assert_eq!(told.iter().map(|group| group.at[0]).collect::<Vec<_>>(), [Some(0)]);
    assert_eq!(groups(&some, &atom, &[]), []);
}

#[test]
fn a_threshold_is_written_whole() {
    for wrong in ["", "5", "5,", ",0.75", "1,0.75", "5,1", "5,0", "5,-0.5", "five,0.75", "5,0.75,1", "5;0.75"] {
        assert!(wrong.parse::<Threshold>().is_err(), "{wrong}");
    }
    assert_eq!("5, 0.75".parse::<Threshold>().unwrap().to_string(), "5,0.75");
}
