//! `sharehub update-units`: the units that come with the release, brought into a store that has others.
use std::fs;

use sharehub::pb;

use crate::support::{
    client::{Client, Grants, at_least, exactly, gso, id},
    hub::Hub,
    program::{Ran, sharehub, url},
};

/// The commune Thăng Bình, at a revision.
async fn commune(client: &Client, consistency: Option<pb::Consistency>) -> pb::Unit {
    let get = pb::GetUnitRequest { unit: gso("16342", "2026-01-01"), consistency };
    client.units().get_unit(get).await.unwrap().into_inner().unit.unwrap()
}

/// A unit as it is published, by another name.
fn named(unit: pb::Unit, name: &str) -> pb::UnitEntry {
    let parent = |it: pb::UnitParent| pb::UnitParentEntry {
        tree: it.tree,
        parent: id(it.parent.unwrap().id),
        valid_from: it.valid_from,
        valid_before: it.valid_before,
    };
    pb::UnitEntry {
        id: unit.id,
        level: unit.level,
        name: name.to_owned(),
        valid_from: unit.valid_from,
        valid_before: unit.valid_before,
        codes: unit.codes,
        parents: unit.parents.into_iter().map(parent).collect(),
        expected_revision: Some(unit.revision),
    }
}

#[tokio::test]
async fn an_operator_brings_the_units_up_to_date_beside_a_running_hub() {
    let hub = Hub::start().await;
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("url"), &hub.store.url).unwrap();
    let store = url(dir.path());
    let update = async || sharehub(dir.path(), &["update-units", "--database-url", &store]).await;
    let told = |ran: &Ran, corrected: usize| {
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let expected = format!("units and successions: 0 created, {corrected} corrected\n");
        assert_eq!(ran.out, expected, "{ran:?}");
    };
    // What an earlier release, or somebody, called it.
    let grants = Grants { publish_units: true, ..Grants::default() };
    let publisher = hub.system("so-noi-vu", grants).await;
    let unit = commune(&publisher, None).await;
    assert_eq!(unit.name, "Xã Thăng Bình");
    let units = vec![named(unit.clone(), "Xã Thăng Bình cũ")];
    let publish = pb::PublishUnitsRequest { units, ..Default::default() };
    let receipt = publisher.units().publish_units(publish).await.unwrap().into_inner();
    let receipt = receipt.receipt.unwrap();
    assert_eq!((receipt.corrected, receipt.rejected), (1, 0), "{:?}", receipt.results);
    let before = receipt.revision.unwrap().number;
    told(&update().await, 1);
    // One revision of its own: the running hub answers by it, and before it as before.
    let now = commune(&publisher, at_least(before + 1)).await;
    assert_eq!((now.id, now.name.as_str()), (unit.id, "Xã Thăng Bình"));
    assert_eq!(now.revision, before + 1);
    assert_eq!(commune(&publisher, exactly(before)).await.name, "Xã Thăng Bình cũ");
    // A second time it changes nothing, and makes no revision.
    told(&update().await, 0);
    assert_eq!(hub.hub.revisions.head().newest.number, before + 1);
}
