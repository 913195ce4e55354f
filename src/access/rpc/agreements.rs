//! Agreements on the wire: their words in, their rows out.
use std::collections::BTreeSet;

use super::systems::patterns;
use crate::{
    access::{
        queries::{Grant, ListAgreements, PutAgreement, RevokeAgreement},
        store::agreements::ListedAgreement,
    },
    caller::{
        SystemCode,
        agreement::{
            Agreement, Dataset, Limit, Operation, SignedDocument, Terms, Window, is_sha256,
        },
    },
    dossier::ProcedureCode,
    error::{Error, Result},
    hub::BatchOptions,
    pb,
    personal::Tier,
    slug::Slug,
    tree::Tree,
    unit::wire::UnitFields,
    wire::{Fields, fingerprint},
};

// === words in ===

/// Most limits of one agreement.
const MOST_LIMITS: usize = 10;
/// Most fields, procedures or units of one agreement.
const MOST_NAMES: usize = 1_000;

impl TryFrom<pb::GrantAgreementRequest> for (BatchOptions, PutAgreement) {
    type Error = Error;

    fn try_from(msg: pb::GrantAgreementRequest) -> Result<Self> {
        let fingerprint = fingerprint("GrantAgreement", &msg);
        let pb::GrantAgreementRequest { request_id, agreement, validate_only, expected_revision } =
            msg;
        let mut fields = Fields::default();
        let request_id = fields.request_id(request_id);
        let expected = fields.expected_revision(expected_revision);
        let grant = fields
            .within("agreement", |fields| read_agreement(fields, agreement.unwrap_or_default()));
        fields.done(|| {
            let ask = BatchOptions::whole(request_id?, fingerprint, validate_only, "");
            Some((ask, PutAgreement { grant: grant?, expected: expected? }))
        })
    }
}

pub(super) fn read_agreement(fields: &mut Fields, it: pb::Agreement) -> Option<Grant> {
    let pb::Agreement {
        code,
        system,
        purpose,
        title,
        legal_basis,
        document,
        operations,
        dataset,
        units,
        personal_data,
        valid_from,
        valid_before,
        limits,
        revoked_at: _,
        revision: _,
        tree,
        dossier_codes,
        contributes,
        min_cell,
    } = it;
    let code = fields.read("code", Slug::parse(&code));
    let system = fields.read("system", SystemCode::parse(&system));
    let purpose = fields.read("purpose", Slug::parse(&purpose));
    let title = fields.some_text("title", title, 300);
    let legal_basis = fields.some_text("legal_basis", legal_basis, 1_000);
    let document = fields.within("document", |it| read_document(it, document));
    let operations = read_operations(fields, &operations);
    let is_indicators = matches!(dataset, Some(pb::agreement::Dataset::Indicators(_)));
    let dataset = read_dataset(fields, dataset);
    let tree = match (tree, units.is_empty()) {
        (0, true) => Some(None),
        (number, _) => fields.word("tree", number, Tree::of).map(Some),
    };
    if is_indicators && operations.as_ref().is_some_and(|it| it.contains(&Operation::Count)) {
        fields.refuse("operations", "not hold COUNT: indicators are counted by nobody");
    }
    let units = fields.units("units", units, MOST_NAMES);
    let personal_data = match personal_data {
        0 if is_indicators => Some(Tier::None),
        number => fields.word("personal_data", number, tier),
    };
    if is_indicators && personal_data.is_some_and(|it| it > Tier::None) {
        fields.refuse("personal_data", "be NONE, or left out: indicators hold no personal data");
    }
    let publishes = operations.as_ref().is_some_and(|it| it.contains(&Operation::Publish));
    let dossier_codes =
        read_dossier_codes(fields, dossier_codes, publishes && !is_indicators && dataset.is_some());
    let valid_from = fields.instant("valid_from", valid_from);
    let valid_before = fields.instant("valid_before", valid_before);
    if valid_before == Some(None) {
        fields.refuse("valid_before", "be given");
    }
    let limits = read_limits(fields, limits);
    if contributes && !is_indicators {
        fields.refuse("contributes", "be false, but for indicators: only they have contributors");
    } else if contributes && operations.as_ref().is_some_and(|it| !it.contains(&Operation::Publish))
    {
        fields.refuse("contributes", "be false, unless `operations` hold PUBLISH");
    }
    let min_cell = read_min_cell(fields, min_cell, operations.as_ref());
    let terms = Terms {
        operations: operations?,
        dataset: dataset?,
        units: BTreeSet::new(),
        tree: tree?,
        dossier_codes: dossier_codes?,
        personal_data: personal_data?,
        limits: limits?,
        contributes,
        min_cell: min_cell?,
    };
    Some(Grant {
        code: code?,
        system: system?,
        purpose: purpose?,
        title: title?,
        legal_basis: legal_basis?,
        document: document?,
        terms,
        units: units?,
        valid_from: valid_from?,
        valid_before: valid_before??,
    })
}

fn read_dossier_codes(
    fields: &mut Fields,
    mut codes: Vec<String>,
    are_published: bool,
) -> Option<Vec<String>> {
    fields.at_most("dossier_codes", codes.len(), 100)?;
    match (codes.is_empty(), are_published) {
        (true, true) => {
            let rule =
                "say with what the codes begin of the dossiers that are published; `*` for all";
            fields.refuse("dossier_codes", rule);
            return None;
        }
        (false, false) => {
            fields.refuse("dossier_codes", "be empty, but where dossiers are published");
            return None;
        }
        (true, false) | (false, true) => {}
    }
    for (i, it) in codes.iter().enumerate() {
        if it.is_empty() || it.len() > 64 || !it.bytes().all(|it| it.is_ascii_graphic()) {
            fields.refuse(&format!("dossier_codes[{i}]"), "be 1 to 64 characters without blanks");
        }
    }
    codes.sort();
    codes.dedup();
    Some(codes)
}

fn read_document(
    fields: &mut Fields,
    document: Option<pb::AgreementDocument>,
) -> Option<SignedDocument> {
    let Some(pb::AgreementDocument { number, sha256 }) = document else {
        return Some(SignedDocument::default());
    };
    let number = fields.some_text("number", number, 200);
    if !sha256.is_empty() && !is_sha256(&sha256) {
        fields.refuse("sha256", "be 64 lower-case hexadecimal digits, or empty");
        return None;
    }
    Some(SignedDocument { number: number?, sha256 })
}

fn read_operations(fields: &mut Fields, operations: &[i32]) -> Option<BTreeSet<Operation>> {
    if operations.is_empty() {
        fields.refuse("operations", "hold at least one");
        return None;
    }
    fields.at_most("operations", operations.len(), 10)?;
    let read = operations.iter().enumerate();
    let read = read.map(|(i, it)| fields.word(&format!("operations[{i}]"), *it, Operation::of));
    read.collect::<Vec<_>>().into_iter().collect()
}

fn read_min_cell(
    fields: &mut Fields,
    min_cell: i32,
    operations: Option<&BTreeSet<Operation>>,
) -> Option<Option<i32>> {
    if min_cell == 0 {
        return Some(None);
    }
    if !(2..=100).contains(&min_cell) {
        fields.refuse("min_cell", "be 0, or 2 to 100");
        return None;
    }
    let operations = operations?;
    let shows_all = [Operation::Read, Operation::Watch].iter().any(|it| operations.contains(it));
    if shows_all || !operations.contains(&Operation::Count) {
        let rule = "be 0, unless `operations` holds COUNT, and neither READ nor WATCH, which show every dossier";
        fields.refuse("min_cell", rule);
        return None;
    }
    Some(Some(min_cell))
}

fn read_dataset(fields: &mut Fields, dataset: Option<pb::agreement::Dataset>) -> Option<Dataset> {
    use pb::agreement::Dataset as Sent;
    match dataset {
        None => {
            fields.refuse("dataset", "say which data it is about: `indicators` or `dossiers`");
            None
        }
        Some(Sent::Indicators(pb::IndicatorDataset { patterns: texts })) => {
            fields.within("indicators", |fields| {
                if texts.is_empty() {
                    fields.refuse("patterns", "hold at least one");
                }
                patterns(fields, "patterns", &texts).map(Dataset::Indicators)
            })
        }
        Some(Sent::Dossiers(pb::DossierDataset { fields: codes, procedures })) => {
            fields.within("dossiers", |fields| {
                fields.at_most("fields", codes.len(), MOST_NAMES)?;
                fields.at_most("procedures", procedures.len(), MOST_NAMES)?;
                let codes = codes.into_iter().enumerate();
                let codes = codes.map(|(i, it)| fields.some_text(&format!("fields[{i}]"), it, 64));
                let codes: Option<_> = codes.collect::<Vec<_>>().into_iter().collect();
                let named = procedures.iter().enumerate().map(|(i, it)| {
                    let code = fields.read(&format!("procedures[{i}]"), ProcedureCode::parse(it));
                    code.map(|it| it.as_str().to_owned())
                });
                let named: Option<_> = named.collect::<Vec<_>>().into_iter().collect();
                Some(Dataset::Dossiers { fields: codes?, procedures: named? })
            })
        }
    }
}

fn read_limits(fields: &mut Fields, limits: Vec<pb::CallLimit>) -> Option<Vec<Limit>> {
    fields.at_most("limits", limits.len(), MOST_LIMITS)?;
    let mut read: Vec<Limit> = Vec::new();
    for (i, pb::CallLimit { calls, per }) in limits.into_iter().enumerate() {
        fields.within(&format!("limits[{i}]"), |fields| {
            if !(1..=1_000_000_000).contains(&calls) {
                fields.refuse("calls", "be 1 to 1000000000");
            }
            let per = fields.word("per", per, Window::of)?;
            if read.iter().any(|it| it.per == per) {
                fields.refuse("per", "not be that of another limit");
            }
            read.push(Limit { calls, per });
            Some(())
        });
    }
    read.sort_by_key(|it| it.per);
    Some(read)
}

fn tier(number: i32) -> Option<Tier> {
    match pb::PersonalDataTier::try_from(number).ok()? {
        pb::PersonalDataTier::Unspecified => None,
        pb::PersonalDataTier::None => Some(Tier::None),
        pb::PersonalDataTier::Masked => Some(Tier::Masked),
        pb::PersonalDataTier::Full => Some(Tier::Full),
    }
}

impl TryFrom<pb::RevokeAgreementRequest> for (BatchOptions, RevokeAgreement) {
    type Error = Error;

    fn try_from(msg: pb::RevokeAgreementRequest) -> Result<Self> {
        let fingerprint = fingerprint("RevokeAgreement", &msg);
        let pb::RevokeAgreementRequest { request_id, code, expected_revision } = msg;
        let mut fields = Fields::default();
        let request_id = fields.request_id(request_id);
        let code = fields.read("code", Slug::parse(&code));
        let expected = fields.expected_revision(expected_revision);
        fields.done(|| {
            let ask = BatchOptions::whole(request_id?, fingerprint, false, "");
            Some((ask, RevokeAgreement { code: code?, expected: expected? }))
        })
    }
}

impl TryFrom<pb::ListAgreementsRequest> for ListAgreements {
    type Error = Error;

    fn try_from(mut msg: pb::ListAgreementsRequest) -> Result<Self> {
        let page = msg.page.take();
        let mut fields = Fields::default();
        let page = fields.page(page, "ListAgreements", &msg);
        let pb::ListAgreementsRequest { system, with_ended, page: _, consistency } = msg;
        let system = match system.as_str() {
            "" => Some(None),
            code => fields.read("system", SystemCode::parse(code)).map(Some),
        };
        let consistency = fields.consistency(consistency);
        fields.done(|| {
            Some(Self { system: system?, with_ended, page: page?, consistency: consistency? })
        })
    }
}

// === rows out ===

impl From<ListedAgreement> for pb::Agreement {
    fn from(ListedAgreement { agreement, system }: ListedAgreement) -> Self {
        let Agreement {
            code,
            system_id: _,
            purpose,
            title,
            legal_basis,
            document,
            terms,
            valid_from,
            valid_before,
            revoked_at,
            made_at,
        } = agreement.as_ref().clone();
        let Terms {
            operations,
            dataset,
            units,
            tree,
            dossier_codes,
            personal_data,
            limits,
            contributes,
            min_cell,
        } = terms;
        let SignedDocument { number, sha256 } = document;
        let document = (!number.is_empty()).then_some(pb::AgreementDocument { number, sha256 });
        let unit = |it| pb::UnitRef { r#ref: Some(pb::unit_ref::Ref::Id(it)) };
        let limit = |Limit { calls, per }| pb::CallLimit { calls, per: per.number() };
        Self {
            code: code.as_str().to_owned(),
            system,
            purpose: purpose.as_str().to_owned(),
            title,
            legal_basis,
            document,
            operations: operations.into_iter().map(Operation::number).collect(),
            dataset: Some(dataset.into()),
            units: units.into_iter().map(unit).collect(),
            personal_data: pb::PersonalDataTier::from(personal_data).into(),
            valid_from: Some(valid_from.into()),
            valid_before: Some(valid_before.into()),
            limits: limits.into_iter().map(limit).collect(),
            revoked_at: revoked_at.map(Into::into),
            revision: made_at,
            tree: tree.map_or(0, Tree::number),
            dossier_codes,
            contributes,
            min_cell: min_cell.unwrap_or(0),
        }
    }
}

impl From<Dataset> for pb::agreement::Dataset {
    fn from(dataset: Dataset) -> Self {
        match dataset {
            Dataset::Indicators(patterns) => {
                let patterns = patterns.iter().map(|it| it.as_str().to_owned()).collect();
                Self::Indicators(pb::IndicatorDataset { patterns })
            }
            Dataset::Dossiers { fields, procedures } => Self::Dossiers(pb::DossierDataset {
                fields: fields.into_iter().collect(),
                procedures: procedures.into_iter().collect(),
            }),
        }
    }
}

impl From<Tier> for pb::PersonalDataTier {
    fn from(tier: Tier) -> Self {
        match tier {
            Tier::None => Self::None,
            Tier::Masked => Self::Masked,
            Tier::Full => Self::Full,
        }
    }
}
