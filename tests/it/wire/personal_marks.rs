//! Personal data in the schema: everybody has decided about every text.
use std::collections::BTreeSet;

use prost_reflect::DescriptorPool;
use sharehub::pb;

/// Everybody has decided about every text of a dossier. A message that a dossier leads to is in the same file, or says
/// nothing of a person.
#[test]
fn every_text_of_a_dossier_says_whether_it_is_personal() {
    let pool = DescriptorPool::decode(pb::DESCRIPTORS).unwrap();
    let mark = pool.get_extension_by_name("sharehub.v1.personal").unwrap();
    let mut open: Vec<_> =
        ["Dossier", "DossierEntry", "EventForDossier", "ApplicantKey", "LookUpDossierResponse"]
            .map(|it| pool.get_message_by_name(&format!("sharehub.v1.{it}")).unwrap())
            .into();
    let (mut seen, mut elsewhere, mut marked) = (BTreeSet::new(), BTreeSet::new(), 0);
    while let Some(message) = open.pop() {
        if !seen.insert(message.full_name().to_owned()) {
            continue;
        }
        if message.parent_file().name() != "sharehub/v1/dossier.proto" {
            elsewhere.insert(message.name().to_owned());
            continue;
        }
        for field in message.fields() {
            let text =
                matches!(field.kind(), prost_reflect::Kind::String | prost_reflect::Kind::Bytes);
            if text {
                let kind = field.options().get_extension(&mark).as_enum_number().unwrap_or(0);
                assert!(kind != 0, "{}: is it personal?", field.full_name());
                marked += usize::from(kind > 1);
            }
            open.extend(field.kind().as_message().cloned());
        }
    }
    assert_eq!(marked, 13, "a kind of personal data came or went: is it sealed and masked?");
    let known = ["Revision", "Timestamp", "UnitName", "UnitRef"];
    assert_eq!(elsewhere, BTreeSet::from(known.map(str::to_owned)));
}
