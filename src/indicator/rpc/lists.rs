//! The catalogue on the wire: questions for definitions, groups and code lists, groups in, and all of them out.
use std::{collections::BTreeSet, sync::Arc};

use crate::{
    error::{Error, Result},
    fold,
    indicator::{
        Code, Definition,
        dimension::{Category, Dimension},
        group::{DefineGroup, GroupLabel, IndicatorGroup},
        queries::{List, ListCodes, ListGroups},
    },
    labels::{self, Labels},
    pb,
    slug::Slug,
    wire::Fields,
};

/// Codes in one question, at most.
const MOST_CODES: usize = 1_000;

impl TryFrom<pb::ListIndicatorsRequest> for List {
    type Error = Error;

    fn try_from(mut msg: pb::ListIndicatorsRequest) -> Result<Self> {
        let page = msg.page.take();
        let mut fields = Fields::default();
        let page = fields.page(page, "ListIndicators", &msg);
        let pb::ListIndicatorsRequest { code_prefix, page: _, consistency, group, text, codes } =
            msg;
        let code_prefix = fields.text("code_prefix", code_prefix, 64);
        let consistency = fields.consistency(consistency);
        let group = fields.maybe("group", &group, Slug::parse);
        let text = fields.text("text", text, 200);
        let codes =
            read_once(&mut fields, codes, |fields, field, it| fields.read(field, Code::parse(&it)));
        fields.done(|| {
            Some(Self {
                code_prefix: code_prefix?,
                group: group?,
                words: fold::words(&text?),
                codes: codes?,
                page: page?,
                consistency: consistency?,
            })
        })
    }
}

impl TryFrom<pb::ListIndicatorGroupsRequest> for ListGroups {
    type Error = Error;

    fn try_from(mut msg: pb::ListIndicatorGroupsRequest) -> Result<Self> {
        let page = msg.page.take();
        let mut fields = Fields::default();
        let page = fields.page(page, "ListIndicatorGroups", &msg);
        let pb::ListIndicatorGroupsRequest { page: _, consistency } = msg;
        let consistency = fields.consistency(consistency);
        fields.done(|| Some(Self { page: page?, consistency: consistency? }))
    }
}

impl TryFrom<pb::ListCodeListsRequest> for ListCodes {
    type Error = Error;

    fn try_from(msg: pb::ListCodeListsRequest) -> Result<Self> {
        let pb::ListCodeListsRequest { codes, consistency } = msg;
        let mut fields = Fields::default();
        // An enum's name, or the two codes of a dimension.
        let codes =
            read_once(&mut fields, codes, |fields, field, it| fields.some_text(field, it, 129));
        let consistency = fields.consistency(consistency);
        fields.done(|| Some(Self { codes: codes?, consistency: consistency? }))
    }
}

/// Reads the list `codes`, in which each stands once.
fn read_once<T: Clone + Ord>(
    fields: &mut Fields,
    codes: Vec<String>,
    read: impl Fn(&mut Fields, &str, String) -> Option<T>,
) -> Option<Vec<T>> {
    fields.at_most("codes", codes.len(), MOST_CODES)?;
    let mut seen = BTreeSet::new();
    let read = codes.into_iter().enumerate().map(|(i, it)| {
        let field = format!("codes[{i}]");
        let code = read(fields, &field, it)?;
        if !seen.insert(code.clone()) {
            fields.refuse(&field, "not stand in the list twice");
        }
        Some(code)
    });
    read.collect::<Vec<_>>().into_iter().collect()
}

impl TryFrom<pb::IndicatorGroup> for DefineGroup {
    type Error = Error;

    fn try_from(msg: pb::IndicatorGroup) -> Result<Self> {
        let mut fields = Fields::of(&msg);
        let pb::IndicatorGroup {
            code,
            name_vi,
            name_en,
            display_order,
            revision: _,
            expected_revision,
        } = msg;
        let code = fields.read("code", Slug::parse(&code));
        let name_vi = fields.some_text("name_vi", name_vi, 300);
        let name_en = fields.text("name_en", name_en, 300);
        let expected = fields.expected_revision(expected_revision);
        fields.done(|| {
            let label = GroupLabel { name_vi: name_vi?, name_en: name_en?, display_order };
            Some(Self { code: code?, label, expected: expected? })
        })
    }
}

// === out ===

impl From<IndicatorGroup> for pb::IndicatorGroup {
    fn from(group: IndicatorGroup) -> Self {
        let IndicatorGroup { code, label, made_at } = group;
        let GroupLabel { name_vi, name_en, display_order } = label;
        Self {
            code: code.as_str().to_owned(),
            name_vi,
            name_en,
            display_order,
            revision: made_at,
            expected_revision: None,
        }
    }
}

/// The lists that were asked for: those of enums, then those of dimensions; all unknown ones are named at once.
pub(super) fn code_lists(
    codes: &[String],
    definitions: &[Arc<Definition>],
) -> Result<Vec<pb::CodeList>> {
    let asked: BTreeSet<&str> = codes.iter().map(String::as_str).collect();
    let is_asked = |it: &pb::CodeList| asked.is_empty() || asked.contains(it.code.as_str());
    let enums = labels::LISTS.iter().map(pb::CodeList::from);
    let dimensions = definitions.iter().flat_map(|definition| {
        let dimensions = definition.meaning.dimensions.all().iter();
        dimensions.map(|it| dimension(&definition.code, it))
    });
    let lists: Vec<_> = enums.chain(dimensions).filter(is_asked).collect();
    let found: BTreeSet<&str> = lists.iter().map(|it| it.code.as_str()).collect();
    let unknown = codes.iter().enumerate().filter(|(_, it)| !found.contains(it.as_str()));
    let refused = unknown.map(|(index, it)| (index, Error::not_found("code list", it))).collect();
    Error::all(refused, "codes").map(|()| lists)
}

impl From<&Labels> for pb::CodeList {
    fn from(labels: &Labels) -> Self {
        let Labels { name, vi, en, values } = labels;
        let entry = |&(number, code, vi, en): &(i32, &str, &str, &str)| pb::CodeListEntry {
            code: code.to_owned(),
            number,
            name_vi: vi.to_owned(),
            name_en: en.to_owned(),
            valid_from: String::new(),
            valid_before: String::new(),
        };
        Self {
            code: (*name).to_owned(),
            name_vi: (*vi).to_owned(),
            name_en: (*en).to_owned(),
            entries: values.iter().map(entry).collect(),
            indicator: String::new(),
            dimension: String::new(),
        }
    }
}

fn dimension(indicator: &Code, dimension: &Dimension) -> pb::CodeList {
    let Dimension { code, name_vi, name_en, rule: _, exhaustive: _, categories } = dimension;
    let entry = |it: &Category| {
        let Category { code, name_vi, name_en, valid_from, valid_before } = it.clone();
        pb::CodeListEntry {
            code,
            number: 0,
            name_vi,
            name_en,
            valid_from: valid_from.map_or_else(String::new, |it| it.to_string()),
            valid_before: valid_before.map_or_else(String::new, |it| it.to_string()),
        }
    };
    pb::CodeList {
        code: format!("{}/{code}", indicator.as_str()),
        name_vi: name_vi.clone(),
        name_en: name_en.clone(),
        entries: categories.iter().map(entry).collect(),
        indicator: indicator.as_str().to_owned(),
        dimension: code.clone(),
    }
}
