//! The tree ADMINISTRATION as it ships: localities are in it as in TERRITORY.
use sharehub::pb;

use crate::support::{
    client::{Client, Grants, gso, id},
    hub::Hub,
};

/// Every unit that a question finds, page by page.
pub async fn every(client: &Client, mut request: pb::ListUnitsRequest) -> Vec<pb::Unit> {
    let mut found = Vec::new();
    loop {
        let page = client.units().list_units(request.clone()).await.unwrap().into_inner();
        found.extend(page.units);
        if page.next_page_token.is_empty() {
            return found;
        }
        request.page = Some(pb::PageRequest { size: 1_000, token: page.next_page_token });
    }
}

/// Asks for the units of a level below one, in a tree.
pub fn below(code: &str, date: &str, tree: pb::UnitTree) -> pb::ListUnitsRequest {
    pb::ListUnitsRequest {
        date: date.to_owned(),
        below: gso(code, ""),
        tree: Some(tree.into()),
        page: Some(pb::PageRequest { size: 1_000, token: String::new() }),
        ..Default::default()
    }
}

/// A unit as it stands.
pub async fn read(client: &Client, unit: Option<pb::UnitRef>) -> pb::Unit {
    let request = pb::GetUnitRequest { unit, consistency: None };
    client.units().get_unit(request).await.unwrap().into_inner().unit.unwrap()
}

/// Its links that nobody published: code of the parent, first day, day after the last one.
pub fn implied(unit: &pb::Unit) -> Vec<(String, &str, &str)> {
    let links = unit.implied_parents.iter();
    links
        .map(|it| {
            assert_eq!(it.tree(), pb::UnitTree::Administration);
            let parent = it.parent.clone().unwrap().code;
            (parent, it.valid_from.as_str(), it.valid_before.as_str())
        })
        .collect()
}

/// The localities below one, which are the same in both trees.
pub async fn localities(client: &Client, code: &str, date: &str) -> Vec<pb::Unit> {
    let of = async |tree| {
        let mut units = every(client, below(code, date, tree)).await;
        units.retain(|it| matches!(it.level(), pb::UnitLevel::District | pb::UnitLevel::Commune));
        units
    };
    let units = of(pb::UnitTree::Administration).await;
    assert_eq!(units, of(pb::UnitTree::Territory).await, "{code}");
    units
}

#[tokio::test]
async fn the_tree_ships_with_every_locality_of_today_and_of_before() {
    let hub = Hub::start().await;
    let admin = hub.admin();
    for (code, date, communes, districts) in
        [("86", "2026-01-01", 124, 0), ("83", "2024-12-31", 148, 9), ("75", "2026-06-01", 95, 0)]
    {
        let units = localities(&admin, code, date).await;
        let of = |level: pb::UnitLevel| units.iter().filter(|it| it.level() == level).count();
        assert_eq!(of(pb::UnitLevel::Commune), communes, "{code}");
        assert_eq!(of(pb::UnitLevel::District), districts, "{code}");
    }
    let children = pb::ListUnitsRequest {
        children_only: true,
        ..below("83", "2024-12-31", pb::UnitTree::Administration)
    };
    let children = every(&admin, children).await;
    assert!(children.iter().all(|it| it.level() == pb::UnitLevel::District), "{children:?}");
    assert_eq!(children.len(), 9);
    let commune = read(&admin, gso("28915", "2026-01-01")).await;
    assert_eq!(implied(&commune), [("86".to_owned(), "2025-07-01", "")]);
    assert_eq!(commune.parents.len(), 1);
    assert_eq!(commune.parents[0].tree(), pb::UnitTree::Territory);
    let before = read(&admin, gso("28889", "2024-12-31")).await;
    assert_eq!(implied(&before), [("838".to_owned(), "", "2025-07-01")]);
    // The province that became a city on 2026-04-30 has the same communes before and after.
    let commune = read(&admin, gso("25195", "2026-01-01")).await;
    let city = "2026-04-30";
    let links = [("75".to_owned(), "2025-07-01", city), ("75".to_owned(), city, "")];
    assert_eq!(implied(&commune), links);
}

#[tokio::test]
async fn a_locality_follows_its_own_link_where_it_has_one() {
    let hub = Hub::start().await;
    let grants = Grants { publish_units: true, ..Default::default() };
    let publisher = hub.system("so-noi-vu", grants).await;
    let commune = read(&publisher, gso("28915", "2026-01-01")).await;
    let link = |tree: pb::UnitTree, code: &str, from: &str, before: &str| pb::UnitParentEntry {
        tree: tree.into(),
        parent: gso(code, "2026-01-01"),
        valid_from: from.to_owned(),
        valid_before: before.to_owned(),
    };
    let entry = pb::UnitEntry {
        id: commune.id,
        level: commune.level,
        name: commune.name.clone(),
        valid_from: commune.valid_from.clone(),
        codes: commune.codes.clone(),
        parents: vec![
            link(pb::UnitTree::Territory, "86", "", ""),
            link(pb::UnitTree::Administration, "80", "2026-02-01", "2026-03-01"),
        ],
        ..Default::default()
    };
    let request = pb::PublishUnitsRequest { units: vec![entry], ..Default::default() };
    let receipt = publisher.units().publish_units(request).await.unwrap().into_inner();
    assert_eq!(receipt.receipt.unwrap().corrected, 1);
    let commune = read(&publisher, id(commune.id)).await;
    let links =
        [("86".to_owned(), "2025-07-01", "2026-02-01"), ("86".to_owned(), "2026-03-01", "")];
    assert_eq!(implied(&commune), links);
    for (date, home) in [("2026-01-31", "86"), ("2026-02-01", "80"), ("2026-03-01", "86")] {
        for code in ["86", "80"] {
            let units = every(&publisher, below(code, date, pb::UnitTree::Administration)).await;
            let is_there = units.iter().any(|it| it.id == commune.id);
            assert_eq!(is_there, code == home, "{code} on {date}");
        }
    }
}
