//! The words of the schema as people read them: every value of every enum that a client may show or send, with its
//! label in Vietnamese and in English. There is no other place for them.

/// The labels of one enum.
#[derive(Clone, Copy, Debug)]
pub struct Labels {
    /// The name of the enum in the schema.
    pub name: &'static str,
    /// What it is, in Vietnamese.
    pub vi: &'static str,
    /// What it is, in English.
    pub en: &'static str,
    /// Of each value but 0: its number, its name, its labels in Vietnamese and English.
    pub values: &'static [(i32, &'static str, &'static str, &'static str)],
}

/// Every enum but `ErrorReason`: a refusal brings its own sentence in Vietnamese. In the order of their names.
#[rustfmt::skip]
pub const LISTS: &[Labels] = &[
    Labels { name: "AgreementOperation", vi: "Quyền theo thỏa thuận", en: "What an agreement allows", values: &[
        (1, "AGREEMENT_OPERATION_READ", "Đọc", "Read"),
        (2, "AGREEMENT_OPERATION_WATCH", "Theo dõi thay đổi", "Follow changes"),
        (3, "AGREEMENT_OPERATION_PUBLISH", "Gửi dữ liệu", "Publish"),
        (4, "AGREEMENT_OPERATION_COUNT", "Chỉ thống kê", "Count only"),
    ] },
    Labels { name: "ApplicantKind", vi: "Loại đối tượng nộp hồ sơ", en: "Kind of applicant", values: &[
        (1, "APPLICANT_KIND_CITIZEN", "Công dân", "Citizen"),
        (2, "APPLICANT_KIND_BUSINESS", "Doanh nghiệp", "Business"),
        (3, "APPLICANT_KIND_HOUSEHOLD_BUSINESS", "Hộ kinh doanh", "Household business"),
        (4, "APPLICANT_KIND_ORGANIZATION", "Tổ chức", "Organization"),
        (5, "APPLICANT_KIND_STATE_AGENCY", "Cơ quan nhà nước", "State agency"),
    ] },
    Labels { name: "AttainmentState", vi: "Kết quả so với mục tiêu", en: "Attainment of a target", values: &[
        (1, "ATTAINMENT_STATE_NO_VALUE", "Chưa có số liệu", "No value"),
        (2, "ATTAINMENT_STATE_MET", "Đạt", "Met"),
        (3, "ATTAINMENT_STATE_NOT_MET", "Chưa đạt", "Not met"),
        (4, "ATTAINMENT_STATE_UNDECIDED", "Chưa xác định được", "Undecided"),
        (5, "ATTAINMENT_STATE_QUALITATIVE", "Mục tiêu định tính", "Qualitative"),
    ] },
    Labels { name: "AuditPhase", vi: "Giai đoạn được ghi nhật ký", en: "Part of a call that a record is of", values: &[
        (1, "AUDIT_PHASE_WHOLE", "Toàn bộ lời gọi", "The whole call"),
        (2, "AUDIT_PHASE_OPENED", "Bắt đầu luồng", "Stream opened"),
        (3, "AUDIT_PHASE_PART", "Một phần của luồng", "Part of a stream"),
        (4, "AUDIT_PHASE_CLOSED", "Kết thúc luồng", "Stream closed"),
    ] },
    Labels { name: "AvailabilityState", vi: "Tình trạng báo cáo", en: "State of reporting", values: &[
        (1, "AVAILABILITY_STATE_IN_TIME", "Đúng hạn", "In time"),
        (2, "AVAILABILITY_STATE_LATE", "Trễ hạn", "Late"),
        (3, "AVAILABILITY_STATE_MISSING", "Chưa có", "Missing"),
        (4, "AVAILABILITY_STATE_NOT_DUE", "Chưa đến hạn", "Not due"),
        (5, "AVAILABILITY_STATE_UNIT_NOT_VALID", "Đơn vị không tồn tại trong kỳ", "Unit did not stand"),
        (6, "AVAILABILITY_STATE_PARTIAL", "Có một phần", "Partial"),
    ] },
    Labels { name: "CoverageState", vi: "Mức độ đầy đủ", en: "Coverage", values: &[
        (1, "COVERAGE_STATE_COMPLETE", "Đầy đủ", "Complete"),
        (2, "COVERAGE_STATE_INCOMPLETE", "Chưa đầy đủ", "Incomplete"),
    ] },
    Labels { name: "CredentialKind", vi: "Cách xác thực", en: "Kind of credential", values: &[
        (1, "CREDENTIAL_KIND_KEY", "Khóa truy cập", "Key"),
        (2, "CREDENTIAL_KIND_CERTIFICATE", "Chứng thư số", "Certificate"),
        (3, "CREDENTIAL_KIND_TOKEN", "Mã thông báo", "Token"),
    ] },
    Labels { name: "DimensionRule", vi: "Cách cộng các nhóm phân tổ", en: "How categories make the total", values: &[
        (1, "DIMENSION_RULE_SUM", "Cộng", "Sum"),
        (2, "DIMENSION_RULE_RATIO", "Tổng tử số trên tổng mẫu số", "Sum of numerators over sum of denominators"),
        (3, "DIMENSION_RULE_NONE", "Không cộng được", "They do not"),
    ] },
    Labels { name: "DossierState", vi: "Trạng thái hồ sơ", en: "State of a dossier", values: &[
        (1, "DOSSIER_STATE_SUBMITTED", "Mới đăng ký", "Newly submitted"),
        (2, "DOSSIER_STATE_ACCEPTED", "Được tiếp nhận", "Accepted"),
        (3, "DOSSIER_STATE_NOT_ACCEPTED", "Không được tiếp nhận", "Not accepted"),
        (4, "DOSSIER_STATE_IN_PROCESS", "Đang xử lý", "In process"),
        (5, "DOSSIER_STATE_SUPPLEMENT_REQUESTED", "Yêu cầu bổ sung giấy tờ", "Supplement requested"),
        (6, "DOSSIER_STATE_PAYMENT_REQUESTED", "Yêu cầu thực hiện nghĩa vụ tài chính", "Payment requested"),
        (7, "DOSSIER_STATE_WITHDRAWN", "Công dân yêu cầu rút hồ sơ", "Withdrawn by the applicant"),
        (8, "DOSSIER_STATE_STOPPED", "Dừng xử lý", "Stopped"),
        (9, "DOSSIER_STATE_FINISHED", "Đã xử lý xong", "Finished"),
        (10, "DOSSIER_STATE_RETURNED", "Đã trả kết quả", "Result returned"),
    ] },
    Labels { name: "FeedChangeType", vi: "Loại thay đổi", en: "Type of change", values: &[
        (1, "FEED_CHANGE_TYPE_STATE", "Hiện trạng khi bắt đầu", "State at the beginning"),
        (2, "FEED_CHANGE_TYPE_SET", "Thêm hoặc sửa", "Set"),
        (3, "FEED_CHANGE_TYPE_LEFT", "Không còn", "Left"),
        (4, "FEED_CHANGE_TYPE_ACCESS_LOST", "Hết quyền", "Access lost"),
        (5, "FEED_CHANGE_TYPE_ACCESS_GAINED", "Được cấp quyền", "Access gained"),
    ] },
    Labels { name: "FeedResyncReason", vi: "Lý do phải đồng bộ lại", en: "Why a copy must be made anew", values: &[
        (1, "FEED_RESYNC_REASON_COMPACTED", "Lịch sử đã được thu gọn", "History was compacted"),
        (2, "FEED_RESYNC_REASON_RESTORED", "Dữ liệu được khôi phục từ bản sao lưu", "The store was restored"),
    ] },
    Labels { name: "FigureBasis", vi: "Nguồn gốc con số", en: "Basis of a figure", values: &[
        (1, "FIGURE_BASIS_REPORTED", "Báo cáo", "Reported"),
        (2, "FIGURE_BASIS_COMPUTED", "Tính toán", "Computed"),
    ] },
    Labels { name: "FreshnessState", vi: "Độ mới của số liệu", en: "Freshness", values: &[
        (1, "FRESHNESS_STATE_FRESH", "Mới nhất", "Fresh"),
        (2, "FRESHNESS_STATE_STALE", "Quá hạn cập nhật", "Stale"),
        (3, "FRESHNESS_STATE_NO_DATA", "Chưa có số liệu", "No data"),
        (4, "FRESHNESS_STATE_RETIRED", "Chỉ tiêu đã ngừng báo cáo", "Indicator retired"),
        (5, "FRESHNESS_STATE_UNIT_CLOSED", "Đơn vị đã giải thể", "Unit closed"),
        (6, "FRESHNESS_STATE_PARTIAL", "Có một phần", "Partial"),
    ] },
    Labels { name: "Geography", vi: "Địa bàn tính", en: "Geography", values: &[
        (1, "GEOGRAPHY_AS_REPORTED", "Theo địa giới tại thời điểm báo cáo", "As reported"),
        (2, "GEOGRAPHY_AS_OF", "Theo địa giới tại một ngày", "As of a date"),
        (3, "GEOGRAPHY_CURRENT", "Theo địa giới hiện hành", "Current"),
    ] },
    Labels { name: "HeldChangeState", vi: "Tình trạng thay đổi chờ duyệt", en: "State of a held change", values: &[
        (1, "HELD_CHANGE_STATE_WAITING", "Chờ phê duyệt", "Waiting"),
        (2, "HELD_CHANGE_STATE_APPROVED", "Đã phê duyệt", "Approved"),
        (3, "HELD_CHANGE_STATE_REFUSED", "Đã từ chối", "Refused"),
    ] },
    Labels { name: "IndicatorDirection", vi: "Chiều đánh giá", en: "Which way is better", values: &[
        (1, "INDICATOR_DIRECTION_MORE_IS_BETTER", "Càng cao càng tốt", "More is better"),
        (2, "INDICATOR_DIRECTION_LESS_IS_BETTER", "Càng thấp càng tốt", "Less is better"),
        (3, "INDICATOR_DIRECTION_NEITHER", "Không đánh giá", "Neither"),
    ] },
    Labels { name: "IndicatorKind", vi: "Loại chỉ tiêu", en: "Kind of indicator", values: &[
        (1, "INDICATOR_KIND_COUNT", "Số lượng", "Count"),
        (2, "INDICATOR_KIND_AMOUNT", "Giá trị", "Amount"),
        (3, "INDICATOR_KIND_RATIO", "Tỷ lệ", "Ratio"),
        (4, "INDICATOR_KIND_SCORE", "Điểm", "Score"),
    ] },
    Labels { name: "IndicatorPart", vi: "Phần dữ liệu chỉ tiêu", en: "Part of an indicator", values: &[
        (1, "INDICATOR_PART_DEFINITIONS", "Định nghĩa", "Definitions"),
        (2, "INDICATOR_PART_OBSERVATIONS", "Số liệu", "Observations"),
        (3, "INDICATOR_PART_TARGETS", "Mục tiêu", "Targets"),
    ] },
    Labels { name: "ItemOutcome", vi: "Kết quả ghi nhận", en: "What became of an item", values: &[
        (1, "ITEM_OUTCOME_CREATED", "Đã thêm", "Created"),
        (2, "ITEM_OUTCOME_CORRECTED", "Đã sửa", "Corrected"),
        (3, "ITEM_OUTCOME_UNCHANGED", "Không thay đổi", "Unchanged"),
        (4, "ITEM_OUTCOME_REJECTED", "Bị từ chối", "Rejected"),
    ] },
    Labels { name: "LeftOutReason", vi: "Lý do không tính", en: "Why a unit was left out", values: &[
        (1, "LEFT_OUT_REASON_NOT_REPORTED", "Chưa báo cáo", "Not reported"),
        (2, "LEFT_OUT_REASON_NO_VALUE", "Không có giá trị", "No value"),
        (3, "LEFT_OUT_REASON_NO_COMPONENTS", "Không có tử số và mẫu số", "No components"),
        (4, "LEFT_OUT_REASON_SPLIT_WITHOUT_WEIGHT", "Đơn vị bị chia tách, không có tỷ trọng", "Split without a weight"),
        (5, "LEFT_OUT_REASON_SPANS_TARGET", "Địa bàn vượt ra ngoài đơn vị được hỏi", "Spans the unit asked for"),
        (6, "LEFT_OUT_REASON_CLOSED_BEFORE_END", "Đơn vị giải thể trước khi hết kỳ", "Closed before the end"),
        (7, "LEFT_OUT_REASON_UNIT_NOT_VALID", "Đơn vị không tồn tại trong kỳ", "Unit did not stand"),
        (8, "LEFT_OUT_REASON_NOT_SHARED", "Không được chia sẻ", "Not shared"),
        (9, "LEFT_OUT_REASON_PARTIAL", "Mới có một phần phân tổ", "Only some categories reported"),
        (10, "LEFT_OUT_REASON_NO_WEIGHT", "Không có quyền số", "No weight"),
        (11, "LEFT_OUT_REASON_ITSELF", "Chính đơn vị được hỏi", "The unit asked for itself"),
    ] },
    Labels { name: "LimitWindow", vi: "Khoảng thời gian của hạn mức", en: "Window of a limit", values: &[
        (1, "LIMIT_WINDOW_SECOND", "Giây", "Second"),
        (2, "LIMIT_WINDOW_MINUTE", "Phút", "Minute"),
        (3, "LIMIT_WINDOW_HOUR", "Giờ", "Hour"),
        (4, "LIMIT_WINDOW_DAY", "Ngày", "Day"),
        (5, "LIMIT_WINDOW_MONTH", "Tháng", "Month"),
    ] },
    Labels { name: "ObservationStatus", vi: "Trạng thái số liệu", en: "Status of a value", values: &[
        (1, "OBSERVATION_STATUS_ESTIMATED", "Ước đạt", "Estimated"),
        (2, "OBSERVATION_STATUS_PROVISIONAL", "Sơ bộ", "Provisional"),
        (3, "OBSERVATION_STATUS_FINAL", "Chính thức", "Final"),
        (4, "OBSERVATION_STATUS_NOT_ASSESSED", "Chưa đánh giá", "Not assessed"),
        (5, "OBSERVATION_STATUS_NOT_IMPLEMENTED", "Chưa thực hiện", "Not implemented"),
        (6, "OBSERVATION_STATUS_NOT_APPLICABLE", "Không áp dụng", "Not applicable"),
        (7, "OBSERVATION_STATUS_WITHHELD", "Không công bố", "Withheld"),
    ] },
    Labels { name: "OnlineLevel", vi: "Mức độ dịch vụ công trực tuyến", en: "Level of an online service", values: &[
        (1, "ONLINE_LEVEL_FULL", "Toàn trình", "Full process"),
        (2, "ONLINE_LEVEL_PARTIAL", "Một phần", "Partial"),
        (3, "ONLINE_LEVEL_INFORMATION", "Cung cấp thông tin", "Information only"),
    ] },
    Labels { name: "PersonalDataTier", vi: "Mức xem dữ liệu cá nhân", en: "Tier of personal data", values: &[
        (1, "PERSONAL_DATA_TIER_NONE", "Không xem", "None"),
        (2, "PERSONAL_DATA_TIER_MASKED", "Che một phần", "Masked"),
        (3, "PERSONAL_DATA_TIER_FULL", "Đầy đủ", "Full"),
    ] },
    Labels { name: "PersonalKind", vi: "Loại dữ liệu cá nhân", en: "Kind of personal data", values: &[
        (1, "PERSONAL_KIND_NONE", "Không phải dữ liệu cá nhân", "Not personal"),
        (2, "PERSONAL_KIND_NAME", "Họ tên", "Name"),
        (3, "PERSONAL_KIND_IDENTITY_NUMBER", "Số định danh", "Identity number"),
        (4, "PERSONAL_KIND_PHONE", "Số điện thoại", "Phone number"),
        (5, "PERSONAL_KIND_EMAIL", "Thư điện tử", "E-mail address"),
        (6, "PERSONAL_KIND_ADDRESS", "Địa chỉ", "Address"),
        (7, "PERSONAL_KIND_FREE_TEXT", "Văn bản tự do", "Free text"),
    ] },
    Labels { name: "ProcessingTimeUnit", vi: "Đơn vị thời gian giải quyết", en: "Unit of processing time", values: &[
        (1, "PROCESSING_TIME_UNIT_HOUR", "Giờ", "Hour"),
        (2, "PROCESSING_TIME_UNIT_DAY", "Ngày", "Day"),
        (3, "PROCESSING_TIME_UNIT_WORKING_DAY", "Ngày làm việc", "Working day"),
        (4, "PROCESSING_TIME_UNIT_MONTH", "Tháng", "Month"),
    ] },
    Labels { name: "ProvenanceChannel", vi: "Kênh thu thập", en: "How a value came to its source", values: &[
        (1, "PROVENANCE_CHANNEL_SYSTEM", "Hệ thống", "By machine"),
        (2, "PROVENANCE_CHANNEL_DOCUMENT", "Văn bản", "From a document"),
        (3, "PROVENANCE_CHANNEL_MANUAL", "Nhập tay", "Typed in"),
    ] },
    Labels { name: "ReportCalendar", vi: "Lịch kỳ báo cáo", en: "Calendar of periods", values: &[
        (1, "REPORT_CALENDAR_CALENDAR", "Theo tháng dương lịch", "Calendar months"),
        (2, "REPORT_CALENDAR_REPORT_15_14", "Từ ngày 15 tháng trước đến ngày 14", "From the 15th to the 14th"),
    ] },
    Labels { name: "ReportFrequency", vi: "Tần suất báo cáo", en: "How often it is reported", values: &[
        (1, "REPORT_FREQUENCY_DAY", "Hằng ngày", "Every day"),
        (2, "REPORT_FREQUENCY_WEEK", "Hằng tuần", "Every week"),
        (3, "REPORT_FREQUENCY_MONTH", "Hằng tháng", "Every month"),
        (4, "REPORT_FREQUENCY_QUARTER", "Hằng quý", "Every quarter"),
        (5, "REPORT_FREQUENCY_HALF_YEAR", "6 tháng", "Every half-year"),
        (6, "REPORT_FREQUENCY_YEAR", "Hằng năm", "Every year"),
        (7, "REPORT_FREQUENCY_SCHOOL_YEAR", "Năm học", "Every school year"),
        (8, "REPORT_FREQUENCY_HOUR", "Hằng giờ", "Every hour"),
    ] },
    Labels { name: "RollUpOf", vi: "Cách tổng hợp", en: "What a roll-up adds up", values: &[
        (1, "ROLL_UP_OF_BELOW", "Các đơn vị trực thuộc", "The units below"),
        (2, "ROLL_UP_OF_ITSELF", "Các kỳ của chính đơn vị", "The unit's own periods"),
    ] },
    Labels { name: "SharingLevel", vi: "Mức độ chia sẻ", en: "Sharing level", values: &[
        (1, "SHARING_LEVEL_OPEN", "Dữ liệu mở", "Open"),
        (2, "SHARING_LEVEL_SHARED", "Dữ liệu dùng chung", "Shared"),
        (3, "SHARING_LEVEL_RESTRICTED", "Dữ liệu dùng riêng", "Restricted"),
    ] },
    Labels { name: "SubmissionChannel", vi: "Kênh thực hiện", en: "Channel of submission", values: &[
        (1, "SUBMISSION_CHANNEL_IN_PERSON", "Trực tiếp", "In person"),
        (2, "SUBMISSION_CHANNEL_ONLINE", "Trực tuyến", "Online"),
        (3, "SUBMISSION_CHANNEL_POSTAL", "Bưu chính công ích", "Postal"),
    ] },
    Labels { name: "SuccessionKind", vi: "Loại thay đổi đơn vị hành chính", en: "Kind of succession", values: &[
        (1, "SUCCESSION_KIND_MERGE", "Nhập", "Merger"),
        (2, "SUCCESSION_KIND_SPLIT", "Chia", "Split"),
        (3, "SUCCESSION_KIND_PARTIAL_TRANSFER", "Điều chỉnh một phần", "Partial transfer"),
        (4, "SUCCESSION_KIND_RENAME", "Đổi tên", "Rename"),
        (5, "SUCCESSION_KIND_CHANGE_OF_TYPE", "Đổi loại đơn vị", "Change of type"),
        (6, "SUCCESSION_KIND_ABOLITION", "Giải thể", "Abolition"),
        (7, "SUCCESSION_KIND_CONTINUATION", "Giữ nguyên", "Continuation"),
    ] },
    Labels { name: "SummaryDimension", vi: "Tiêu chí thống kê hồ sơ", en: "What a summary is by", values: &[
        (1, "SUMMARY_DIMENSION_UNIT", "Đơn vị", "Unit"),
        (2, "SUMMARY_DIMENSION_PROCEDURE", "Thủ tục", "Procedure"),
        (3, "SUMMARY_DIMENSION_CHANNEL", "Kênh thực hiện", "Channel"),
        (4, "SUMMARY_DIMENSION_MONTH", "Tháng", "Month"),
    ] },
    Labels { name: "TargetComparison", vi: "Cách so với mục tiêu", en: "Comparison with a target", values: &[
        (1, "TARGET_COMPARISON_AT_LEAST", "Ít nhất", "At least"),
        (2, "TARGET_COMPARISON_MORE_THAN", "Hơn", "More than"),
        (3, "TARGET_COMPARISON_AT_MOST", "Nhiều nhất", "At most"),
        (4, "TARGET_COMPARISON_LESS_THAN", "Dưới", "Less than"),
        (5, "TARGET_COMPARISON_QUALITATIVE", "Định tính", "Qualitative"),
    ] },
    Labels { name: "TimeRule", vi: "Cách tổng hợp theo thời gian", en: "How periods add up", values: &[
        (1, "TIME_RULE_SUM", "Cộng", "Sum"),
        (2, "TIME_RULE_LAST", "Lấy kỳ cuối", "Last one"),
        (3, "TIME_RULE_RATIO", "Tổng tử số trên tổng mẫu số", "Sum of numerators over sum of denominators"),
        (4, "TIME_RULE_MEAN", "Trung bình", "Mean"),
        (5, "TIME_RULE_NONE", "Không tổng hợp", "They do not"),
    ] },
    Labels { name: "TransferExtent", vi: "Phạm vi chuyển giao", en: "Extent of a transfer", values: &[
        (1, "TRANSFER_EXTENT_WHOLE", "Toàn bộ", "Whole"),
        (2, "TRANSFER_EXTENT_PART", "Một phần", "Part"),
    ] },
    Labels { name: "UnitLevel", vi: "Cấp đơn vị", en: "Level of a unit", values: &[
        (1, "UNIT_LEVEL_PROVINCE", "Cấp tỉnh", "Province"),
        (2, "UNIT_LEVEL_DISTRICT", "Cấp huyện", "District"),
        (3, "UNIT_LEVEL_COMMUNE", "Cấp xã", "Commune"),
        (4, "UNIT_LEVEL_AGENCY", "Cơ quan, đơn vị", "Agency"),
        (5, "UNIT_LEVEL_FACILITY", "Cơ sở", "Facility"),
    ] },
    Labels { name: "UnitRule", vi: "Cách tổng hợp theo đơn vị", en: "How units add up", values: &[
        (1, "UNIT_RULE_SUM", "Cộng", "Sum"),
        (2, "UNIT_RULE_RATIO", "Tổng tử số trên tổng mẫu số", "Sum of numerators over sum of denominators"),
        (3, "UNIT_RULE_MEAN", "Trung bình", "Mean"),
        (4, "UNIT_RULE_MAX", "Lớn nhất", "Greatest"),
        (5, "UNIT_RULE_MIN", "Nhỏ nhất", "Least"),
        (6, "UNIT_RULE_NONE", "Không tổng hợp", "They do not"),
    ] },
    Labels { name: "UnitTree", vi: "Cây đơn vị", en: "Tree of units", values: &[
        (1, "UNIT_TREE_TERRITORY", "Đơn vị hành chính", "Territory"),
        (2, "UNIT_TREE_ADMINISTRATION", "Tổ chức hành chính", "Administration"),
    ] },
    Labels { name: "ValueQualifier", vi: "Mức chính xác", en: "How exactly a value is known", values: &[
        (1, "VALUE_QUALIFIER_EXACT", "Chính xác", "Exact"),
        (2, "VALUE_QUALIFIER_MORE_THAN", "Hơn", "More than"),
        (3, "VALUE_QUALIFIER_AT_LEAST", "Ít nhất", "At least"),
        (4, "VALUE_QUALIFIER_LESS_THAN", "Dưới", "Less than"),
        (5, "VALUE_QUALIFIER_AT_MOST", "Nhiều nhất", "At most"),
        (6, "VALUE_QUALIFIER_ABOUT", "Khoảng", "About"),
    ] },
];

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use prost_reflect::DescriptorPool;
    use unicode_normalization::is_nfc;

    use super::LISTS;
    use crate::pb;

    /// Every enum of our schema: its name, and its values by number.
    fn enums() -> BTreeMap<String, BTreeMap<i32, String>> {
        let pool = DescriptorPool::decode(pb::DESCRIPTORS).unwrap();
        let ours = pool.all_enums().filter(|it| it.parent_file().package_name() == "sharehub.v1");
        let values = |it: &prost_reflect::EnumDescriptor| {
            it.values().map(|it| (it.number(), it.name().to_owned())).collect()
        };
        ours.map(|it| (it.name().to_owned(), values(&it))).collect()
    }

    #[test]
    fn every_value_of_every_enum_has_a_label_in_both_languages() {
        let mut schema = enums();
        assert!(schema.remove("ErrorReason").is_some() && schema.len() > 30, "{schema:?}");
        let (mut listed, mut wrong) = (BTreeMap::new(), Vec::new());
        for list in LISTS {
            let mut values = BTreeMap::from([(0, String::new())]);
            for (number, name, vi, en) in list.values {
                values.insert(*number, (*name).to_owned());
                if [list.vi, list.en, vi, en].iter().any(|it| it.trim().is_empty() || !is_nfc(it)) {
                    wrong.push(format!("{}: {name} lacks a label", list.name));
                }
            }
            assert_eq!(values.len(), list.values.len() + 1, "{}: a number stands twice", list.name);
            listed.insert(list.name.to_owned(), values);
        }
        for (name, values) in &mut schema {
            values.insert(0, String::new());
            let none = BTreeMap::new();
            let known = listed.get(name).unwrap_or(&none);
            if known != values {
                wrong.push(format!("{name}: has {values:?}, src/labels.rs lists {known:?}"));
            }
        }
        let gone = listed.keys().filter(|it| !schema.contains_key(*it));
        wrong.extend(gone.map(|it| format!("{it}: is no enum of the schema")));
        assert!(wrong.is_empty(), "give each value its two labels:\n{}", wrong.join("\n"));
    }

    #[test]
    fn lists_stand_in_order_and_no_two_values_of_one_read_alike() {
        assert!(LISTS.is_sorted_by_key(|it| it.name));
        for list in LISTS {
            let count = list.values.len();
            let told = |which: fn(&(i32, &str, &'static str, &'static str)) -> &'static str| {
                list.values.iter().map(which).collect::<BTreeSet<_>>().len()
            };
            assert_eq!((told(|it| it.2), told(|it| it.3)), (count, count), "{}", list.name);
        }
    }
}
