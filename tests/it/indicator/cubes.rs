//! Random cubes: totals that are computed, partial and contradictory, each answer equal to a recount.
//!
//! `SHAREHUB_TEST_CUBES` says how many (100 unless given; 1,000 take a minute), `SHAREHUB_TEST_SEED` from which seed.
use std::collections::{BTreeMap, BTreeSet};

use rand::{Rng, SeedableRng, rngs::StdRng};
use sharehub::pb;

use super::breakdowns::{dimension, part};
use crate::support::{
    client::gso,
    desk::{BEN_TRE, Desk, count},
    engine::scale,
};

/// Dimensions, whether they exhaust the total, and their categories.
const DIMENSIONS: [(&str, bool, &[&str]); 3] =
    [("a", true, &["x", "y", "z"]), ("b", true, &["p", "q"]), ("c", false, &["s", "t"])];

/// Cubes that are asked about in one call.
const TOGETHER: usize = 50;

/// The category in each dimension; none where it is not broken down by it.
type Cell = [Option<usize>; 3];

fn cells() -> Vec<Cell> {
    let choices = |n: usize| {
        let (_, _, categories) = DIMENSIONS[n];
        std::iter::once(None).chain((0..categories.len()).map(Some))
    };
    let mut all = Vec::new();
    for a in choices(0) {
        for b in choices(1) {
            all.extend(choices(2).map(|c| [a, b, c]));
        }
    }
    all
}

fn text(cell: Cell) -> String {
    let named = DIMENSIONS
        .iter()
        .zip(cell)
        .filter_map(|((code, _, categories), at)| Some(format!("{code}={}", categories[at?])));
    named.collect::<Vec<_>>().join(",")
}

/// What a cell must show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Shown {
    value: Option<i64>,
    is_computed: bool,
    inconsistent: bool,
    /// What lacks; none where it is whole, or where nothing is there.
    lacking: Option<BTreeSet<String>>,
}

/// A cube, recounted by hand: from the cells with most dimensions to the total.
fn recount(rows: &BTreeMap<Cell, i64>) -> BTreeMap<Cell, Shown> {
    let mut all = cells();
    all.sort_by_key(|it| std::cmp::Reverse(it.iter().flatten().count()));
    let mut shown: BTreeMap<Cell, Shown> = BTreeMap::new();
    for cell in all {
        let inside = |dimension: usize, row: &Cell| {
            row[dimension].is_some() && (0..3).all(|n| cell[n].is_none() || cell[n] == row[n])
        };
        let (mut totals, mut lacking, mut flagged) = (Vec::new(), Vec::new(), false);
        for (n, (_, exhaustive, categories)) in DIMENSIONS.iter().enumerate() {
            if cell[n].is_some() || !rows.keys().any(|it| inside(n, it)) {
                continue;
            }
            if !exhaustive {
                lacking.push(BTreeSet::new());
                continue;
            }
            let parts: Vec<Cell> = (0..categories.len())
                .map(|at| {
                    let mut part = cell;
                    part[n] = Some(at);
                    part
                })
                .collect();
            let missing: BTreeSet<String> =
                parts.iter().filter(|it| shown[*it].value.is_none()).map(|it| text(*it)).collect();
            if missing.is_empty() {
                totals.push(parts.iter().map(|it| shown[it].value.unwrap()).sum::<i64>());
                flagged |= parts.iter().any(|it| shown[it].inconsistent);
            } else {
                lacking.push(missing);
            }
        }
        let own = rows.get(&cell).copied();
        let value = own.or(totals.first().copied());
        let contradicted = totals.iter().any(|it| Some(*it) != value);
        let fewest = lacking.into_iter().min_by_key(|it| (it.is_empty(), it.len()));
        shown.insert(
            cell,
            Shown {
                value,
                is_computed: own.is_none() && value.is_some(),
                inconsistent: value.is_some() && (contradicted || flagged),
                lacking: fewest.filter(|_| value.is_none()),
            },
        );
    }
    shown
}

fn random(rng: &mut StdRng) -> BTreeMap<Cell, i64> {
    // Some cubes are full, some thin; some tell the truth, some do not.
    let (density, honest) = (rng.random_range(0.1..1.0), rng.random_bool(0.5));
    let leaves: BTreeMap<(usize, usize), i64> = (0..3)
        .flat_map(|a| (0..2).map(move |b| (a, b)))
        .map(|it| (it, rng.random_range(0..20)))
        .collect();
    let mut rows = BTreeMap::new();
    for cell in cells() {
        if !rng.random_bool(density) {
            continue;
        }
        let inside = |(a, b): &(usize, usize)| {
            cell[0].is_none_or(|it| it == *a) && cell[1].is_none_or(|it| it == *b)
        };
        let true_value: i64 = leaves.iter().filter(|it| inside(it.0)).map(|it| it.1).sum();
        let value = match (honest, cell[2]) {
            (true, None) => true_value,
            (true, Some(_)) => true_value / 2,
            (false, _) => rng.random_range(0..40),
        };
        rows.insert(cell, value);
    }
    rows
}

fn told(cell: pb::SnapshotCell) -> Shown {
    let figure = cell.latest.and_then(|it| it.figure).unwrap_or_default();
    let is_partial = cell.freshness.unwrap().state() == pb::FreshnessState::Partial;
    Shown {
        value: figure.value.as_ref().map(|it| it.parse().unwrap()),
        is_computed: figure.basis() == pb::FigureBasis::Computed,
        inconsistent: figure.inconsistent,
        lacking: is_partial.then(|| cell.lacking.into_iter().collect()),
    }
}

#[tokio::test]
async fn every_cell_of_a_random_cube_is_equal_to_a_recount() {
    let cubes: usize = scale("SHAREHUB_TEST_CUBES", 100);
    let seed: u64 = scale("SHAREHUB_TEST_SEED", 1);
    let desk = Desk::start().await;
    let sum = pb::DimensionRule::Sum;
    let mut rng = StdRng::seed_from_u64(seed);
    let (mut checked, mut kinds) = (0, BTreeSet::new());
    for first in (0..cubes).step_by(TOGETHER) {
        let codes: Vec<String> =
            (first..cubes.min(first + TOGETHER)).map(|n| format!("cube.n{n}")).collect();
        let define = |code: &String| pb::Indicator {
            dimensions: DIMENSIONS
                .map(|(code, exhaustive, categories)| dimension(code, sum, exhaustive, categories))
                .into(),
            ..count(code)
        };
        desk.define(codes.iter().map(define).collect()).await;
        let rows: Vec<_> = codes.iter().map(|_| random(&mut rng)).collect();
        let entries = codes.iter().zip(&rows).flat_map(|(code, rows)| {
            let entry = |(cell, value): (&Cell, &i64)| {
                part(code, BEN_TRE, "2024", &text(*cell), &value.to_string())
            };
            rows.iter().map(entry).collect::<Vec<_>>()
        });
        desk.publish(entries.collect()).await;
        let expected: Vec<_> = rows.iter().map(recount).collect();
        for cell in cells() {
            let request = pb::GetSnapshotRequest {
                units: gso(BEN_TRE, "2024-12-31").into_iter().collect(),
                indicators: codes.clone(),
                date: "2025-03-01".to_owned(),
                breakdown: super::breakdowns::cut(&text(cell)),
                ..Default::default()
            };
            let answer = desk.source.indicators().get_snapshot(request).await.unwrap();
            for (n, found) in answer.into_inner().cells.into_iter().enumerate() {
                let (found, expected) = (told(found), &expected[n][&cell]);
                assert_eq!(
                    found,
                    *expected,
                    "SHAREHUB_TEST_SEED={seed}: {} [{}] of {:?}",
                    codes[n],
                    text(cell),
                    rows[n]
                );
                kinds.insert((found.is_computed, found.inconsistent, found.lacking.is_some()));
                checked += 1;
            }
        }
    }
    println!("{cubes} cubes, {checked} cells");
    for kind in
        [(true, false, false), (true, true, false), (false, true, false), (false, false, true)]
    {
        assert!(kinds.contains(&kind), "no cell was (computed, contradictory, partial) {kind:?}");
    }
}
