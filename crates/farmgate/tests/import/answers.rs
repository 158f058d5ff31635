//! What the server answers: trouble that passes is waited for, what it refuses is told, and what will not pass ends the
//! run.

use db::Engine;
use serde_json::json;

use crate::{
    platform::{Server, farmgate, said},
    run::{epcis_document, epcis_event, errors, import_of, report, row, send, write},
    scripted::scripted,
};

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
