//! Cursors and the bounds of pages.

use domain::{
    ids::{EventId, Timestamp},
    page::{Cursor, DEFAULT_LIMIT, Page, PageRequest},
};
use proptest::prelude::*;

#[test]
fn bounds_are_20_1000_and_10000() {
    assert_eq!(
        PageRequest::new(None, None, None).unwrap(),
        PageRequest::default()
    );
    assert_eq!(DEFAULT_LIMIT, 20);
    assert_eq!(
        PageRequest::new(Some(1000), None, Some(10_000)).unwrap().rows(),
        1001
    );
    let fields = |limit, offset| -> Vec<String> {
        PageRequest::new(limit, None, offset)
            .unwrap_err()
            .into_iter()
            .map(|error| error.field)
            .collect()
    };
    assert_eq!(fields(Some(0), None), ["limit"]);
    assert_eq!(fields(Some(1001), Some(10_001)), ["limit", "offset"]);
    assert_eq!(fields(Some(u64::MAX), Some(u64::MAX)), ["limit", "offset"]);
}

#[test]
fn a_cursor_and_an_offset_exclude_each_other() {
    let cursor = Cursor::new("a", "b").encode();
    assert_eq!(
        PageRequest::new(None, Some(&cursor), Some(0)).unwrap().after,
        Some(Cursor::new("a", "b"))
    );
    assert_eq!(
        PageRequest::new(None, Some(&cursor), Some(1)).unwrap_err()[0].code,
        "not_together"
    );
}

#[test]
fn a_malformed_cursor_is_a_field_error() {
    let nul = [Cursor::new("a\0", "b").encode(), Cursor::new("a", "\0").encode()];
    // Not base64, too short, another version, a length beyond the end, no id, U+0000 in key or id.
    for text in [
        "",
        "!",
        "AQ",
        "AgABYWI",
        "AQAJYWI",
        "AQACYWI",
        &"A".repeat(2000),
        &nul[0],
        &nul[1],
    ] {
        let error = Cursor::decode("cursor", text).unwrap_err();
        assert_eq!(
            (error.field.as_str(), error.code),
            ("cursor", "malformed_cursor"),
            "{text}"
        );
    }
    assert_eq!(
        Cursor::decode("cursor", "AQABYWI").unwrap(),
        Cursor::new("a", "b")
    );
}

#[test]
fn a_cursor_of_another_list_is_refused_when_its_parts_are_read() {
    let cursor = Cursor::new("name", "not-a-uuid");
    assert_eq!(cursor.moment().unwrap_err().code, "malformed_cursor");
    assert_eq!(cursor.id::<EventId>().unwrap_err().code, "malformed_cursor");
}

#[test]
fn one_row_more_tells_that_another_page_follows() {
    let request = PageRequest::new(Some(2), None, None).unwrap();
    let cut = |rows: Vec<u32>| Page::cut(rows, &request, |row| Cursor::new(row, row));
    let page = cut(vec![1, 2, 3]);
    assert_eq!(
        (page.data.clone(), page.next.clone(), page.has_more()),
        (vec![1, 2], Some(Cursor::new(2, 2)), true)
    );
    assert_eq!(page.map(|row| row * 10).data, [10, 20]);
    let last = cut(vec![1, 2]);
    assert_eq!((last.data.len(), last.has_more()), (2, false));
    assert!(!cut(vec![]).has_more());
}

proptest! {
    #![proptest_config(crate::seeded())]

    #[test]
    fn a_cursor_survives_the_round_trip(key in "\\PC{0,60}", id in "\\PC{1,60}") {
        let cursor = Cursor::new(&key, &id);
        let text = cursor.encode();
        prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
        prop_assert_eq!(Cursor::decode("cursor", &text).unwrap(), cursor);
    }

    #[test]
    fn a_moment_and_an_id_survive_it(micros in any::<i64>(), id in any::<u128>()) {
        let (moment, id) = (Timestamp::from_micros(micros), EventId::from(uuid::Uuid::from_u128(id)));
        let cursor = Cursor::decode("cursor", &Cursor::at(moment, id).encode()).unwrap();
        prop_assert_eq!((cursor.moment().unwrap(), cursor.id::<EventId>().unwrap()), (moment, id));
    }

    #[test]
    fn any_text_is_read_or_refused_without_panic(text in "[A-Za-z0-9_-]{0,40}") {
        if let Ok(cursor) = Cursor::decode("cursor", &text) {
            prop_assert_eq!(Cursor::decode("cursor", &cursor.encode()).unwrap(), cursor);
        }
    }
}
