//! `farmgate import` as a shell sees it: what it says of bad rows, and what happens when the server or it goes away.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

mod platform;

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Output, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use db::Engine;
use platform::{Api, Server, command, farmgate, said};
use serde_json::{Value, json};

/// Nobody listens there: a dry run sends nothing.
const NOBODY: &str = "http://127.0.0.1:1";

fn write(folder: &Path, name: &str, content: impl AsRef<[u8]>) {
    std::fs::write(folder.join(name), content).unwrap();
}

fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no report: {}", said(output)))
}

/// What a dry run says of a file with bad rows.
fn report_of_bad(folder: &Path, file: &str) -> Value {
    let arguments = ["import", file, "--dry-run", "--json", "--url", NOBODY];
    let output = farmgate(folder, &arguments);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    report(&output)
}

/// Row, line, field and the beginning of the message of every error.
fn errors(report: &Value) -> Vec<(u64, u64, String, String)> {
    let list = report["errors"].as_array().unwrap().iter();
    list.map(|error| {
        (
            error["row"].as_u64().unwrap(),
            error["line"].as_u64().unwrap_or_default(),
            error["field"].as_str().unwrap().to_owned(),
            error["message"].as_str().unwrap().chars().take(24).collect(),
        )
    })
    .collect()
}

fn row(row: u64, line: u64, field: &str, message: &str) -> (u64, u64, String, String) {
    (row, line, field.to_owned(), message.chars().take(24).collect())
}

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

fn epcis_event(number: usize) -> Value {
    json!({
        "type": "ObjectEvent", "eventTime": "2026-03-01T12:00:00+01:00", "eventTimeZoneOffset": "+01:00",
        "action": "OBSERVE", "bizStep": "shipping",
        "epcList": [
            format!("urn:epc:id:sgtin:0614141.107346.{number}"),
            format!("urn:epc:id:sgtin:0614141.107346.{}", number / 10 + 9000),
        ],
    })
}

fn epcis_document(events: &[Value]) -> String {
    json!({
        "type": "EPCISDocument", "schemaVersion": "2.0", "creationDate": "2026-03-01T12:00:00Z",
        "epcisBody": {"eventList": events}
    })
    .to_string()
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

/// A server that knows everybody's token and gives these answers; see [`scripted_for`].
fn scripted(answers: Vec<Option<&'static str>>) -> (String, mpsc::Receiver<String>) {
    let known = "200 You\r\n\r\n{\"workspace_id\":\"00000000-0000-4000-8000-000000000001\"}";
    scripted_for(known, answers)
}

/// A server that answers who somebody is in one way, and the rest in these, one a connection, the last one again and
/// again; none is a connection that it closes without a word. Gives its address and what it was asked besides.
fn scripted_for(you: &'static str, answers: Vec<Option<&'static str>>) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, asked) = mpsc::channel();
    std::thread::spawn(move || {
        let mut index = 0;
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let first = request_line(&mut stream);
            let answer = if first.contains("/api/auth/me ") {
                Some(you)
            } else {
                let answer = answers[index.min(answers.len() - 1)];
                index += 1;
                let _ = sender.send(first);
                answer
            };
            if let Some(answer) = answer {
                let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, "{}"));
                let length = body.len();
                let text =
                    format!("HTTP/1.1 {head}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
                let _ = stream.get_mut().write_all(text.as_bytes());
            }
        }
    });
    (url, asked)
}

/// Reads a request to its end and gives its first line.
fn request_line(stream: &mut BufReader<TcpStream>) -> String {
    let (mut line, mut first, mut length) = (String::new(), String::new(), 0);
    while stream.read_line(&mut line).unwrap_or(0) > 2 {
        if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = text.trim().parse().unwrap();
        }
        if first.is_empty() {
            first.clone_from(&line);
        }
        line.clear();
    }
    // The client may be gone already; the server of a test does not care.
    let _ = stream.read_exact(&mut vec![0; length]);
    first
}

fn send(folder: &Path, url: &str) -> Output {
    send_with(folder, url, "t.csv", &[])
}

fn send_with(folder: &Path, url: &str, file: &str, more: &[&str]) -> Output {
    let arguments = [
        "import",
        file,
        "--json",
        "--url",
        url,
        "--token",
        "x",
        "--at-once",
        "1",
    ];
    farmgate(folder, &[&arguments[..], more].concat())
}

#[test]
fn a_server_that_breaks_off_is_busy_or_fails_is_asked_again() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "t.csv", "local_id,data.a\none,1\ntwo,2\n");
    let (url, asked) = scripted(vec![
        None,
        Some("503 Away\r\nRetry-After: 0"),
        Some("429 Slowly\r\nRetry-After: 0"),
        Some("201 Made"),
    ]);
    let output = send(folder.path(), &url);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(report(&output)["done"], 2);
    assert_eq!(asked.try_iter().count(), 5);
}

#[test]
fn a_number_that_was_cut_off_is_no_imported_row() {
    let folder = tempfile::tempdir().unwrap();
    let rows: String = (0..12).map(|number| format!("r{number},1\n")).collect();
    write(folder.path(), "t.csv", format!("local_id,data.a\n{rows}"));
    let (url, asked) = scripted(vec![Some("201 Made")]);
    assert_eq!(report(&send(folder.path(), &url))["done"], 12);
    assert_eq!(asked.try_iter().count(), 12);
    let state = folder.path().join("t.csv.farmgate-import");
    let notes = std::fs::read_to_string(&state).unwrap();
    // Killed while it noted row 12: what is left of it reads like row 1.
    std::fs::write(&state, format!("{}\n3\n1", notes.lines().next().unwrap())).unwrap();
    assert_eq!(report(&send(folder.path(), &url))["done_before"], 1);
    assert_eq!(asked.try_iter().count(), 11);
    // And what was noted after it is whole.
    assert_eq!(report(&send(folder.path(), &url))["done_before"], 12);
}

#[test]
fn a_server_that_stays_broken_is_told_by_row_and_ends_the_run_at_last() {
    let folder = tempfile::tempdir().unwrap();
    let rows: String = (0..40).map(|number| format!("r{number},1\n")).collect();
    write(folder.path(), "t.csv", format!("local_id,data.a\n{rows}"));
    let (url, asked) = scripted(vec![Some("201 Made"), Some("500 Broken\r\nRetry-After: 0")]);
    let output = send(folder.path(), &url);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let first = report(&output);
    assert_eq!(
        (&first["done"], &first["failed"], &first["rows"]),
        (&json!(1), &json!(32), &json!(33))
    );
    assert!(
        first["stopped"].as_str().unwrap().contains("found no server"),
        "{first}"
    );
    assert_eq!(errors(&first)[0], row(2, 3, "", "500: no reason given"));
    assert_eq!(asked.try_iter().count(), 1 + 32 * 6);

    // The next run begins with the row that failed.
    let (url_again, asked) = scripted(vec![Some("201 Made")]);
    let elsewhere = send(folder.path(), &url_again);
    assert_eq!(
        report(&elsewhere)["done_before"],
        0,
        "another server holds none of the rows"
    );
    assert_eq!(asked.try_iter().count(), 40);
}

#[test]
fn a_token_that_is_not_known_ends_the_run_at_once() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "t.csv", "local_id,data.a\none,1\ntwo,2\n");
    let (url, asked) = scripted(vec![Some("401 Who")]);
    let output = send(folder.path(), &url);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(said(&output).contains("--token"), "{}", said(&output));
    assert_eq!(asked.try_iter().count(), 1);
}

/// Starts an import and kills it as soon as it has imported some rows; gives how many it noted.
fn begin_and_kill(folder: &Path, arguments: &[&str], state: &str) -> usize {
    let mut import = command(folder, arguments).stdout(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let noted = || std::fs::read_to_string(folder.join(state)).map_or(0, |text| text.lines().count());
    while noted() < 12 {
        assert!(Instant::now() < deadline, "the import imports nothing");
        assert!(
            import.try_wait().unwrap().is_none(),
            "the import ended before it could be killed"
        );
        std::thread::yield_now();
    }
    import.kill().unwrap();
    import.wait().unwrap();
    noted() - 1
}

fn import_of<'a>(file: &'a str, owner: &'a Api, circuit: &'a str) -> [&'a str; 9] {
    [
        "import",
        file,
        "--json",
        "--url",
        &owner.url,
        "--token",
        &owner.token,
        "--circuit",
        circuit,
    ]
}

/// Each event that came by an import, and how often it is there.
async fn imported_events(owner: &Api) -> BTreeMap<String, usize> {
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for event in owner.all("/api/events").await {
        if event["source"] == "epcis" {
            *found.entry(event["data"]["event"].to_string()).or_default() += 1;
        }
    }
    found
}

#[tokio::test]
async fn an_import_that_was_killed_goes_on_and_makes_everything_once() {
    let server = Server::start(Engine::Sqlite);
    let (owner, partner) = (server.person("ana").await, server.person("ben").await);
    let circuit = owner.circuit_with(&partner, "ben").await;
    let folder = server.folder();
    let table: String = (0..300)
        .map(|number| format!("lot-{number},L{number},40\n"))
        .collect();
    write(
        folder,
        "lots.csv",
        format!("local_id,identifier.lot,data.bags\n{table}"),
    );
    let events: Vec<Value> = (0..150).map(epcis_event).collect();
    write(folder, "moves.json", epcis_document(&events));
    for (file, rows) in [("lots.csv", 300), ("moves.json", 150)] {
        let arguments = import_of(file, &owner, &circuit);
        let noted = begin_and_kill(folder, &arguments, &format!("{file}.farmgate-import"));
        assert!(
            noted < rows,
            "{file} was imported before the import could be killed"
        );
        let again = farmgate(folder, &arguments);
        assert_eq!(again.status.code(), Some(0), "{}", said(&again));
        let second = report(&again);
        assert_eq!(second["rows"], rows, "{second}");
        assert!(
            second["done_before"].as_u64().unwrap() >= noted as u64,
            "{second}"
        );
        let third = report(&farmgate(folder, &arguments));
        assert_eq!((&third["done_before"], &third["done"]), (&json!(rows), &json!(0)));
    }
    // 300 lots, 150 instances of goods and 15 of what they were shipped in.
    let items = partner.all(&format!("/api/circuits/{circuit}/items")).await;
    assert_eq!(items.len(), 300 + 150 + 15);
    let found = imported_events(&owner).await;
    assert_eq!(found.len(), 150);
    assert!(found.values().all(|count| *count == 1));
}

#[tokio::test]
async fn what_the_server_refuses_is_told_and_two_events_of_one_id_are_both_kept() {
    let server = Server::start(Engine::Sqlite);
    let (owner, partner) = (server.person("ana").await, server.person("ben").await);
    let circuit = owner.circuit_with(&partner, "ben").await;
    let import = |file: &str| {
        let arguments = [&import_of(file, &owner, &circuit)[..], &["--at-once", "1"]].concat();
        farmgate(server.folder(), &arguments)
    };
    write(
        server.folder(),
        "t.csv",
        "local_id,sisbov\nb,076310000000010\na,076310000000028\n",
    );
    let taken = json!({"local_id": "a", "enriched_data": {"note": "made by hand"}});
    owner.expect(201, "POST", "/api/items/local", taken).await;
    let output = import("t.csv");
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let table = report(&output);
    assert_eq!(
        errors(&table),
        [row(2, 3, "", "409: the local id `a` is taken")],
        "{table}"
    );

    let (mut one, mut other) = (epcis_event(1), epcis_event(1));
    one["eventID"] = json!("urn:uuid:374d95fc-9457-4a51-bd6a-0bba133845a8");
    other["eventID"] = one["eventID"].clone();
    other["bizStep"] = json!("receiving");
    write(
        server.folder(),
        "t.json",
        epcis_document(&[one.clone(), other, one]),
    );
    let output = import("t.json");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let document = report(&output);
    assert_eq!(document["notes"].as_array().unwrap().len(), 1, "{document}");
    let events = owner.all("/api/events").await;
    assert_eq!(
        events.iter().filter(|event| event["source"] == "epcis").count(),
        2
    );
}

#[test]
fn a_file_that_holds_no_notes_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let table = "local_id,data.a\none,1\n";
    write(folder.path(), "t.csv", table);
    write(folder.path(), "mine.txt", "a letter\n3\n");
    std::os::unix::fs::symlink("t.csv", folder.path().join("also.csv")).unwrap();
    let (url, asked) = scripted(vec![Some("201 Made")]);
    for (state, what) in [
        ("mine.txt", "holds no notes of an import"),
        ("t.csv", "the file that is imported"),
        ("also.csv", "the file that is imported"),
    ] {
        let output = send_with(folder.path(), &url, "t.csv", &["--state", state]);
        assert_eq!(output.status.code(), Some(3), "{state}: {}", said(&output));
        assert!(said(&output).contains(what), "{state}: {}", said(&output));
        assert!(said(&output).contains("--state"), "{state}: {}", said(&output));
    }
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(
        (read("t.csv").as_str(), read("mine.txt").as_str()),
        (table, "a letter\n3\n")
    );
    assert_eq!(
        asked.try_iter().count(),
        0,
        "nothing is sent whose notes cannot be kept"
    );
    // What a killed run left of its first line, or an empty file, is no one's own.
    for (state, left) in [("empty", ""), ("cut", "farmgate-im")] {
        write(folder.path(), state, left);
        let output = send_with(folder.path(), &url, "t.csv", &["--state", state]);
        assert_eq!(output.status.code(), Some(0), "{state}: {}", said(&output));
        assert_eq!(read(state).lines().count(), 2, "{}", read(state));
    }
}

#[test]
fn notes_of_several_imports_in_one_file_are_kept_apart() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "one.csv", "local_id,data.a\none,1\ntwo,2\n");
    write(folder.path(), "two.csv", "local_id,data.a\nthree,3\n");
    let (url, _asked) = scripted(vec![Some("201 Made")]);
    let run = |file: &str| send_with(folder.path(), &url, file, &["--state", "notes"]);
    let before = |output: &Output| report(output)["done_before"].clone();
    assert_eq!(before(&run("one.csv")), 0);
    let other = run("two.csv");
    assert_eq!(before(&other), 0);
    assert!(
        said(&other).contains("notes of other imports"),
        "{}",
        said(&other)
    );
    assert_eq!(
        (before(&run("one.csv")), before(&run("two.csv"))),
        (json!(2), json!(1))
    );
}

#[test]
fn two_runs_do_not_write_the_same_notes() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "t.csv", "local_id,data.a\none,1\n");
    write(folder.path(), "notes", "");
    let held = std::fs::File::open(folder.path().join("notes")).unwrap();
    held.lock().unwrap();
    let (url, asked) = scripted(vec![Some("201 Made")]);
    let output = send_with(folder.path(), &url, "t.csv", &["--state", "notes"]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(said(&output).contains("another import"), "{}", said(&output));
    assert_eq!(asked.try_iter().count(), 0);
}

#[test]
fn notes_do_not_stand_in_for_a_token() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "t.csv", "local_id,data.a\none,1\n");
    let (url, _asked) = scripted(vec![Some("201 Made")]);
    assert_eq!(send(folder.path(), &url).status.code(), Some(0));
    let (stranger, asked) = scripted_for("401 Who", vec![Some("201 Made")]);
    let output = send(folder.path(), &stranger);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(said(&output).contains("--token"), "{}", said(&output));
    assert_eq!(asked.try_iter().count(), 0);
}

#[tokio::test]
async fn notes_count_for_one_workspace_and_one_key_only() {
    let server = Server::start(Engine::Sqlite);
    let (ana, ben) = (server.person("ana").await, server.person("ben").await);
    write(server.folder(), "t.csv", "local_id,data.a\none,1\ntwo,2\n");
    let key = json!({"name": "scales", "scopes": ["items:write"]});
    let key = ben.expect(201, "POST", "/api/api-keys", key).await;
    let key = key["secret"].as_str().unwrap();
    let run = |token: &str| {
        let arguments = [
            "import",
            "t.csv",
            "--json",
            "--url",
            &server.url,
            "--token",
            token,
        ];
        farmgate(server.folder(), &arguments)
    };
    let numbers = |output: &Output| {
        assert_eq!(output.status.code(), Some(0), "{}", said(output));
        let report = report(output);
        (report["done"].clone(), report["done_before"].clone())
    };
    assert_eq!(numbers(&run(&ana.token)), (json!(2), json!(0)));
    assert_eq!(
        numbers(&run(key)),
        (json!(2), json!(0)),
        "ben's workspace has none of ana's rows"
    );
    assert_eq!(ben.all("/api/items/local").await.len(), 2);
    assert_eq!(numbers(&run(&ana.token)), (json!(0), json!(2)));
    assert_eq!(numbers(&run(key)), (json!(0), json!(2)));
    for wrong in ["fg_wrong", "wrong"] {
        let output = run(wrong);
        assert_eq!(output.status.code(), Some(3), "{wrong}: {}", said(&output));
    }
    let notes = std::fs::read_to_string(server.folder().join("t.csv.farmgate-import")).unwrap();
    assert!(!notes.contains(key), "the key is a secret");
}

#[test]
fn the_path_of_the_address_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "t.csv", "local_id,data.a\none,1\n");
    for base in ["/base", "/base/"] {
        let (url, asked) = scripted(vec![Some("201 Made")]);
        let output = send(folder.path(), &format!("{url}{base}"));
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let lines: Vec<_> = asked.try_iter().collect();
        assert_eq!(lines, ["POST /base/api/items/local HTTP/1.1\r\n"]);
    }
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

#[test]
fn a_used_up_quota_ends_the_run_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let rows: String = (0..40).map(|number| format!("r{number},1\n")).collect();
    write(folder.path(), "t.csv", format!("local_id,data.a\n{rows}"));
    for refusal in [
        "403 No\r\n\r\n{\"code\":\"limit_exceeded\",\"detail\":\"the tier allows 1 of `items_per_month`\"}",
        "402 No\r\n\r\n{\"code\":\"insufficient_credits\",\"detail\":\"it costs 1, the balance is 0\"}",
    ] {
        let (url, asked) = scripted(vec![Some("201 Made"), Some(refusal)]);
        let output = send(folder.path(), &url);
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        let report = report(&output);
        assert_eq!(
            (&report["done"], &report["failed"], &report["rows"]),
            (&json!(1), &json!(1), &json!(2)),
            "{report}"
        );
        let stopped = report["stopped"].as_str().unwrap();
        assert!(stopped.contains("run the same command again"), "{stopped}");
        assert_eq!(asked.try_iter().count(), 2);
    }
    // A row that may not be sent for another reason stops no other.
    let (url, asked) = scripted(vec![Some("403 No\r\n\r\n{\"code\":\"forbidden\"}")]);
    assert_eq!(report(&send(folder.path(), &url))["failed"], 40);
    assert_eq!(asked.try_iter().count(), 40);
}

#[tokio::test]
async fn a_name_on_the_command_line_wins_over_a_token_of_the_environment() {
    let server = Server::start(Engine::Sqlite);
    server.person("ana").await;
    write(server.folder(), "t.csv", "local_id,data.a\none,1\n");
    let run = |token: &str, more: &[&str]| {
        let arguments = [&["import", "t.csv", "--url", &server.url], more].concat();
        let mut command = command(server.folder(), &arguments);
        command.env("FARMGATE_TOKEN", token);
        command.env("FARMGATE_PASSWORD", "correct horse battery");
        command.output().unwrap()
    };
    for token in ["", "wrong"] {
        let output = run(token, &["--username", "ana"]);
        assert_eq!(output.status.code(), Some(0), "{token}: {}", said(&output));
        let output = run(token, &[]);
        assert_eq!(output.status.code(), Some(3), "{token}: {}", said(&output));
    }
    let both = run("", &["--username", "ana", "--token", "x"]);
    assert_eq!(both.status.code(), Some(3));
    assert!(said(&both).contains("cannot be used with"), "{}", said(&both));
}
