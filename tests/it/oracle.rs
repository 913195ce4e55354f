//! A second implementation of roll-ups, in plain fractions and without a line of `src/`, beside the hub: random small
//! worlds are published through the wire, and every figure that the hub answers is worked out again.
//!
//! `SHAREHUB_TEST_ORACLE_CASES` says how many figures are compared, `SHAREHUB_TEST_SEED` which worlds.
pub mod answer;
pub mod ask;
pub mod fraction;
pub mod naive;
pub mod rules;
pub mod world;

use std::{collections::BTreeMap, sync::Arc};

use rand::{Rng, SeedableRng, rngs::StdRng};
use sharehub::{db::Options, pb};

use self::{
    ask::Ask,
    fraction::{day, period},
    naive::{Answer, Told},
    world::World,
};
use crate::support::{
    client::{Client, Grants, all_indicators, id, refusal},
    desk::SOURCE,
    engine::{Store, scale},
    hub::{Hub, slow},
};

/// Figures asked of one world.
const EACH: usize = 100;

#[tokio::test]
async fn every_figure_is_what_another_reading_of_the_contract_gives() {
    let seed: u64 = scale("SHAREHUB_TEST_SEED", rand::random());
    let cases: usize = scale("SHAREHUB_TEST_ORACLE_CASES", 300);
    println!("seed {seed}, {cases} cases");
    for number in 0..cases.div_ceil(EACH) {
        let mut rng = StdRng::seed_from_u64(seed.wrapping_add(u64::try_from(number).unwrap()));
        let mut world = World::random(&mut rng);
        let (hub, client) = published(&mut world).await;
        for case in 0..EACH.min(cases - number * EACH) {
            compare(
                &mut rng,
                &world,
                &client,
                &format!("seed {seed}, world {number}, case {case}"),
            )
            .await;
        }
        hub.stop().await;
    }
}

/// A hub in which a world was published, and who did so.
async fn published(world: &mut World) -> (Hub, Client) {
    let store = Arc::new(Store::blank().await);
    let options = Options::new(&store.url);
    let hub = Hub::open(store, options, slow()).await;
    let grants = Grants { publish_units: true, ..all_indicators() };
    let client = hub.system(SOURCE, grants).await;
    let units = client.units().publish_units(world::units(world)).await.unwrap().into_inner();
    let mut order: Vec<usize> = (0..world.units.len()).collect();
    order.sort_by_key(|it| (i32::from(world.units[*it].level), *it));
    for (place, result) in order.into_iter().zip(units.receipt.unwrap().results) {
        world.units[place].id = result.id;
    }
    let world = &*world;
    let all = || world.weights.iter().chain(&world.definitions);
    let indicators = all().map(|it| it.wire.clone()).collect();
    let define = pb::DefineIndicatorsRequest { indicators, ..Default::default() };
    client.indicators().define_indicators(define).await.unwrap();
    let observations: Vec<_> = all().flat_map(|it| world::observations(world, it)).collect();
    for chunk in observations.chunks(5_000) {
        let observations = chunk.to_vec();
        let publish = pb::PublishObservationsRequest { observations, ..Default::default() };
        client.indicators().publish_observations(publish).await.unwrap();
    }
    (hub, client)
}

/// Asks for one figure, and works it out.
async fn compare(rng: &mut StdRng, world: &World, client: &Client, which: &str) {
    let definition = &world.definitions[rng.random_range(0..world.definitions.len())];
    let months = [(0, 12), (0, 12), (0, 6), (6, 6), (3, 3), (6, 3), (2, 1), (6, 1), (8, 1), (0, 9)];
    let months = months[rng.random_range(0..months.len())];
    let period = period(2025, months, definition.report, months.1 == 9);
    let dates = [
        world.reforms[0] - 1,
        world.reforms[0],
        world.reforms[1] - 1,
        world.reforms[1],
        day(2026, 6, 1),
    ];
    let date = dates[rng.random_range(0..5)];
    let of_itself = rng.random_bool(0.1);
    let date = (!of_itself && rng.random_bool(0.7)).then_some(date);
    let on = date.unwrap_or(period.to);
    let stands: Vec<usize> = (0..world.units.len())
        .filter(|it| {
            let unit = &world.units[*it];
            match of_itself {
                true => unit.from <= period.to && period.from <= unit.to,
                false => unit.from <= on && on <= unit.to,
            }
        })
        .collect();
    let high: Vec<usize> = stands
        .iter()
        .copied()
        .filter(|it| world.units[*it].level == pb::UnitLevel::Province)
        .collect();
    let among = if rng.random_bool(0.5) && !high.is_empty() { &high } else { &stands };
    let unit = among[rng.random_range(0..among.len())];
    let is_cut = !definition.wire.dimensions.is_empty() && rng.random_bool(0.25);
    let category = is_cut.then(|| rng.random_range(0..world::CATEGORIES.len()));
    let ask = Ask { world, definition, unit, period, date, category };
    let expected = if of_itself { naive::itself(&ask) } else { naive::below(&ask) };
    let found = asked(client, &ask, of_itself).await;
    let rules = (definition.wire.time_rule(), definition.wire.unit_rule());
    assert!(
        found == expected,
        "{which}: {} {rules:?} every {} months, level {:?}, report {}, unit {unit}, date {date:?}, {} itself \
         {of_itself}, category {category:?}\nthe hub: {found:#?}\nthe oracle: {expected:#?}\nunits: {:#?}\n\
         steps: {:#?}\nrows: {:#?}\nparts: {:#?}",
        definition.wire.code,
        definition.each,
        definition.wire.collection_level(),
        definition.report,
        ask.period.code,
        world.units,
        world.steps,
        definition.rows,
        definition.parts,
    );
}

/// What the hub answers.
async fn asked(client: &Client, ask: &Ask<'_>, of_itself: bool) -> Answer {
    let request = pb::RollUpRequest {
        indicator: ask.definition.wire.code.clone(),
        unit: id(ask.world.units[ask.unit].id),
        periods: vec![ask.period.code.clone()],
        geography: match ask.date {
            None => pb::Geography::AsReported.into(),
            Some(_) => pb::Geography::AsOf.into(),
        },
        as_of: ask.date.map_or_else(String::new, fraction::date),
        of: of_itself.then_some(pb::RollUpOf::Itself.into()),
        breakdown: world::breakdown(ask.category),
        ..Default::default()
    };
    let answer = client.indicators().roll_up(request).await;
    let figure = match answer {
        Ok(it) => it.into_inner().figures.remove(0),
        Err(status) => {
            let reason = refusal::<()>(Err(status)).1;
            let known = ["NOT_AGGREGABLE", "PERIOD_NOT_COMBINABLE"];
            return Err(known.into_iter().find(|it| *it == reason).unwrap_or("UNEXPECTED"));
        }
    };
    let places: BTreeMap<i64, usize> =
        ask.world.units.iter().enumerate().map(|(place, it)| (it.id, place)).collect();
    let computed = figure.computed.unwrap();
    let coverage = figure.coverage.unwrap();
    let named = |it: &pb::LeftOutUnit| {
        (places[&it.unit.as_ref().unwrap().id], it.period.clone(), it.reason().into())
    };
    let left_out: std::collections::BTreeSet<_> = coverage.left_out.iter().map(named).collect();
    assert_eq!(left_out.len(), coverage.left_out.len(), "each is named once");
    Ok(Told {
        qualifier: computed.qualifier(),
        status: computed.status(),
        value: computed.value,
        expected: usize::try_from(coverage.expected).unwrap(),
        reported: usize::try_from(coverage.reported).unwrap(),
        complete: coverage.state() == pb::CoverageState::Complete,
        weight_share: coverage.weight_share,
        left_out,
    })
}
