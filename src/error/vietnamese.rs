//! What a refusal says in Vietnamese, for people: one sentence for each reason, and the fields that it is about.
use super::{Reason, Violation};

/// Fields that the sentence names, at most; the others are counted.
const MOST_NAMED: usize = 3;

/// The sentence for a reason, with the fields that break rules.
pub(super) fn sentence(reason: Reason, violations: &[Violation]) -> String {
    let said = of(reason);
    let named: Vec<_> =
        violations.iter().take(MOST_NAMED).map(|it| format!("`{}`", it.field)).collect();
    match (named.join(", "), violations.len().saturating_sub(MOST_NAMED)) {
        (fields, _) if fields.is_empty() => format!("{said}."),
        (fields, 0) => format!("{said}: {fields}."),
        (fields, more) => format!("{said}: {fields} và {more} trường khác."),
    }
}

/// No wildcard: a new reason does not compile until it has a sentence.
fn of(reason: Reason) -> &'static str {
    match reason {
        Reason::Unspecified | Reason::Internal => {
            "Hệ thống gặp lỗi nội bộ; hãy gửi mã `x-request-id` của yêu cầu cho đơn vị vận hành"
        }
        Reason::FieldInvalid => "Yêu cầu có trường dữ liệu không hợp lệ",
        Reason::MessageMalformed => {
            "Nội dung gửi đến không đúng cấu trúc thông điệp của phương thức"
        }
        Reason::MessageTooLarge => "Thông điệp vượt quá kích thước cho phép",
        Reason::MethodUnknown => "Hệ thống không có phương thức được gọi",
        Reason::NotGrpc => "Yêu cầu HTTP không phải là một lời gọi gRPC",
        Reason::CallerUnknown => {
            "Không xác thực được hệ thống gọi: thiếu chứng thư hoặc khóa, hoặc chúng không còn hiệu lực"
        }
        Reason::NotPermitted => "Hệ thống gọi không có quyền thực hiện việc này",
        Reason::NotAuthoritative => "Chỉ nguồn dữ liệu có thẩm quyền mới được công bố dữ liệu này",
        Reason::NotFound => {
            "Không tìm thấy đối tượng, hoặc đối tượng không được chia sẻ với hệ thống gọi"
        }
        Reason::RequestIdReused => "Mã yêu cầu `request_id` đã được dùng cho một yêu cầu khác",
        Reason::AlreadyExists => "Mã hoặc tên này đã được sử dụng",
        Reason::RevisionUnknown => "Phiên bản dữ liệu được hỏi chưa có",
        Reason::RevisionCompacted => "Phiên bản dữ liệu được hỏi đã quá thời hạn lưu giữ",
        Reason::NotAggregable => {
            "Giá trị của chỉ tiêu này không cộng gộp được theo đơn vị hoặc theo thời gian"
        }
        Reason::MeaningFixed => {
            "Chỉ tiêu đã có số liệu nên không đổi được ý nghĩa; hãy định nghĩa một mã chỉ tiêu mới"
        }
        Reason::PeriodNotCombinable => {
            "Các kỳ báo cáo của chỉ tiêu này không ghép được thành kỳ đang hỏi"
        }
        Reason::ChangeHeld => {
            "Thay đổi này mở rộng phạm vi của một thỏa thuận đang có hiệu lực nên phải chờ quản trị viên phê duyệt"
        }
        Reason::ChangeDecided => "Thay đổi này đã được phê duyệt hoặc từ chối trước đó",
        Reason::AnswerTooLarge => {
            "Kết quả vượt quá kích thước cho phép; hãy hỏi trang nhỏ hơn hoặc ít dữ liệu hơn"
        }
        Reason::OutOfTime => "Quá thời hạn xử lý yêu cầu",
        Reason::Overloaded => "Hệ thống đang xử lý quá nhiều yêu cầu; hãy thử lại sau",
        Reason::Unavailable => "Hệ thống tạm thời không phục vụ được; hãy thử lại sau",
        Reason::Aborted => {
            "Thao tác ghi bị xung đột với thao tác khác và chưa được thực hiện; hãy gửi lại"
        }
        Reason::RevisionConflict => {
            "Đối tượng đã được thay đổi sau lần đọc gần nhất; hãy đọc lại rồi quyết định"
        }
        Reason::ProcedureInUse => {
            "Thủ tục còn hồ sơ; hãy thu hồi các hồ sơ đó trước khi thu hồi thủ tục"
        }
        Reason::TooManyStreams => "Số luồng đang mở đã đạt giới hạn; hãy thử lại sau",
        Reason::LoadTaken => "Đợt nạp dữ liệu này đã được một luồng khác tiếp nhận",
        Reason::ReaderTooSlow => {
            "Luồng theo dõi bị ngắt vì bên nhận đọc quá chậm; hãy tiếp tục từ mã đã nhận sau cùng"
        }
        Reason::TooManyConnections => {
            "Số kết nối của hệ thống gọi đã đạt giới hạn; hãy dùng chung kết nối"
        }
        Reason::PersonalDataLocked => {
            "Hệ thống chưa có khóa để lưu giữ hoặc hiển thị dữ liệu cá nhân này"
        }
        Reason::PersonalDataErased => {
            "Dữ liệu cá nhân của hồ sơ này đã được xóa theo yêu cầu hợp pháp"
        }
        Reason::AuditUnavailable => {
            "Không ghi được nhật ký kiểm toán nên yêu cầu chưa được thực hiện; hãy thử lại sau"
        }
        Reason::PurposeRequired => {
            "Cần nêu mục đích sử dụng dữ liệu trong metadata `sharehub-purpose`"
        }
        Reason::AgreementOverlaps => {
            "Thỏa thuận chia sẻ trùng phạm vi với một thỏa thuận khác đang có hiệu lực"
        }
        Reason::QuotaExceeded => {
            "Đã dùng hết số lượt gọi mà thỏa thuận cho phép trong khoảng thời gian này"
        }
        Reason::CertificateRequired => {
            "Dữ liệu cá nhân và việc cấp quyền, thu hồi, xóa chỉ thực hiện khi gọi bằng chứng thư máy khách"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Reason, Violation, sentence};

    #[test]
    fn a_few_fields_are_named_and_the_rest_are_counted() {
        let bad = |count| -> Vec<_> {
            (0..count).map(|i| Violation::new(format!("units[{i}]"), "be a unit")).collect()
        };
        let said = |count| sentence(Reason::FieldInvalid, &bad(count));
        assert_eq!(said(0), "Yêu cầu có trường dữ liệu không hợp lệ.");
        assert_eq!(said(1), "Yêu cầu có trường dữ liệu không hợp lệ: `units[0]`.");
        let five = "Yêu cầu có trường dữ liệu không hợp lệ: `units[0]`, `units[1]`, `units[2]` và 2 trường khác.";
        assert_eq!(said(5), five);
    }
}
