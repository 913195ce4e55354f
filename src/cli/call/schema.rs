//! The schema that calls are made by: its services, and a name in it that was meant.
use prost_reflect::{DescriptorPool, MethodDescriptor, ServiceDescriptor};

use crate::{
    cli::{CliResult, failure::Failure},
    config::Exit,
    pb,
};

/// The package whose name need not be written.
const PACKAGE: &str = "sharehub.v1.";

/// The services and messages of the hub.
pub(super) struct Schema(pub(super) DescriptorPool);

impl Schema {
    /// Reads what was compiled into the program.
    pub(super) fn new() -> CliResult<Self> {
        Ok(Self(DescriptorPool::decode(pb::DESCRIPTORS)?))
    }

    /// The hub's services, by name.
    pub(super) fn services(&self) -> Vec<ServiceDescriptor> {
        let services = self.0.services().filter(|it| it.full_name().starts_with(PACKAGE));
        let mut services: Vec<_> = services.collect();
        services.sort_by(|one, other| one.name().cmp(other.name()));
        services
    }

    /// The methods with this name, which may leave out the package, and the service too.
    pub(super) fn methods(&self, name: &str) -> Vec<MethodDescriptor> {
        let wanted = name.trim_start_matches('/').replace('/', ".");
        let is_it = |it: &MethodDescriptor| {
            let rest = it.full_name().strip_suffix(wanted.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        let all = self.services().into_iter().flat_map(|it| it.methods().collect::<Vec<_>>());
        all.filter(is_it).collect()
    }

    /// The one method with this name.
    pub(super) fn method(&self, name: &str) -> CliResult<MethodDescriptor> {
        let mut found = self.methods(name).into_iter();
        let text = match (found.next(), found.next()) {
            (Some(one), None) => return Ok(one),
            (Some(one), Some(other)) => {
                format!("`{name}` may be `{}` or `{}`", short(&one), short(&other))
            }
            (None, _) => {
                let all =
                    self.services().into_iter().flat_map(|it| it.methods().collect::<Vec<_>>());
                let names: Vec<_> = all.map(|it| short(&it)).collect();
                unknown("method", name, &names)
            }
        };
        Err(Failure::new(Exit::Refused, text).into())
    }
}

/// A method as it is called: `UnitService/GetUnit`.
pub(super) fn short(method: &MethodDescriptor) -> String {
    format!("{}/{}", method.parent_service().name(), method.name())
}

/// A name without the package.
pub(super) fn local(full_name: &str) -> &str {
    full_name.strip_prefix(PACKAGE).unwrap_or(full_name)
}

/// Says that there is no such name, and which one may have been meant.
pub(super) fn unknown(what: &str, name: &str, all: &[String]) -> String {
    let hint = match nearest(name, all) {
        Some(it) => format!("did you mean `{it}`?"),
        None => "`call --list` prints what there is".to_owned(),
    };
    format!("the hub has no {what} `{name}`; {hint}")
}

/// The name that is most like this one. One without a service is compared with names of methods alone.
fn nearest<'a>(name: &str, all: &'a [String]) -> Option<&'a String> {
    let wanted = local(name.trim_start_matches('/')).to_lowercase();
    let distance = |it: &String| {
        let it = it.to_lowercase();
        let (service, method) = it.rsplit_once('/').unwrap_or(("", &it));
        match wanted.rsplit_once(['/', '.']) {
            // A right method of a wrong service is near.
            Some((of, wanted)) => {
                strsim::levenshtein(wanted, method) + strsim::levenshtein(of, service).min(2)
            }
            None => strsim::levenshtein(&wanted, method),
        }
    };
    let near = all.iter().map(|it| (distance(it), it)).min_by_key(|(distance, _)| *distance);
    let most = (wanted.len() / 4).max(3);
    near.filter(|(distance, _)| *distance <= most).map(|(_, it)| it)
}

#[cfg(test)]
mod tests {
    use super::{Schema, nearest, short};

    #[test]
    fn a_misspelt_name_finds_the_one_that_was_meant() {
        let services = Schema::new().unwrap().services();
        let all = services.iter().flat_map(|it| it.methods().collect::<Vec<_>>());
        let all: Vec<_> = all.map(|it| short(&it)).collect();
        for (written, meant) in [
            ("UnitService/GetUnits", "UnitService/GetUnit"),
            ("unitservice/getunit", "UnitService/GetUnit"),
            ("UnitServcie/TraceUnit", "UnitService/TraceUnit"),
            ("sharehub.v1.FeedService.Wach", "FeedService/Watch"),
            ("GetSnapshoot", "IndicatorService/GetSnapshot"),
            ("UnitService/WhoAmI", "AccessService/WhoAmI"),
        ] {
            assert_eq!(nearest(written, &all).map(String::as_str), Some(meant), "{written}");
        }
        for written in ["", "UnitService/Nothing", "Observe", "x"] {
            assert_eq!(nearest(written, &all), None, "{written}");
        }
    }
}
