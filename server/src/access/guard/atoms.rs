//! Which sums may be told. The cells of the grid are gathered into atoms, each of which passes the threshold
//! rule and the dominance rule by itself, and every answer is a sum of whole atoms. So whatever is added to or
//! subtracted from whatever, in one answer or over many, is a sum of whole atoms again, and passes too: sets
//! that pass are closed under union. This is inference control by partitioning (Chin and Özsoyoğlu 1981;
//! Adam and Wortmann 1989); cells that fail are suppressed (primary suppression), and others with them
//! until what they make together passes (complementary suppression).

use std::collections::{BTreeMap, btree_map::Entry};

use super::Threshold;

/// A sum, with bounds of who stands behind it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    pub rows: i128,
    /// The most rows that one customer may have.
    pub rows_of_one: i128,
    /// So many customers at least.
    pub customers: i64,
    pub measures: Vec<Measure>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measure {
    pub sum: i128,
    /// How many rows have a value.
    pub values: i128,
    /// The most that one customer may have of the sum.
    pub of_one: i128,
}

impl Weight {
    /// Who stands behind both is not known one by one: as many as behind the one with more of them, and the
    /// biggest may be the same in both.
    pub fn add(&mut self, other: &Weight) {
        self.rows += other.rows;
        self.rows_of_one += other.rows_of_one;
        self.customers = self.customers.max(other.customers);
        self.measures.resize(other.measures.len(), Measure::default());
        for (mine, theirs) in self.measures.iter_mut().zip(&other.measures) {
            mine.sum += theirs.sum;
            mine.values += theirs.values;
            mine.of_one += theirs.of_one;
        }
    }

    pub fn passes(&self, threshold: Threshold) -> bool {
        let within = |one: i128, all: i128| one * 10_000 <= i128::from(threshold.share) * all;
        self.customers >= threshold.customers
            && within(self.rows_of_one, self.rows)
            // that a sum is nothing tells the number of each who stands behind it
            && self.measures.iter().all(|m| m.values == 0 || (m.sum > 0 && within(m.of_one, m.sum)))
    }
}

/// A cell of the grid. The values of its dimensions are numbered, in their order.
#[derive(Clone, Debug)]
pub struct Cell {
    pub at: Vec<usize>,
    pub weight: Weight,
    /// Does the filter of the answer let it through?
    pub inside: bool,
}

struct Block {
    cells: Vec<usize>,
    weight: Weight,
    passes: bool,
    /// Its cells are alike behind this dimension.
    side: usize,
}

/// The atom of each cell; `None` if not even all cells together pass. It depends on the cells alone, never on
/// what is asked: this is what makes answers safe beside each other. Cells of one number are `together` from the
/// start.
///
/// The dimensions are given up in their order: where two cells differ in the first only, they are gathered
/// first.
pub fn atoms(cells: &[Cell], together: &[usize], threshold: Threshold) -> Option<Vec<usize>> {
    let sides = cells.first().map_or(0, |cell| cell.at.len());
    let mut first: BTreeMap<usize, Block> = BTreeMap::new();
    for (i, (cell, number)) in cells.iter().zip(together).enumerate() {
        let one = Block { cells: vec![i], weight: cell.weight.clone(), passes: false, side: 0 };
        let block = match first.remove(number) {
            None => one,
            Some(block) => {
                let (a, b) = (&cells[block.cells[0]].at, &cell.at);
                let differ = (0..sides).rev().find(|side| a[*side] != b[*side]).unwrap_or(0);
                Block { side: block.side.max(differ), ..joined(block, one) }
            }
        };
        first.insert(*number, block);
    }
    let mut blocks: Vec<Block> = first.into_values().collect();
    for block in &mut blocks {
        block.passes = block.weight.passes(threshold);
    }
    for side in 0..sides {
        let size = sizes(cells, side);
        let mut slices: BTreeMap<&[usize], Vec<Block>> = BTreeMap::new();
        let (now, later): (Vec<_>, Vec<_>) = blocks.into_iter().partition(|block| block.side <= side);
        for block in now {
            slices.entry(&cells[block.cells[0]].at[side + 1..]).or_default().push(block);
        }
        blocks = later;
        for slice in slices.into_values() {
            let (mut good, bad): (Vec<_>, Vec<_>) = slice.into_iter().partition(|block| block.passes);
            let Some(mut rest) = bad.into_iter().reduce(joined) else {
                blocks.append(&mut good);
                continue;
            };
            // the same value is sacrificed in every slice, or the sums of all values would be lost
            good.sort_by_key(|block| {
                let value = cells[block.cells[0]].at[side];
                (size.get(&value).copied(), value, block.cells[0])
            });
            let mut good = good.into_iter();
            rest.passes = rest.weight.passes(threshold);
            while !rest.passes {
                let Some(next) = good.next() else { break };
                rest = joined(rest, next);
                rest.passes = rest.weight.passes(threshold);
            }
            blocks.push(rest);
            blocks.extend(good);
        }
    }
    if blocks.iter().any(|block| !block.passes) {
        return None;
    }
    let mut atom = vec![0; cells.len()];
    for (i, block) in blocks.iter().enumerate() {
        for cell in &block.cells {
            atom[*cell] = i;
        }
    }
    Some(atom)
}

fn joined(mut a: Block, b: Block) -> Block {
    a.cells.extend(b.cells);
    a.weight.add(&b.weight);
    a
}

/// How much each value of a dimension stands for.
fn sizes(cells: &[Cell], side: usize) -> BTreeMap<usize, i128> {
    let mut out = BTreeMap::new();
    for cell in cells {
        let size = cell.weight.measures.first().map_or(cell.weight.rows, |m| m.sum);
        *out.entry(cell.at[side]).or_default() += size;
    }
    out
}

/// A number of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// A value for each dimension that was grouped by; `None` where the suppressed groups differ.
    pub at: Vec<Option<usize>>,
    /// Several groups that may not be told apart.
    pub suppressed: bool,
    pub weight: Weight,
}

/// The groups by these dimensions: each is told whole or not at all. Groups that share an atom are told
/// together, and what shares an atom with cells that the filter keeps out is not told. An atom without a number
/// is not to be told at all.
pub fn groups(cells: &[Cell], atoms: &[Option<usize>], by: &[usize]) -> Vec<Group> {
    let mut names: BTreeMap<Vec<usize>, usize> = BTreeMap::new();
    let key = |cell: &Cell| by.iter().map(|side| cell.at[*side]).collect::<Vec<_>>();
    for cell in cells.iter().filter(|cell| cell.inside) {
        let next = names.len() + 1;
        names.entry(key(cell)).or_insert(next);
    }
    // 0 is what the filter keeps out
    let group = |cell: &Cell| if cell.inside { names[&key(cell)] } else { 0 };
    let mut sets = Sets::new(names.len() + 1);
    let mut first: BTreeMap<usize, usize> = BTreeMap::new();
    for (cell, atom) in cells.iter().zip(atoms) {
        let here = group(cell);
        match atom {
            Some(atom) => sets.join(*first.entry(*atom).or_insert(here), here),
            None => sets.join(0, here),
        }
    }
    let outside = sets.of(0);
    let mut told: BTreeMap<usize, Group> = BTreeMap::new();
    for (at, number) in &names {
        let set = sets.of(*number);
        if set == outside {
            continue;
        }
        let at = at.iter().copied().map(Some);
        match told.get_mut(&set) {
            None => {
                told.insert(set, Group { at: at.collect(), suppressed: false, weight: Weight::default() });
            }
            Some(group) => {
                group.suppressed = true;
                for (mine, theirs) in group.at.iter_mut().zip(at) {
                    *mine = mine.filter(|mine| Some(*mine) == theirs);
                }
            }
        }
    }
    for cell in cells.iter().filter(|cell| cell.inside) {
        if let Some(told) = told.get_mut(&sets.of(group(cell))) {
            told.weight.add(&cell.weight);
        }
    }
    // one rest for each key
    let mut out = BTreeMap::new();
    for group in told.into_values() {
        // what has no value comes last
        let order: Vec<_> = group.at.iter().map(|value| (value.is_none(), *value)).collect();
        match out.entry((group.suppressed, order)) {
            Entry::Vacant(place) => {
                place.insert(group);
            }
            Entry::Occupied(mut same) => {
                let same: &mut Group = same.get_mut();
                same.weight.add(&group.weight);
            }
        }
    }
    out.into_values().collect()
}

/// Disjoint sets of small numbers.
pub(super) struct Sets(Vec<usize>);

impl Sets {
    pub(super) fn new(count: usize) -> Self {
        Sets((0..count).collect())
    }

    pub(super) fn of(&mut self, mut i: usize) -> usize {
        while self.0[i] != i {
            self.0[i] = self.0[self.0[i]];
            i = self.0[i];
        }
        i
    }

    pub(super) fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.of(a), self.of(b));
        self.0[a.max(b)] = a.min(b);
    }
}
