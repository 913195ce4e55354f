//! What the tests store of persons is looked for in the whole suite: in every answer of a hub to whoever calls with a
//! key, in the log of every program, and in the files of every store on SQLite when its test is over.
use axum::{body::Body, extract::Request, middleware::Next};
use http::HeaderMap;
use http_body_util::BodyExt;
use tonic::Status;

use crate::support::well_formed::{must_be_well_formed, must_name_fields_well};

/// One for each field that holds personal data, and what is sent where a source errs.
pub const NAME: &str = "Canary Thị Tên";
pub const NUMBER: &str = "973158264907";
pub const PHONE: &str = "0973158264";
pub const EMAIL: &str = "canary@thu.example.vn";
pub const ADDRESS: &str = "97 Canary, ấp Địa Chỉ";
pub const NOTE: &str = "canary ghi chú trong sự kiện";
pub const FEE: &str = "canary lệ phí của bà Tên";
pub const PAPER: &str = "canary giấy khai sinh của bà Tên";
pub const PAPER_CODE: &str = "CANARY-973158264911";
pub const ALL: [&str; 9] = [NAME, NUMBER, PHONE, EMAIL, ADDRESS, NOTE, FEE, PAPER, PAPER_CODE];

/// What the tests of the suite store of persons.
const PERSONS: [&str; 23] = [
    NAME,
    NUMBER,
    PHONE,
    EMAIL,
    ADDRESS,
    NOTE,
    FEE,
    PAPER,
    PAPER_CODE,
    "Nguyễn Thị Hoàng Yến",
    "083301001234",
    "0912345678",
    "hoang.yen@example.vn",
    "12 Hùng Vương",
    "bà Yến đã bổ sung sổ hộ khẩu",
    "083301009999",
    "Nguyễn Văn Ẩn",
    "Nguyễn Thị Hoa",
    "079203001234",
    "Nguyễn Thị Bí Mật",
    "086199315826",
    "0903158264",
    "nhà ở ấp 3",
];

/// Whether something of a person is in some bytes, which must hold none.
pub fn must_hold_nobody(what: &str, bytes: &[u8]) {
    let is_in = |it: &&&str| memchr::memmem::find(bytes, it.as_bytes()).is_some();
    let found: Vec<_> = PERSONS.iter().filter(is_in).collect();
    assert!(found.is_empty(), "{what} holds {found:?}");
}

/// Looks at every answer to whoever calls with a key: personal data is for certificates only. Looks at the form of
/// every refusal, whoever calls.
pub async fn guard(req: Request, next: Next) -> http::Response<Body> {
    let is_keyed = req.headers().contains_key("authorization");
    let path = req.uri().path().to_owned();
    let (head, body) = next.run(req).await.into_parts();
    let method = path.clone();
    let told = move |headers: &HeaderMap| {
        if let Some(status) = Status::from_header_map(headers) {
            must_be_well_formed(&path, &status);
            if !is_keyed {
                return;
            }
            must_hold_nobody(&format!("the refusal of {path}"), status.message().as_bytes());
            must_hold_nobody(&format!("the refusal of {path}"), status.details());
        }
    };
    told(&head.headers);
    let body = body.map_frame(move |frame| {
        if let Some(bytes) = frame.data_ref() {
            must_name_fields_well(&method, bytes);
            if is_keyed {
                must_hold_nobody("an answer to a key", bytes);
            }
        }
        if let Some(trailers) = frame.trailers_ref() {
            told(trailers);
        }
        frame
    });
    http::Response::from_parts(head, Body::new(body))
}
