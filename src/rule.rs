//! What a value must be, said when it is not.
use std::{borrow::Cow, fmt};

/// The rule that a piece of input breaks, as what it must be: "be a decimal such as `70.96`".
///
/// The reader of the field completes the sentence: "{field} must {rule}".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule(pub Cow<'static, str>);

impl From<&'static str> for Rule {
    fn from(rule: &'static str) -> Self {
        Self(Cow::Borrowed(rule))
    }
}

impl From<String> for Rule {
    fn from(rule: String) -> Self {
        Self(Cow::Owned(rule))
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
