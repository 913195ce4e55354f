//! The mask of each kind of personal data. A mask cannot be reversed, and hides the length of the text.
use super::Kind;

/// In place of what is not shown.
const HIDDEN: &str = "***";

/// What the tier MASKED shows of a text.
pub fn mask(text: &str, kind: Kind) -> String {
    match kind {
        Kind::Name => name(text),
        Kind::IdentityNumber | Kind::Phone => ending(text),
        Kind::Email => email(text),
        Kind::Address => address(text),
        Kind::FreeText => HIDDEN.to_owned(),
    }
}

/// The first letter of each word, of six words at most.
fn name(text: &str) -> String {
    let words = text.split_whitespace().take(6);
    let masked: Vec<_> =
        words.filter_map(|it| it.chars().next()).map(|it| format!("{it}{HIDDEN}")).collect();
    if masked.is_empty() { HIDDEN.to_owned() } else { masked.join(" ") }
}

/// The last three signs of nine or more: of fewer, the rest could be tried out.
fn ending(text: &str) -> String {
    let signs: Vec<char> = text.chars().filter(|it| it.is_alphanumeric()).collect();
    match signs.len().checked_sub(3) {
        Some(hidden) if hidden >= 6 => {
            signs.iter().skip(hidden).fold(HIDDEN.to_owned(), |masked, it| masked + &it.to_string())
        }
        Some(_) | None => HIDDEN.to_owned(),
    }
}

/// The first sign of a mailbox; whose domain it is may name a person as well.
fn email(text: &str) -> String {
    match text.split_once('@').and_then(|(mailbox, _)| mailbox.chars().next()) {
        Some(first) => format!("{first}{HIDDEN}@{HIDDEN}"),
        None => HIDDEN.to_owned(),
    }
}

/// The last part, a province, of three or more.
fn address(text: &str) -> String {
    let parts: Vec<_> = text.split(',').map(str::trim).filter(|it| !it.is_empty()).collect();
    match parts.as_slice() {
        [_, _, .., last] => format!("{HIDDEN}, {last}"),
        _ => HIDDEN.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, mask};

    #[test]
    fn each_kind_shows_what_the_schema_says() {
        for (kind, text, shown) in [
            (Kind::Name, "Nguyễn Thị Hoa", "N*** T*** H***"),
            (Kind::Name, "  ", "***"),
            (Kind::IdentityNumber, "083301001234", "***234"),
            (Kind::IdentityNumber, "0833 0100 1234", "***234"),
            (Kind::IdentityNumber, "32112345", "***"),
            (Kind::IdentityNumber, "321", "***"),
            (Kind::Phone, "0912 345 678", "***678"),
            (Kind::Phone, "1022", "***"),
            (Kind::Email, "hoa.nguyen@example.vn", "h***@***"),
            (Kind::Email, "@example.vn", "***"),
            (Kind::Email, "hoa", "***"),
            (Kind::Address, "12 Hùng Vương, phường Long Châu, Vĩnh Long", "***, Vĩnh Long"),
            (Kind::Address, "12 Hùng Vương, Vĩnh Long", "***"),
            (Kind::Address, "ấp 3", "***"),
            (Kind::FreeText, "bà Hoa đã bổ sung", "***"),
        ] {
            assert_eq!(mask(text, kind), shown, "{kind:?} {text}");
        }
    }
}
