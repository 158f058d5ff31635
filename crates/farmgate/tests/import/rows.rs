//! What a file holds: each bad row is named by its place, and the others stand.

use serde_json::json;

use crate::{
    platform::{farmgate, said},
    run::{NOBODY, epcis_document, epcis_event, errors, report, report_of_bad, row, send, write},
    scripted::scripted,
};

#[test]
fn a_dry_run_names_each_bad_row_of_a_table_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut table = b"\xef\xbb\xbflocal_id,sisbov,identifier.ear_tag,data.note\r\n".to_vec();
    table.extend(b"a,076310000000010,BR-1,good\r\n");
    table.extend(b"b,076310000000013,BR-2,wrong check digit\r\n");
    table.extend(b"\r\n");
    table.extend(b"c,,BR-3,\xff\xfe\r\n");
    table.extend(b"d,,BR-4\r\n");
    table.extend(b"e,,BR-5,\"two\nlines\"\n");
    table.extend([b"f,,BR-6,".as_slice(), &vec![b'x'; 2 << 20], b"\n"].concat());
    table.extend(b"not an id,,BR-7,\n");
    table.extend(b"g,,,\n");
    table.extend(b"h,,BR-8,5\" pipe\n");
    table.extend(b"i,,BR-9,\"never closed\n");
    table.extend(b"j,,BR-10,last");
    write(folder.path(), "t.csv", table);
    let report = report_of_bad(folder.path(), "t.csv");
    let expected = [
        row(2, 3, "sisbov", "is not a valid SISBOV value"),
        row(3, 5, "data.note", "is not UTF-8"),
        row(4, 6, "", "has 3 fields; the header has 4"),
        row(6, 9, "", "is longer than 1 MiB"),
        row(7, 10, "local_id", "must have 1 to 128 of the letters"),
        row(8, 11, "", "holds neither an identifier nor data"),
        row(10, 13, "", "opens a quote that is not closed"),
    ];
    assert_eq!(errors(&report), expected);
    assert_eq!(
        (&report["rows"], &report["done"]),
        (&json!(11), &json!(4)),
        "{report}"
    );
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn an_unknown_column_is_refused_unless_it_shall_be_kept() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "t.csv", "sisbv;identifier.ear_tag\nx;BR-1\n");
    let dry = |more: &[&str]| {
        let mut arguments = vec!["import", "t.csv", "--dry-run", "--url", NOBODY];
        arguments.extend(more);
        farmgate(folder.path(), &arguments)
    };
    let refused = dry(&[]);
    assert_eq!(refused.status.code(), Some(3), "{}", said(&refused));
    assert!(
        said(&refused).contains("the column `sisbv` is not known"),
        "{}",
        said(&refused)
    );
    let kept = dry(&["--keep-other-columns"]);
    assert_eq!(kept.status.code(), Some(0), "{}", said(&kept));
    assert_eq!(
        String::from_utf8_lossy(&kept.stdout),
        "t.csv: 1 of 1 rows are sound, 0 are not; nothing was sent\n"
    );
}

#[test]
fn each_bad_line_of_json_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut lines = br#"{"local_id":"a","identifiers":[{"key":"ear_tag","value":"BR-1"}]}
{"identifiers":[{"key":"sisbov","value":"076310000000013","registry":"sisbov"}]}

{"identifers":[]}
{"identifiers":[{"key":"ear_tag","value":7}]}
[1]
{"local_id":"a"
{"local_id":"b","enriched_data":{}} {}
{"local_id":"c","enriched_data":"text"}
"#
    .to_vec();
    lines.extend(b"{\"local_id\":\"\xff\"}\n");
    lines.extend([b"{\"local_id\":\"".as_slice(), &vec![b'x'; 2 << 20], b"\"}\n"].concat());
    write(folder.path(), "t.jsonl", lines);
    let report = report_of_bad(folder.path(), "t.jsonl");
    let expected = [
        row(2, 2, "identifiers[0].value", "is not a valid SISBOV value"),
        row(3, 4, "identifers", "unknown field `identifers`"),
        row(4, 5, "identifiers[0].value", "invalid type: integer `7`"),
        row(5, 6, "", "must be a JSON object"),
        row(6, 7, "", "EOF while parsing an object"),
        row(7, 8, "", "holds more than one JSON value"),
        row(8, 9, "enriched_data", "must be a JSON object"),
        row(9, 10, "", "is not UTF-8 from byte 13 on"),
        row(10, 11, "", "is longer than 1 MiB"),
    ];
    let found = errors(&report);
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(
            (found.0, found.1, &found.2),
            (expected.0, expected.1, &expected.2),
            "{found:?}"
        );
        assert!(found.3.starts_with(&expected.3), "{found:?} {expected:?}");
    }
    assert_eq!(found.len(), expected.len());
    assert_eq!((&report["rows"], &report["done"]), (&json!(10), &json!(1)));
}

#[test]
fn a_bad_event_is_named_by_its_place_and_the_others_stand() {
    let folder = tempfile::tempdir().unwrap();
    let mut bad = epcis_event(2);
    bad["action"] = json!("CREATE");
    write(
        folder.path(),
        "t.json",
        epcis_document(&[epcis_event(1), bad, epcis_event(3)]),
    );
    let report = report_of_bad(folder.path(), "t.json");
    let expected = [row(
        2,
        0,
        "/epcisBody/eventList/1/action",
        "`CREATE` is not known: expected",
    )];
    assert_eq!(errors(&report), expected);
    assert_eq!(report["done"], 2);
    let arguments = ["import", "t.json", "--json", "--url", NOBODY];
    let without_circuit = farmgate(folder.path(), &arguments);
    assert_eq!(without_circuit.status.code(), Some(3));
    assert!(
        said(&without_circuit).contains("needs --circuit"),
        "{}",
        said(&without_circuit)
    );
}

#[test]
fn a_row_that_gives_an_id_another_meaning_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let table =
        "local_id,data.a\na,bad id first: ok\nb,1\na,bad id first: ok\nb,2\nno id,3\nb,1\nb,3\n.,4\n..,5\n";
    write(folder.path(), "t.csv", table);
    let first = report_of_bad(folder.path(), "t.csv");
    let expected = [
        row(4, 5, "local_id", "`b` stands in line 3 wit"),
        row(5, 6, "local_id", "must have 1 to 128 of the letters"),
        row(7, 8, "local_id", "`b` stands in line 3 wit"),
        row(8, 9, "local_id", "`.` is no id: clients of"),
        row(9, 10, "local_id", "`..` is no id: clients o"),
    ];
    assert_eq!(errors(&first), expected);
    // So it is when the rows are sent, whichever is on its way first.
    let (url, asked) = scripted(vec![Some("201 Made")]);
    let sent = send(folder.path(), &url);
    assert_eq!(errors(&report(&sent)), expected);
    assert_eq!(asked.try_iter().count(), 4);
}
