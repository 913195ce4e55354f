//! Facilities in the tree ADMINISTRATION: schools roll up to their communes and provinces, and none is lost unnamed.
use sharehub::pb;

use super::administration::{below, every, implied, read};
use crate::support::{
    client::{Client, Grants, gso, id},
    desk::{Desk, count, saw},
};

/// The system whose codes schools bear.
const SCHOOLS: &str = "vnedu";

/// A unit below others, each link with its first day and the day after its last one.
fn unit(
    level: pb::UnitLevel,
    code: &str,
    links: &[(Option<pb::UnitRef>, &str, &str)],
) -> pb::UnitEntry {
    let link = |(parent, from, before): &(Option<pb::UnitRef>, &str, &str)| pb::UnitParentEntry {
        tree: pb::UnitTree::Administration.into(),
        parent: parent.clone(),
        valid_from: (*from).to_owned(),
        valid_before: (*before).to_owned(),
    };
    let code = code.to_owned();
    pb::UnitEntry {
        level: level.into(),
        name: format!("Trường {code}"),
        codes: vec![pb::UnitCodeSpan { scheme: SCHOOLS.to_owned(), code, ..Default::default() }],
        parents: links.iter().map(link).collect(),
        ..Default::default()
    }
}

fn school(code: &str, links: &[(Option<pb::UnitRef>, &str, &str)]) -> pb::UnitEntry {
    unit(pb::UnitLevel::Facility, code, links)
}

fn by_code(code: &str) -> Option<pb::UnitRef> {
    let (scheme, code, date) = (SCHOOLS.to_owned(), code.to_owned(), String::new());
    let code = pb::UnitCode { scheme, code, date };
    Some(pb::UnitRef { r#ref: Some(pb::unit_ref::Ref::Code(code)) })
}

/// A desk whose `school.pupils` is collected monthly from facilities, and who publishes units.
struct Schools {
    desk: Desk,
    publisher: Client,
}

impl Schools {
    async fn start() -> Self {
        let desk = Desk::start().await;
        let grants = Grants { publish_units: true, ..Default::default() };
        let publisher = desk.hub.system(SCHOOLS, grants).await;
        let pupils = pb::Indicator {
            collection_level: pb::UnitLevel::Facility.into(),
            tree: pb::UnitTree::Administration.into(),
            frequency: pb::ReportFrequency::Month.into(),
            ..count("school.pupils")
        };
        assert_eq!(desk.define(vec![pupils]).await.created, 1);
        Self { desk, publisher }
    }

    async fn publish(
        &self,
        units: Vec<pb::UnitEntry>,
        successions: Vec<pb::SuccessionEntry>,
    ) -> pb::Receipt {
        let request = pb::PublishUnitsRequest { units, successions, ..Default::default() };
        let answer = self.publisher.units().publish_units(request).await.unwrap();
        answer.into_inner().receipt.unwrap()
    }

    async fn report(&self, code: &str, period: &str, value: &str) {
        let entry =
            pb::ObservationEntry { unit: by_code(code), ..saw("school.pupils", "", period, value) };
        self.desk.publish(vec![entry]).await;
    }

    async fn roll_up(
        &self,
        unit: Option<pb::UnitRef>,
        period: &str,
        geography: pb::Geography,
        as_of: &str,
    ) -> pb::RollUpFigure {
        let request = pb::RollUpRequest {
            indicator: "school.pupils".to_owned(),
            unit,
            periods: vec![period.to_owned()],
            geography: geography.into(),
            as_of: as_of.to_owned(),
            ..Default::default()
        };
        let answer = self.desk.source.indicators().roll_up(request).await.unwrap();
        answer.into_inner().figures.remove(0)
    }

    async fn reported(&self, code: &str, date: &str, period: &str) -> String {
        told(&self.roll_up(gso(code, date), period, pb::Geography::AsReported, "").await)
    }

    async fn today(&self, code: &str, period: &str) -> String {
        let unit = gso(code, "2026-01-01");
        told(&self.roll_up(unit, period, pb::Geography::AsOf, "2026-01-01").await)
    }

    async fn is_below(&self, school: i64, code: &str, date: &str) -> bool {
        let units = every(&self.publisher, below(code, date, pb::UnitTree::Administration)).await;
        units.iter().any(|it| it.id == school)
    }
}

/// Value, reported of expected, and what was left out: `561 1/2 Trường A NOT_REPORTED`.
fn told(figure: &pb::RollUpFigure) -> String {
    let coverage = figure.coverage.as_ref().unwrap();
    let value = figure.computed.as_ref().and_then(|it| it.value.as_deref()).unwrap_or("-");
    let mut told = format!("{value} {}/{}", coverage.reported, coverage.expected);
    for it in &coverage.left_out {
        let reason = it.reason().as_str_name().trim_start_matches("LEFT_OUT_REASON_");
        told += &format!(" {} {reason}", it.unit.as_ref().unwrap().name);
    }
    let is_whole = coverage.left_out.is_empty() && coverage.reported == coverage.expected;
    assert_eq!(is_whole, coverage.state() == pb::CoverageState::Complete, "{told}");
    told
}

#[tokio::test]
async fn a_school_rolls_up_to_its_commune_and_its_province() {
    let schools = Schools::start().await;
    let commune = || (gso("28915", "2026-01-01"), "2025-07-01", "");
    let units = vec![school("A", &[commune()]), school("B", &[commune()])];
    let receipt = schools.publish(units.clone(), Vec::new()).await;
    assert_eq!(receipt.created, 2);
    assert_eq!(schools.publish(units, Vec::new()).await.unchanged, 2);
    assert!(schools.is_below(receipt.results[0].id, "28915", "2026-01-01").await);
    assert!(schools.is_below(receipt.results[0].id, "86", "2026-01-01").await);
    schools.report("A", "2025-08", "561").await;
    for code in ["28915", "86"] {
        let expect = "561 1/2 Trường B NOT_REPORTED";
        assert_eq!(schools.reported(code, "2026-01-01", "2025-08").await, expect, "{code}");
        assert_eq!(schools.today(code, "2025-08").await, expect, "{code}");
    }
    schools.report("B", "2025-08", "439").await;
    for code in ["28915", "86"] {
        assert_eq!(schools.reported(code, "2026-01-01", "2025-08").await, "1000 2/2", "{code}");
    }
    // What the commune itself reports speaks for its schools.
    let own = pb::ObservationEntry {
        unit: gso("28915", "2025-08-31"),
        ..saw("school.pupils", "", "2025-08", "1001")
    };
    schools.desk.publish(vec![own]).await;
    assert_eq!(schools.reported("86", "2026-01-01", "2025-08").await, "1001 2/2");
    assert_eq!(schools.reported("28915", "2026-01-01", "2025-08").await, "1000 2/2");
}

#[tokio::test]
async fn a_school_whose_commune_was_merged_goes_on_below_the_commune_that_took_it_in() {
    let schools = Schools::start().await;
    let entry = school("A", &[(gso("28889", "2025-06-30"), "", "2025-07-01")]);
    let id_of = schools.publish(vec![entry], Vec::new()).await.results[0].id;
    let read = read(&schools.publisher, id(id_of)).await;
    assert_eq!(implied(&read), [("28915".to_owned(), "2025-07-01", "")]);
    for (code, date, is_below) in [
        ("838", "2025-06-30", true),
        ("83", "2025-06-30", true),
        ("28915", "2026-01-01", true),
        ("28921", "2026-01-01", false),
        ("86", "2026-01-01", true),
    ] {
        assert_eq!(schools.is_below(id_of, code, date).await, is_below, "{code} on {date}");
    }
    schools.report("A", "2025-05", "5").await;
    schools.report("A", "2025-08", "8").await;
    for code in ["28889", "838", "83"] {
        assert_eq!(schools.reported(code, "2025-06-30", "2025-05").await, "5 1/1", "{code}");
    }
    for code in ["28915", "86"] {
        assert_eq!(schools.reported(code, "2026-01-01", "2025-08").await, "8 1/1", "{code}");
        assert_eq!(schools.today(code, "2025-05").await, "5 1/1", "{code}");
        assert_eq!(schools.today(code, "2025-08").await, "8 1/1", "{code}");
    }
    assert_eq!(schools.today("28921", "2025-05").await, "- 0/0");
    // Back into the tree of before.
    let before = async |code: &str| {
        let unit = gso(code, "2025-06-30");
        told(&schools.roll_up(unit, "2025-08", pb::Geography::AsOf, "2025-06-30").await)
    };
    assert_eq!([before("28889").await, before("83").await], ["8 1/1", "8 1/1"]);
}

#[tokio::test]
async fn a_school_of_a_divided_commune_is_below_the_province_until_its_commune_is_named() {
    let schools = Schools::start().await;
    let first = (gso("25507", "2025-06-30"), "", "2025-07-01");
    let id_of = schools.publish(vec![school("A", std::slice::from_ref(&first))], Vec::new()).await;
    let id_of = id_of.results[0].id;
    let unit = read(&schools.publisher, id(id_of)).await;
    assert_eq!(implied(&unit), [("80".to_owned(), "2025-07-01", "")]);
    schools.report("A", "2025-05", "5").await;
    schools.report("A", "2025-08", "8").await;
    assert_eq!(schools.today("80", "2025-05").await, "5 1/1");
    assert_eq!(schools.reported("80", "2026-01-01", "2025-08").await, "8 1/1");
    // It may be in either of the communes that got a part, and is named at both.
    for code in ["25498", "25549"] {
        let expect = "- 0/1 Trường A SPLIT_WITHOUT_WEIGHT";
        assert_eq!(schools.today(code, "2025-05").await, expect, "{code}");
    }
    let second = (gso("25549", "2026-01-01"), "2025-07-01", "");
    schools.publish(vec![school("A", &[first, second])], Vec::new()).await;
    assert_eq!(implied(&read(&schools.publisher, id(id_of)).await), []);
    assert_eq!(schools.today("25549", "2025-05").await, "5 1/1");
    assert_eq!(schools.today("25498", "2025-05").await, "- 0/0");
    assert_eq!(schools.reported("25549", "2026-01-01", "2025-08").await, "8 1/1");
    assert_eq!(schools.today("80", "2025-05").await, "5 1/1");
}

#[tokio::test]
async fn schools_of_a_district_and_of_a_department_find_their_way_into_today() {
    let schools = Schools::start().await;
    fn agency(code: &str, links: &[(Option<pb::UnitRef>, &str, &str)]) -> pb::UnitEntry {
        unit(pb::UnitLevel::Agency, code, links)
    }
    let before = |parent| (parent, "", "2025-07-01");
    let old = pb::UnitEntry {
        valid_before: "2025-07-01".to_owned(),
        ..agency("OLD", &[(gso("83", "2025-06-30"), "", "")])
    };
    let new = pb::UnitEntry {
        valid_from: "2025-07-01".to_owned(),
        ..agency("NEW", &[(gso("86", "2026-01-01"), "", "")])
    };
    let units = vec![
        old,
        new,
        // Of the old department; of the closed district, whose communes went to five; of a closed one without heirs.
        school("HIGH", &[before(by_code("OLD"))]),
        school("DISTRICT", &[before(gso("838", "2025-06-30"))]),
        pb::UnitEntry {
            valid_before: "2025-07-01".to_owned(),
            ..agency("GONE", &[(gso("838", "2025-06-30"), "", "")])
        },
        school("ORPHAN", &[before(by_code("GONE"))]),
    ];
    let succession = pb::SuccessionEntry {
        predecessor: by_code("OLD"),
        successor: by_code("NEW"),
        kind: pb::SuccessionKind::Merge.into(),
        effective_date: "2025-07-01".to_owned(),
        transfer: pb::TransferExtent::Whole.into(),
        ..Default::default()
    };
    let receipt = schools.publish(units, vec![succession]).await;
    assert_eq!(receipt.created, 7, "{receipt:?}");
    for (at, parent) in [(2, "NEW"), (3, "86"), (5, "86")] {
        let unit = read(&schools.publisher, id(receipt.results[at].id)).await;
        assert_eq!(implied(&unit), [(parent.to_owned(), "2025-07-01", "")], "{}", unit.name);
    }
    for code in ["HIGH", "DISTRICT", "ORPHAN"] {
        schools.report(code, "2025-05", "1").await;
        schools.report(code, "2025-08", "1").await;
    }
    assert_eq!(schools.reported("83", "2025-06-30", "2025-05").await, "3 3/3");
    assert_eq!(schools.reported("86", "2026-01-01", "2025-08").await, "3 3/3");
    assert_eq!(schools.today("86", "2025-05").await, "3 3/3");
    let department = schools.roll_up(by_code("NEW"), "2025-05", pb::Geography::Current, "").await;
    assert_eq!(told(&department), "1 1/1");
}

#[tokio::test]
async fn a_commune_that_closes_later_and_a_school_that_closed_lose_nothing() {
    let schools = Schools::start().await;
    let commune = || (gso("28915", "2026-01-01"), "2025-07-01", "");
    let closed = (gso("28915", "2026-01-01"), "2025-07-01", "2026-01-01");
    let closed = pb::UnitEntry { valid_before: "2026-01-01".to_owned(), ..school("C", &[closed]) };
    let units = vec![school("A", &[commune()]), closed];
    let id_of = schools.publish(units, Vec::new()).await.results[0].id;
    schools.report("A", "2025-08", "1").await;
    schools.report("C", "2025-08", "2").await;
    for code in ["28915", "86"] {
        assert_eq!(schools.today(code, "2025-08").await, "3 2/2", "{code}");
    }
    // On 2026-03-01 the commune is merged into another; nobody tells of its schools.
    let old = read(&schools.publisher, gso("28915", "2026-01-01")).await;
    let merged = pb::UnitEntry {
        id: old.id,
        level: old.level,
        name: old.name,
        valid_from: old.valid_from,
        valid_before: "2026-03-01".to_owned(),
        codes: old.codes,
        parents: vec![pb::UnitParentEntry {
            tree: pb::UnitTree::Territory.into(),
            parent: gso("86", "2026-01-01"),
            ..Default::default()
        }],
        ..Default::default()
    };
    let succession = pb::SuccessionEntry {
        predecessor: id(old.id),
        successor: gso("28921", "2026-03-01"),
        kind: pb::SuccessionKind::Merge.into(),
        effective_date: "2026-03-01".to_owned(),
        transfer: pb::TransferExtent::Whole.into(),
        ..Default::default()
    };
    schools.publish(vec![merged], vec![succession]).await;
    let unit = read(&schools.publisher, id(id_of)).await;
    assert_eq!(implied(&unit), [("28921".to_owned(), "2026-03-01", "")]);
    schools.report("A", "2026-03", "4").await;
    for (code, period, expect) in
        [("28915", "2025-08", "3 2/2"), ("28921", "2026-03", "4 1/1"), ("86", "2026-03", "4 1/1")]
    {
        let date = if period == "2026-03" { "2026-03-31" } else { "2026-01-01" };
        assert_eq!(schools.reported(code, date, period).await, expect, "{code} {period}");
    }
    for code in ["28921", "86"] {
        let figure = schools.roll_up(gso(code, ""), "2025-08", pb::Geography::Current, "").await;
        assert_eq!(told(&figure), "3 2/2", "{code}");
    }
}

#[tokio::test]
async fn a_facility_has_its_place_in_administration_and_nothing_below_it() {
    let schools = Schools::start().await;
    let link = || (gso("28915", "2026-01-01"), "2025-07-01", "");
    let mut territory = school("T", &[link()]);
    territory.parents[0].tree = pb::UnitTree::Territory.into();
    let units = vec![
        school("A", &[link()]),
        territory,
        school("B", &[(by_code("A"), "", "")]),
        unit(pb::UnitLevel::Agency, "C", &[(by_code("A"), "", "")]),
    ];
    let request = pb::PublishUnitsRequest { units, allow_partial: true, ..Default::default() };
    let answer = schools.publisher.units().publish_units(request).await.unwrap();
    let receipt = answer.into_inner().receipt.unwrap();
    let why: Vec<_> = receipt
        .results
        .iter()
        .flat_map(|it| &it.violations)
        .map(|it| (it.field.as_str(), it.rule.as_str()))
        .collect();
    let above = "must be a locality or an agency; Trường A is a facility";
    let expect = [
        ("parents[0].tree", "must be ADMINISTRATION: a facility has no territory"),
        ("parents[0].parent", above),
        ("parents[0].parent", above),
    ];
    assert_eq!((receipt.created, why), (1, expect.to_vec()));
}

/// Whatever its commune became, each of 10,035 schools of before is in the sum of one province of today.
#[tokio::test]
async fn a_school_of_every_commune_of_before_is_counted_in_its_province_of_today() {
    let schools = Schools::start().await;
    let communes = schools.desk.communes().await;
    let entry =
        |(i, commune): (usize, &i64)| school(&i.to_string(), &[(id(*commune), "", "2025-07-01")]);
    let mut ids = Vec::new();
    for chunk in communes.chunks(9_000) {
        let first = ids.len();
        let units = chunk.iter().enumerate().map(|(i, it)| entry((first + i, it))).collect();
        let receipt = schools.publish(units, Vec::new()).await;
        ids.extend(receipt.results.iter().map(|it| it.id));
    }
    for period in ["2025-05", "2025-08"] {
        for chunk in ids.chunks(9_000) {
            let one = |it: &i64| pb::ObservationEntry {
                unit: id(*it),
                ..saw("school.pupils", "", period, "1")
            };
            schools.desk.publish(chunk.iter().map(one).collect()).await;
        }
    }
    for (code, expect) in
        [("86", "354 354/354"), ("80", "280 280/280"), ("19", "280 280/280"), ("38", "547 547/547")]
    {
        assert_eq!(schools.today(code, "2025-05").await, expect, "{code}");
        assert_eq!(schools.today(code, "2025-08").await, expect, "{code}");
        assert_eq!(schools.reported(code, "2026-01-01", "2025-08").await, expect, "{code}");
    }
    assert_eq!(schools.reported("83", "2025-06-30", "2025-05").await, "148 148/148");
}
