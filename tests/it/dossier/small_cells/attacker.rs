//! Who adds and subtracts what is answered, exactly.
use std::collections::BTreeSet;

use super::Table;
use crate::oracle::fraction::{Fraction, ZERO, over};

/// How many there are of units, procedures, channels and buckets.
const SHAPE: [usize; 4] = [4, 3, 3, 4];

/// A set of cells: some units, procedures, channels and buckets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Region([BTreeSet<usize>; 4]);

impl Region {
    pub fn everything() -> Self {
        Self(SHAPE.map(|it| (0..it).collect()))
    }

    /// Only what is at some places of a dimension.
    pub fn only(&mut self, dimension: usize, is_in: impl Fn(usize) -> bool) {
        self.0[dimension].retain(|it| is_in(*it));
    }

    fn holds(&self, cell: [usize; 4]) -> bool {
        self.0.iter().zip(cell).all(|(some, place)| some.contains(&place))
    }

    /// How many dossiers of a table are in it.
    pub fn sum(&self, table: &Table) -> i64 {
        table.iter().filter(|(cell, _)| self.holds(**cell)).map(|(_, count)| count).sum()
    }
}

fn cells() -> Vec<[usize; 4]> {
    let mut all = vec![[0; 4]];
    for (dimension, count) in SHAPE.into_iter().enumerate() {
        let place = |cell: [usize; 4], it| {
            let mut cell = cell;
            cell[dimension] = it;
            cell
        };
        all = all.iter().flat_map(|cell| (0..count).map(|it| place(*cell, it))).collect();
    }
    all
}

/// Every set of cells that one could ask for: of each dimension one place, or all.
fn regions() -> Vec<Region> {
    let mut all = vec![Region::everything()];
    for (dimension, count) in SHAPE.into_iter().enumerate() {
        let one = |region: &Region, it| {
            let mut region = region.clone();
            region.only(dimension, |place| place == it);
            region
        };
        let more: Vec<_> =
            all.iter().flat_map(|region| (0..count).map(move |it| one(region, it))).collect();
        all.extend(more);
    }
    all
}

/// An equation: coefficients of the cells, then the sum.
type Equation = Vec<Fraction>;

/// What was learned.
#[derive(Debug, Default)]
pub struct Attacker {
    facts: BTreeSet<(Region, i64)>,
    /// Each with a pivot that no other one has.
    reduced: Vec<(usize, Equation)>,
}

impl Attacker {
    pub fn learn(&mut self, region: &Region, number: i64) {
        if !self.facts.insert((region.clone(), number)) {
            return;
        }
        let row = self.reduce(equation(region, number));
        let last = row.len() - 1;
        let Some(pivot) = row[..last].iter().position(|it| it.n != 0) else {
            assert_eq!(row[last].n, 0, "two answers contradict each other");
            return;
        };
        let row: Equation = row.iter().map(|it| it.by(row[pivot]).unwrap()).collect();
        for (_, other) in &mut self.reduced {
            subtract(other, pivot, &row);
        }
        self.reduced.push((pivot, row));
    }

    /// What is left of an equation when all that is known is taken off.
    fn reduce(&self, mut row: Equation) -> Equation {
        for (pivot, known) in &self.reduced {
            subtract(&mut row, *pivot, known);
        }
        row
    }

    /// How many dossiers are in a set of cells, if that follows.
    pub fn knows(&self, region: &Region) -> Option<i64> {
        let row = self.reduce(equation(region, 0));
        let (sum, rest) = row.split_last().unwrap();
        let follows = rest.iter().all(|it| it.n == 0);
        follows.then(|| i64::try_from(-sum.n / sum.d).unwrap())
    }

    /// Fails if a sum of cells follows that is 1 to `least` - 1, or bounds of a cell that leave nothing else.
    pub fn finds_no_small_cell(&self, least: i64, what: &str) {
        assert_eq!(self.small_cell(least), None, "{what}: it follows");
    }

    /// A sum of cells, or bounds of a cell, that tell a count from 1 to `least` - 1.
    pub fn small_cell(&self, least: i64) -> Option<String> {
        for region in regions() {
            let is_small = self.knows(&region).filter(|it| (1..least).contains(it));
            if let Some(count) = is_small {
                return Some(format!("{count} in {region:?}"));
            }
        }
        for (cell, (low, high)) in cells().into_iter().zip(self.bounds()) {
            if low.n > 0 && high.is_some_and(|it| it.n < it.d * i128::from(least)) {
                return Some(format!("{low:?} to {high:?} in {cell:?}"));
            }
        }
        None
    }

    /// The bounds of each cell: no count is below 0, and each equation bounds a cell by the bounds of the others.
    fn bounds(&self) -> Vec<(Fraction, Option<Fraction>)> {
        let mut bounds = vec![(ZERO, None); cells().len()];
        let facts = self.facts.iter().map(|(region, number)| equation(region, *number));
        let all: Vec<Equation> =
            facts.chain(self.reduced.iter().map(|(_, row)| row.clone())).collect();
        for _ in 0..20 {
            let before = bounds.clone();
            for row in &all {
                tighten(row, &mut bounds);
            }
            if bounds == before {
                break;
            }
        }
        bounds
    }
}

fn equation(region: &Region, number: i64) -> Equation {
    let one = |it: bool| Fraction { n: i128::from(it), d: 1 };
    let cells = cells().into_iter().map(|cell| one(region.holds(cell)));
    cells.chain([Fraction { n: i128::from(number), d: 1 }]).collect()
}

fn subtract(row: &mut Equation, pivot: usize, known: &Equation) {
    let times = row[pivot];
    if times.n == 0 {
        return;
    }
    for (it, known) in row.iter_mut().zip(known) {
        if known.n != 0 {
            *it = it.plus(over(-times.n * known.n, times.d * known.d));
        }
    }
}

/// a·x = sum - (all others): between sum less the most, and sum less the least, of all others.
fn tighten(row: &Equation, bounds: &mut [(Fraction, Option<Fraction>)]) {
    let (sum, row) = row.split_last().unwrap();
    let minus = |a: Fraction, b: Fraction| a.plus(Fraction { n: -b.n, d: b.d });
    let used: Vec<usize> = (0..row.len()).filter(|it| row[*it].n != 0).collect();
    // The least and the most that a term can be; none without a bound.
    let term = |i: usize, bounds: &[(Fraction, Option<Fraction>)]| {
        let (low, high) = (row[i].times(bounds[i].0), bounds[i].1.map(|it| row[i].times(it)));
        if row[i].n > 0 { (Some(low), high) } else { (high, Some(low)) }
    };
    for &i in &used {
        let others = used.iter().filter(|it| **it != i).map(|it| term(*it, bounds));
        let (least, most) = others.fold((Some(ZERO), Some(ZERO)), |(least, most), (low, high)| {
            (least.zip(low).map(|(a, b)| a.plus(b)), most.zip(high).map(|(a, b)| a.plus(b)))
        });
        let (a, b) = (most.map(|it| minus(*sum, it)), least.map(|it| minus(*sum, it)));
        let (a, b) = (a.map(|it| it.by(row[i]).unwrap()), b.map(|it| it.by(row[i]).unwrap()));
        let (low, high) = if row[i].n > 0 { (a, b) } else { (b, a) };
        if let Some(low) = low.filter(|it| it.cmp(bounds[i].0).is_gt()) {
            bounds[i].0 = low;
        }
        if let Some(high) = high.filter(|it| bounds[i].1.is_none_or(|known| it.cmp(known).is_lt()))
        {
            bounds[i].1 = Some(high);
        }
    }
}
