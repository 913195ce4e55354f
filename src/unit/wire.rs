//! References to units on the wire.
use crate::{pb, unit, wire::Fields};

/// Reads references to units.
pub trait UnitFields {
    /// Reads a required reference.
    fn unit(&mut self, field: &str, unit: Option<pb::UnitRef>) -> Option<unit::Ref>;

    /// Reads an optional reference.
    fn maybe_unit(&mut self, field: &str, unit: Option<pb::UnitRef>) -> Option<Option<unit::Ref>>;

    /// Reads a list of references, at most so many.
    fn units(
        &mut self,
        field: &str,
        units: Vec<pb::UnitRef>,
        most: usize,
    ) -> Option<Vec<unit::Ref>>;
}

impl UnitFields for Fields {
    fn unit(&mut self, field: &str, unit: Option<pb::UnitRef>) -> Option<unit::Ref> {
        let read = self.maybe_unit(field, unit)?;
        if read.is_none() {
            self.refuse(field, "name a unit, by `id` or by `code`");
        }
        read
    }

    fn maybe_unit(&mut self, field: &str, unit: Option<pb::UnitRef>) -> Option<Option<unit::Ref>> {
        use pb::unit_ref::Ref;
        let Some(pb::UnitRef { r#ref: Some(named) }) = unit else { return Some(None) };
        self.within(field, |fields| match named {
            Ref::Id(id) if id < 1 => {
                fields.refuse("id", "be above 0");
                None
            }
            Ref::Id(id) => Some(Some(unit::Ref::Id(id))),
            Ref::Code(pb::UnitCode { scheme, code, date }) => fields.within("code", |fields| {
                let scheme = fields.read("scheme", unit::Scheme::parse(&scheme));
                let code = fields.read("code", unit::parse_code(&code));
                let date = fields.day("date", &date);
                Some(Some(unit::Ref::Code { scheme: scheme?, code: code?, date: date? }))
            }),
        })
    }

    fn units(
        &mut self,
        field: &str,
        units: Vec<pb::UnitRef>,
        most: usize,
    ) -> Option<Vec<unit::Ref>> {
        self.at_most(field, units.len(), most)?;
        let read = units.into_iter().enumerate();
        let read = read.map(|(i, it)| self.unit(&format!("{field}[{i}]"), Some(it)));
        read.collect::<Vec<_>>().into_iter().collect()
    }
}

impl From<unit::Name> for pb::UnitName {
    fn from(unit::Name { id, level, name, code }: unit::Name) -> Self {
        Self { id, level: level.number(), name, code }
    }
}
