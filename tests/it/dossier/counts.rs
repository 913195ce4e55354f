//! Counts of dossiers under `national-766`, through the wire.
use sharehub::pb;

use crate::support::{
    client::{Client, gso, refusal},
    dossiers::{
        COMMUNE, ELSEWHERE, PROVINCE, at, define, due, entry, event, limited, procedure, publish,
        reader, start,
    },
    hub::Hub,
};

/// What became of a dossier, and the one count in which it must be found; `-` for none.
type Told = (&'static str, Vec<pb::DossierEventEntry>, &'static str);

/// Those that have a promised date.
fn promised() -> Vec<Told> {
    let accepted = |day: &str, until: &str| due(&format!("{day} 08:00"), "2", until);
    let ten = "2025-10-10 17:00";
    vec![
        (
            "1.100001",
            vec![accepted("2025-10-01", ten), event("2025-10-09 23:59", "9")],
            "finished_early",
        ),
        (
            "1.100002",
            vec![accepted("2025-10-01", ten), event("2025-10-10 17:00", "9")],
            "finished_on_time",
        ),
        (
            "1.100003",
            vec![accepted("2025-10-01", ten), event("2025-10-10 17:01", "9")],
            "finished_late",
        ),
        (
            // Two requests for supplements: late, whatever was promised.
            "1.100004",
            vec![
                accepted("2025-10-01", "2025-10-30 17:00"),
                event("2025-10-02 08:00", "5"),
                event("2025-10-03 08:00", "4"),
                event("2025-10-04 08:00", "5"),
                event("2025-10-05 08:00", "4"),
                event("2025-10-06 08:00", "9"),
            ],
            "finished_late",
        ),
        (
            // Three days that the applicant took are taken off.
            "1.100005",
            vec![
                accepted("2025-10-01", "2025-10-05 17:00"),
                event("2025-10-02 08:00", "5"),
                event("2025-10-05 08:00", "4"),
                event("2025-10-08 16:00", "9"),
            ],
            "finished_on_time",
        ),
        ("1.100006", vec![accepted("2025-10-20", "2025-11-05 17:00")], "in_process_in_time"),
        ("1.100007", vec![accepted("2025-10-20", "2025-10-31 17:00")], "in_process_overdue"),
        (
            "1.100008",
            vec![accepted("2025-10-01", ten), event("2025-10-10 16:00", "5")],
            "supplement_in_time",
        ),
        (
            "1.100009",
            vec![accepted("2025-10-01", ten), event("2025-10-11 08:00", "5")],
            "supplement_overdue",
        ),
        (
            "1.100010",
            vec![accepted("2025-10-01", ten), event("2025-10-08 08:00", "8")],
            "stopped_in_time",
        ),
        (
            "1.100011",
            vec![accepted("2025-10-01", ten), event("2025-10-11 08:00", "3")],
            "stopped_late",
        ),
        (
            "1.100012",
            vec![accepted("2025-10-01", ten), event("2025-10-08 08:00", "7")],
            "stopped_in_time",
        ),
    ]
}

/// Those without one, and those of other months.
fn others() -> Vec<Told> {
    let accepted = |day: &str, until: &str| due(&format!("{day} 08:00"), "2", until);
    let ten = "2025-10-10 17:00";
    vec![
        // No promised date: 48 hours, to the instant.
        (
            "1.200001",
            vec![event("2025-10-01 08:00", "2"), event("2025-10-03 08:00", "9")],
            "finished_on_time",
        ),
        (
            "1.200002",
            vec![event("2025-10-01 08:00", "2"), event("2025-10-03 08:01", "9")],
            "finished_late",
        ),
        // Five working days, or nothing: nobody can say.
        (
            "1.300001",
            vec![event("2025-10-01 08:00", "2"), event("2025-10-02 08:00", "9")],
            "undetermined",
        ),
        ("1.100013", vec![event("2025-10-01 08:00", "2")], "undetermined"),
        // Both finished and returned: finished counts. Returned alone: that.
        (
            "1.100014",
            vec![
                accepted("2025-10-01", ten),
                event("2025-10-09 08:00", "9"),
                event("2025-10-12 08:00", "10"),
            ],
            "finished_early",
        ),
        (
            "1.100015",
            vec![accepted("2025-10-01", ten), event("2025-10-12 08:00", "10")],
            "finished_late",
        ),
        // Carried over, and ended in the period or after it.
        (
            "1.400001",
            vec![accepted("2025-09-20", "2025-10-02 17:00"), event("2025-10-03 08:00", "9")],
            "finished_late",
        ),
        (
            "1.400002",
            vec![accepted("2025-09-20", "2025-10-02 17:00"), event("2025-11-03 08:00", "9")],
            "in_process_overdue",
        ),
        // Not of this period.
        ("1.500001", vec![accepted("2025-09-01", ten), event("2025-09-30 23:59", "9")], "-"),
        ("1.500002", vec![accepted("2025-09-01", ten), event("2025-09-30 23:59", "8")], "-"),
        ("1.500003", vec![due("2025-11-01 00:00", "2", "2025-11-10 17:00")], "-"),
        ("1.500004", vec![event("2025-10-01 08:00", "1"), event("2025-10-02 08:00", "7")], "-"),
    ]
}

fn named(counts: &pb::DossierCounts) -> Vec<(&'static str, i64)> {
    vec![
        ("finished_early", counts.finished_early),
        ("finished_on_time", counts.finished_on_time),
        ("finished_late", counts.finished_late),
        ("in_process_in_time", counts.in_process_in_time),
        ("in_process_overdue", counts.in_process_overdue),
        ("supplement_in_time", counts.supplement_in_time),
        ("supplement_overdue", counts.supplement_overdue),
        ("stopped_in_time", counts.stopped_in_time),
        ("stopped_late", counts.stopped_late),
        ("undetermined", counts.undetermined),
    ]
}

fn stories() -> Vec<Told> {
    [promised(), others()].concat()
}

/// A hub with all of them, and a reader.
async fn told() -> (Hub, Client) {
    let (hub, source) = start().await;
    let stories = stories();
    let define_each = stories.iter().map(|(code, ..)| match code.as_bytes()[2] {
        b'2' => limited(code, 48, pb::ProcessingTimeUnit::Hour),
        b'3' => limited(code, 5, pb::ProcessingTimeUnit::WorkingDay),
        _ => procedure(code),
    });
    define(&source, define_each.collect()).await;
    let entries = stories.iter().enumerate().map(|(i, (procedure, events, _))| pb::DossierEntry {
        procedure: (*procedure).to_owned(),
        ..entry(&format!("H-{i}"), events.clone())
    });
    let mut entries: Vec<_> = entries.collect();
    entries[0].channel = pb::SubmissionChannel::InPerson.into();
    entries[1].channel = 0;
    let receipt = publish(&source, entries).await;
    assert_eq!(receipt.rejected, 0, "{:?}", receipt.results);
    let reader = hub.system("doc", reader()).await;
    (hub, reader)
}

async fn count(
    reader: &Client,
    request: pb::SummarizeDossiersRequest,
) -> pb::SummarizeDossiersResponse {
    reader.dossiers().summarize_dossiers(request).await.unwrap().into_inner()
}

fn october() -> pb::SummarizeDossiersRequest {
    pb::SummarizeDossiersRequest { period: "2025-10".to_owned(), ..Default::default() }
}

fn by(by: &[pb::SummaryDimension]) -> Vec<i32> {
    by.iter().map(|it| (*it).into()).collect()
}

#[tokio::test]
async fn each_dossier_is_counted_in_its_one_group() {
    let (_hub, reader) = told().await;
    let answer = count(
        &reader,
        pb::SummarizeDossiersRequest {
            by: by(&[pb::SummaryDimension::Procedure]),
            receiving_unit: gso(PROVINCE, ""),
            ..october()
        },
    )
    .await;
    assert_eq!((answer.rule.as_str(), answer.period.as_str()), ("national-766", "2025-10"));
    assert_eq!(answer.counted_to, at("2025-11-01 00:00"));
    for (procedure, _, expected) in &stories() {
        let group = answer.groups.iter().find(|it| it.procedure == *procedure);
        let Some(group) = group else {
            assert_eq!(*expected, "-", "{procedure} is not counted");
            continue;
        };
        let counts = group.counts.as_ref().unwrap();
        let found: Vec<_> = named(counts).into_iter().filter(|(_, it)| *it > 0).collect();
        assert_eq!(found, [(*expected, 1)], "{procedure}");
        let carried = procedure.starts_with("1.4");
        assert_eq!(
            (counts.received, counts.carried_over),
            (i64::from(!carried), i64::from(carried))
        );
    }

    // The total, and the rate.
    let total = answer.total.unwrap();
    assert_eq!((total.received, total.carried_over, total.undetermined), (18, 2, 2));
    assert_eq!(total.received_online, 16);
    let in_time = [
        "finished_early",
        "finished_on_time",
        "in_process_in_time",
        "supplement_in_time",
        "stopped_in_time",
    ];
    let sum: i64 = named(&total).iter().filter(|(it, _)| in_time.contains(it)).map(|it| it.1).sum();
    assert_eq!((total.on_time_numerator, total.on_time_denominator), (sum, 18));
    assert_eq!(sum, 9);
    assert_eq!(total.on_time_rate.as_deref(), Some("50"));
}

#[tokio::test]
async fn counts_are_grouped_by_several_dimensions() {
    let (_hub, reader) = told().await;
    // Without a dimension, the total alone.
    let alone = count(&reader, october()).await;
    assert_eq!((alone.total.unwrap().received, alone.groups.len()), (18, 0));
    let elsewhere = count(
        &reader,
        pb::SummarizeDossiersRequest { receiving_unit: gso(ELSEWHERE, ""), ..october() },
    )
    .await;
    assert_eq!(elsewhere.total, Some(pb::DossierCounts::default()));

    // By several dimensions; what says no channel is in person.
    let dimensions =
        [pb::SummaryDimension::Channel, pb::SummaryDimension::Unit, pb::SummaryDimension::Month];
    let answer =
        count(&reader, pb::SummarizeDossiersRequest { by: by(&dimensions), ..october() }).await;
    let groups: Vec<_> = answer
        .groups
        .iter()
        .map(|it| {
            let counts = it.counts.clone().unwrap();
            let unit = it.unit.clone().unwrap().code;
            (unit, it.channel, it.month.as_str(), counts.received + counts.carried_over)
        })
        .collect();
    let unit = || COMMUNE.to_owned();
    assert_eq!(
        groups,
        [(unit(), 1, "2025-10", 2), (unit(), 2, "2025-09", 2), (unit(), 2, "2025-10", 16)]
    );
    let in_person = pb::SubmissionChannel::InPerson.into();
    let answer =
        count(&reader, pb::SummarizeDossiersRequest { channel: in_person, ..october() }).await;
    assert_eq!(answer.total.unwrap().received, 2);
}

#[tokio::test]
async fn counts_are_as_of_an_instant() {
    let (_hub, reader) = told().await;
    // As of an instant inside the period: nothing of those had ended yet.
    let answer = count(
        &reader,
        pb::SummarizeDossiersRequest {
            as_of: at("2025-10-01 12:00"),
            by: by(&[pb::SummaryDimension::Procedure]),
            ..october()
        },
    )
    .await;
    assert_eq!(answer.counted_to, at("2025-10-01 12:00"));
    let first = answer.groups.iter().find(|it| it.procedure == "1.100003").unwrap();
    assert_eq!(first.counts.clone().unwrap().in_process_in_time, 1);
    // September saw the ones that October does not.
    let september = pb::SummarizeDossiersRequest { period: "2025-09".to_owned(), ..october() };
    let total = count(&reader, september).await.total.unwrap();
    assert_eq!((total.received, total.finished_early, total.stopped_in_time), (4, 1, 1));
}

#[tokio::test]
async fn a_bad_count_is_refused_with_every_field() {
    let (_hub, reader) = told().await;
    let bad = pb::SummarizeDossiersRequest {
        rule: "one-stop-daily".to_owned(),
        period: "2025-13".to_owned(),
        procedure: "x".to_owned(),
        by: vec![1, 0, 1],
        as_of: at("2190-01-01 00:00"),
        ..Default::default()
    };
    let (_, _, fields) = refusal(reader.dossiers().summarize_dossiers(bad).await);
    assert_eq!(fields, ["rule", "period", "procedure", "by[1]", "by[2]", "as_of"]);
}
