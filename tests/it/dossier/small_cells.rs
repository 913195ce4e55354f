//! Small counts under an agreement with `min_cell`: an attacker who adds and subtracts all that is answered.
//!
//! `SHAREHUB_TEST_TABLES` says how many random tables there are, `SHAREHUB_TEST_SEED` which ones. Each is what one
//! month received. A caller with COUNT asks all that it may; each number that it is shown is an equation over the cells
//! of the table. Gaussian elimination over fractions tells which sums of cells follow from them, and intervals which
//! bounds of single cells: no sum of cells may be known to be 1 to `min_cell` - 1.
mod attacker;

use std::collections::BTreeMap;

use rand::{Rng, SeedableRng, rngs::StdRng};
use sharehub::pb::{
    self, AgreementOperation as Operation, SummaryDimension as By, agreement::Dataset,
};
use tonic::Code;

use self::attacker::{Attacker, Region};
use crate::support::{
    client::{Client, Grants, agreement, exactly, gso, refusal},
    dossiers::{at, define, due, entry, event, procedure, publish, reader, start},
    hub::Hub,
};

/// Districts of two provinces.
const UNITS: [(&str, &str); 4] = [("829", "83"), ("831", "83"), ("832", "83"), ("794", "80")];
const PROCEDURES: [&str; 3] = ["1.000001", "1.000002", "1.000003"];
/// Tables of one hub: the months of five years.
const MONTHS: usize = 60;
/// The least counts, each of one caller.
const LEAST: [i64; 4] = [2, 3, 5, 10];

/// The buckets that the dossiers of the tables are in, by their place among the ten.
const BUCKETS: [usize; 4] = [0, 2, 3, 9];

/// The ten buckets of a count, in the order of the schema.
type Buckets<T> = [T; 10];

/// How many dossiers are in each cell: of a unit, a procedure, a channel and a bucket, by their places.
type Table = BTreeMap<[usize; 4], i64>;

/// A table of one month. Most cells are empty, and many of the others have few.
fn table(rng: &mut StdRng, least: i64) -> Table {
    let shape: Vec<usize> =
        [4_usize, 3, 3, 4].into_iter().map(|most| rng.random_range(1..=most)).collect();
    let fullness = [0.2, 0.5, 0.9][rng.random_range(0..3)];
    let most = [1, least - 1, least + 1, 3 * least][rng.random_range(0..4)];
    let mut table = Table::new();
    for unit in 0..shape[0] {
        for procedure in 0..shape[1] {
            for channel in 0..shape[2] {
                for bucket in 0..shape[3] {
                    if rng.random_bool(fullness) {
                        let count = rng.random_range(1..=most.max(1));
                        table.insert([unit, procedure, channel, bucket], count);
                    }
                }
            }
        }
    }
    table
}

/// `2020-01` and the months after it.
fn month(index: usize) -> String {
    format!("{}-{:02}", 2020 + index / 12, index % 12 + 1)
}

fn dossiers_of(index: usize, table: &Table) -> Vec<pb::DossierEntry> {
    let (month, next) = (month(index), month(index + 1));
    let day = |it: &str| format!("{month}-{it} 08:00");
    let accepted = |due_at: String| due(&day("02"), "2", &due_at);
    let mut entries = Vec::new();
    for ([unit, procedure, channel, bucket], count) in table {
        let events = match BUCKETS[*bucket] {
            0 => vec![accepted(day("20")), event(&day("05"), "9")],
            2 => vec![accepted(day("04")), event(&day("09"), "9")],
            3 => vec![accepted(format!("{next}-20 08:00"))],
            _ => vec![event(&day("02"), "2")],
        };
        for _ in 0..*count {
            let code = format!("H.{month}.{}", entries.len());
            entries.push(pb::DossierEntry {
                procedure: PROCEDURES[*procedure].to_owned(),
                receiving_unit: gso(UNITS[*unit].0, ""),
                channel: i32::try_from(*channel).unwrap() + 1,
                ..entry(&code, events.clone())
            });
        }
    }
    entries
}

fn counts(system: &str, least: i64) -> pb::Agreement {
    let dossiers = Dataset::Dossiers(pb::DossierDataset::default());
    let terms = agreement(&format!("{system}.counts"), system, &[Operation::Count], dossiers);
    pb::Agreement { min_cell: i32::try_from(least).unwrap(), ..terms }
}

async fn ask(
    client: &Client,
    request: pb::SummarizeDossiersRequest,
) -> pb::SummarizeDossiersResponse {
    client.dossiers().summarize_dossiers(request).await.unwrap().into_inner()
}

/// All that may be asked of a period.
fn questions(period: &str) -> Vec<pb::SummarizeDossiersRequest> {
    let of = |by: &[By]| pb::SummarizeDossiersRequest {
        period: period.to_owned(),
        by: by.iter().map(|it| i32::from(*it)).collect(),
        ..Default::default()
    };
    let mut all = Vec::new();
    for more in [&[][..], &[By::Month]] {
        for dimension in [None, Some(By::Unit), Some(By::Procedure), Some(By::Channel)] {
            all.push(of(&[Vec::from_iter(dimension).as_slice(), more].concat()));
        }
    }
    for unit in ["829", "831", "832", "794", "83", "80", "82"] {
        for by in [&[][..], &[By::Unit]] {
            let receiving_unit = gso(unit, "2024-12-31");
            all.push(pb::SummarizeDossiersRequest { receiving_unit, ..of(by) });
        }
    }
    for procedure in PROCEDURES {
        let procedure = procedure.to_owned();
        all.push(pb::SummarizeDossiersRequest { procedure, ..of(&[]) });
    }
    for channel in 1..=3 {
        all.push(pb::SummarizeDossiersRequest { channel, ..of(&[By::Channel]) });
    }
    all
}

/// The ten buckets, what was received, and what of it online; each as far as it is shown.
fn shown(
    counts: Option<&pb::DossierCounts>,
    partial: Option<&pb::PartialDossierCounts>,
) -> (Buckets<Option<i64>>, [Option<i64>; 4]) {
    match (counts, partial) {
        (Some(it), None) => (
            [
                it.finished_early,
                it.finished_on_time,
                it.finished_late,
                it.in_process_in_time,
                it.in_process_overdue,
                it.supplement_in_time,
                it.supplement_overdue,
                it.stopped_in_time,
                it.stopped_late,
                it.undetermined,
            ]
            .map(Some),
            [it.received, it.received_online, it.on_time_numerator, it.on_time_denominator]
                .map(Some),
        ),
        (None, Some(it)) => {
            assert_eq!(
                it.on_time_rate.is_some(),
                it.on_time_numerator.is_some() && it.on_time_denominator.is_some_and(|it| it > 0)
            );
            (
                [
                    it.finished_early,
                    it.finished_on_time,
                    it.finished_late,
                    it.in_process_in_time,
                    it.in_process_overdue,
                    it.supplement_in_time,
                    it.supplement_overdue,
                    it.stopped_in_time,
                    it.stopped_late,
                    it.undetermined,
                ],
                [it.received, it.received_online, it.on_time_numerator, it.on_time_denominator],
            )
        }
        both => panic!("either all counts or a part of them: {both:?}"),
    }
}

/// What an answer says: regions of cells, and how many dossiers are in each.
fn facts(
    asked: &pb::SummarizeDossiersRequest,
    answer: &pb::SummarizeDossiersResponse,
) -> Vec<(Region, i64)> {
    let mut region = Region::everything();
    if let Some(pb::UnitRef { r#ref: Some(pb::unit_ref::Ref::Code(it)) }) = &asked.receiving_unit {
        region.only(0, |place| [UNITS[place].0, UNITS[place].1].contains(&it.code.as_str()));
    }
    if !asked.procedure.is_empty() {
        region.only(1, |place| PROCEDURES[place] == asked.procedure);
    }
    if asked.channel != 0 {
        region.only(2, |place| place + 1 == usize::try_from(asked.channel).unwrap());
    }
    assert_eq!(answer.suppressed, answer.partial_total.is_some());
    let total = shown(answer.total.as_ref(), answer.partial_total.as_ref());
    let mut all = numbers(&region, total);
    for group in &answer.groups {
        let mut region = region.clone();
        if let Some(unit) = &group.unit {
            region.only(0, |place| UNITS[place].0 == unit.code);
        }
        if !group.procedure.is_empty() {
            region.only(1, |place| PROCEDURES[place] == group.procedure);
        }
        if group.channel != 0 {
            region.only(2, |place| place + 1 == usize::try_from(group.channel).unwrap());
        }
        assert_eq!(group.suppressed, group.partial_counts.is_some());
        let counts = shown(group.counts.as_ref(), group.partial_counts.as_ref());
        all.extend(numbers(&region, counts));
    }
    all
}

fn numbers(
    region: &Region,
    (buckets, more): (Buckets<Option<i64>>, [Option<i64>; 4]),
) -> Vec<(Region, i64)> {
    let mut all = Vec::new();
    let mut say = |number: Option<i64>, part: &dyn Fn(&mut Region)| {
        if let Some(number) = number {
            let mut region = region.clone();
            part(&mut region);
            all.push((region, number));
        }
    };
    for (bucket, number) in buckets.into_iter().enumerate() {
        say(number, &|it| it.only(3, |place| BUCKETS[place] == bucket));
    }
    let [received, online, numerator, denominator] = more;
    say(received, &|_| {});
    say(online, &|it| it.only(2, |place| place == 1));
    say(numerator, &|it| it.only(3, |place| [0, 1, 3, 5, 7].contains(&BUCKETS[place])));
    say(denominator, &|it| it.only(3, |place| BUCKETS[place] != 9));
    all
}

/// A hub with tables in its first months, and a caller for each least count.
async fn hub_of(tables: &[Table]) -> (Hub, Vec<Client>, Client) {
    let (hub, source) = start().await;
    define(&source, PROCEDURES.map(procedure).into()).await;
    let mut all = tables.iter().enumerate().flat_map(|(i, it)| dossiers_of(i, it)).peekable();
    while all.peek().is_some() {
        let some: Vec<_> = all.by_ref().take(2_000).collect();
        let count = i32::try_from(some.len()).unwrap();
        assert_eq!(publish(&source, some).await.created, count);
    }
    let mut callers = Vec::new();
    for least in LEAST {
        let system = format!("counts-{least}");
        callers.push(hub.system(&system, Grants::default()).await);
        hub.grant(counts(&system, least)).await;
    }
    let reader = hub.system("reader", reader()).await;
    (hub, callers, reader)
}

fn how_many_tables() -> usize {
    let given = std::env::vars().find(|(key, _)| key == "SHAREHUB_TEST_TABLES");
    given.map_or(32, |(_, it)| it.parse().unwrap())
}

#[tokio::test]
async fn no_small_cell_follows_from_all_that_may_be_asked() {
    let seed = std::env::vars().find(|(key, _)| key == "SHAREHUB_TEST_SEED");
    let seed = seed.map_or_else(rand::random, |(_, it)| it.parse().unwrap());
    println!("SHAREHUB_TEST_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let (mut left, mut told, mut silent) = (how_many_tables(), 0, 0);
    while left > 0 {
        let here = left.min(MONTHS);
        left -= here;
        let tables: Vec<_> = (0..here).map(|i| table(&mut rng, LEAST[i % LEAST.len()])).collect();
        let (_hub, callers, reader) = hub_of(&tables).await;
        for (i, table) in tables.iter().enumerate() {
            let (caller, least) = (&callers[i % LEAST.len()], LEAST[i % LEAST.len()]);
            let what = format!("seed {seed}, {}, least {least}, {table:?}", month(i));
            let mut attacker = Attacker::default();
            for asked in questions(&month(i)) {
                let answer = ask(caller, asked.clone()).await;
                assert_eq!(answer.rule, "national-766-received");
                for (region, number) in facts(&asked, &answer) {
                    assert_eq!(number, region.sum(table), "{what}: {asked:?} {answer:?}");
                    attacker.learn(&region, number);
                    told += 1;
                }
                silent += usize::from(answer.suppressed);
            }
            attacker.finds_no_small_cell(least, &what);
            sees_everything(&reader, i, table, &what).await;
        }
    }
    assert!(told > 0 && silent > 0, "{told} numbers were shown, {silent} totals suppressed");
}

#[test]
fn the_attacker_finds_what_is_left_when_one_cell_alone_is_hidden() {
    let mut attacker = Attacker::default();
    attacker.learn(&Region::everything(), 31);
    for (unit, number) in [(0, 20), (1, 9), (3, 0)] {
        let mut region = Region::everything();
        region.only(0, |place| place == unit);
        attacker.learn(&region, number);
    }
    assert!(attacker.small_cell(5).is_some_and(|it| it.starts_with("2 in ")), "31 - 20 - 9");
}

/// Who may read is shown every count, under the same rule.
async fn sees_everything(reader: &Client, i: usize, table: &Table, what: &str) {
    let rule = "national-766-received".to_owned();
    for asked in questions(&month(i)).into_iter().take(4) {
        let asked = pb::SummarizeDossiersRequest { rule: rule.clone(), ..asked };
        let answer = ask(reader, asked.clone()).await;
        let all = facts(&asked, &answer);
        assert!(!answer.suppressed && answer.groups.iter().all(|it| !it.suppressed), "{what}");
        assert_eq!(all.len(), 14 * (1 + answer.groups.len()), "{what}: {answer:?}");
        for (region, number) in all {
            assert_eq!(number, region.sum(table), "{what}: {asked:?} {answer:?}");
        }
    }
}

#[tokio::test]
async fn sums_of_months_tell_nothing_that_their_months_do_not() {
    let mut rng = StdRng::seed_from_u64(7);
    let tables: Vec<_> = (0..12).map(|_| table(&mut rng, LEAST[1])).collect();
    let (_hub, callers, _) = hub_of(&tables).await;
    let caller = &callers[1];
    let mut months = Vec::new();
    for i in 0..12 {
        let mut attacker = Attacker::default();
        for asked in questions(&month(i)) {
            let answer = ask(caller, asked.clone()).await;
            for (region, number) in facts(&asked, &answer) {
                attacker.learn(&region, number);
            }
        }
        months.push(attacker);
    }
    let mut told = 0;
    for (period, length) in [("2020", 12), ("2020-H1", 6), ("2020-Q1", 3), ("2020-YTD-02", 2)] {
        for asked in questions(period) {
            if asked.by.contains(&By::Month.into()) {
                continue;
            }
            let answer = ask(caller, asked.clone()).await;
            for (region, number) in facts(&asked, &answer) {
                let parts = months[..length].iter().map(|it| it.knows(&region));
                let sum: Option<i64> = parts.sum();
                assert_eq!(sum, Some(number), "{asked:?} {answer:?} {region:?}");
                told += 1;
            }
        }
    }
    assert!(told > 0);
}

#[tokio::test]
async fn what_suppression_is_not_safe_for_is_refused_with_every_field() {
    let table = Table::from([([0, 0, 0, 0], 30)]);
    let (_hub, callers, _) = hub_of(&[table]).await;
    let caller = &callers[2];
    let whole = ask(caller, questions("2020-01").swap_remove(0)).await;
    assert_eq!((whole.suppressed, whole.total.unwrap().received), (false, 30));
    let refused = async |change: fn(&mut pb::SummarizeDossiersRequest)| {
        let mut asked = questions("2020-01").swap_remove(0);
        change(&mut asked);
        let (code, reason, fields) = refusal(caller.dossiers().summarize_dossiers(asked).await);
        assert_eq!((code, reason.as_str()), (Code::InvalidArgument, "FIELD_INVALID"));
        fields
    };
    assert_eq!(refused(|it| it.rule = "national-766".to_owned()).await, ["rule"]);
    for period in ["2020-W03", "2020-01-15", "2090"] {
        let asked = questions(period).swap_remove(0);
        let answer = caller.dossiers().summarize_dossiers(asked).await;
        assert_eq!(refusal(answer).2, ["period"], "{period}");
    }
    assert_eq!(refused(|it| it.as_of = at("2020-01-15 00:00")).await, ["as_of"]);
    assert_eq!(refused(|it| it.consistency = exactly(1)).await, ["consistency"]);
    let two = refused(|it| it.by = vec![By::Unit.into(), By::Month.into(), By::Channel.into()]);
    assert_eq!(two.await, ["by[2]"]);
    let all = refused(|it| {
        it.rule = "national-766".to_owned();
        it.receiving_unit = gso("83", "2024-12-31");
        it.procedure = PROCEDURES[0].to_owned();
        it.channel = 1;
        it.by = vec![By::Unit.into(), By::Procedure.into()];
        it.as_of = at("2020-01-15 00:00");
    });
    assert_eq!(all.await, ["rule", "as_of", "procedure", "channel", "by[1]"]);
}

#[tokio::test]
async fn min_cell_stands_only_in_an_agreement_that_counts_and_shows_no_dossier() {
    let hub = Hub::start().await;
    hub.system("statistics", Grants::default()).await;
    let grant = async |operations: &[Operation], min_cell: i32| {
        let publishes = operations.contains(&Operation::Publish);
        let operations = operations.iter().map(|it| i32::from(*it)).collect();
        let terms = counts("statistics", 0);
        let dossier_codes = Vec::from_iter(publishes.then(|| "H".to_owned()));
        let agreement = Some(pb::Agreement { operations, min_cell, dossier_codes, ..terms });
        let request =
            pb::GrantAgreementRequest { agreement, validate_only: true, ..Default::default() };
        hub.admin().access().grant_agreement(request).await
    };
    for (operations, least) in [
        (&[Operation::Count][..], 1),
        (&[Operation::Count], 101),
        (&[Operation::Count], -2),
        (&[Operation::Publish], 5),
        (&[Operation::Count, Operation::Read], 5),
        (&[Operation::Count, Operation::Watch], 5),
    ] {
        assert_eq!(refusal(grant(operations, least).await).2, ["agreement.min_cell"], "{least}");
    }
    for least in [0, 2, 100] {
        let answer = grant(&[Operation::Count], least).await.unwrap().into_inner();
        assert_eq!(answer.after.unwrap().min_cell, least);
    }
}
