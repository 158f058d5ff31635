//! What is wrong with a file is said with its place, and nothing is sent.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use scenario::{Diagnostic, parse};

fn first(text: &str) -> Diagnostic {
    parse("f.hurl", text)
        .expect_err(text)
        .iter()
        .next()
        .unwrap()
        .clone()
}

#[test]
fn a_syntax_error_names_line_column_and_what_to_do() {
    for (text, line, column, message) in [
        ("GET", 1, 4, "space"),
        ("get http://h/\n", 1, 1, "method"),
        ("GET http://h/\nHTTP abc\n", 2, 6, "status"),
        ("GET http://h/\nHTTP 200\n[Nope]\n", 3, 1, "[Nope]"),
        ("GET http://h/\n[Asserts]\n", 2, 1, "[Asserts]"),
        (
            "GET http://h/\nHTTP 200\n[Asserts]\nstatus = 200\n",
            4,
            8,
            "predicate",
        ),
        (
            "GET http://h/\nHTTP 200\n[Asserts]\nbody matches /(/\n",
            4,
            15,
            "regular expression",
        ),
        ("GET http://h/\n[Options]\nmax_redirs: 1\n", 3, 1, "max_redirs"),
        ("GET http://h/\n[Options]\ndelay: 5x\n", 3, 9, "unit"),
        ("GET http://h/{{a\n", 1, 17, "}}"),
        ("POST http://h/\n{\"a\": 1,}\n", 2, 8, "comma"),
        ("POST http://h/\n{\"a\": x}\n", 2, 7, "JSON value"),
        ("POST http://h/\n<a><b></a>\n", 2, 9, "XML"),
        ("POST http://h/\n```nope\nx\n```\n", 2, 4, "nope"),
        ("GET http://h/\n[Query]\na: 1\n[Query]\nb: 2\n", 4, 1, "second"),
    ] {
        let found = first(text);
        assert!(found.message.contains(message), "{text}: {found}");
        assert_eq!((found.line, found.column), (line, column), "{found}");
    }
    let shown = first("GET http://h/\n[Options]\nmax_redirs: 1\n").to_string();
    let expected = "f.hurl:3:1: `max_redirs` is not an option of Hurl\n3 | max_redirs: 1\n  | ^ the names are those of the command line, such as location or max-time";
    assert_eq!(shown, expected);
}

#[test]
fn what_is_not_supported_is_refused_by_name_and_line_and_all_at_once() {
    let text = "GET https://h/\n[Options]\nntlm: true\nhttp3: {{x}}\nproxy: p:1\ndigest: false\nHTTP 200\n[Asserts]\ncertificate \"Subject\" == \"x\"\n";
    let found = parse("f.hurl", text).expect_err("refused");
    let told: Vec<_> = found.iter().map(|d| (d.line, d.message.as_str())).collect();
    assert_eq!(
        told,
        [
            (3, "the option `ntlm` is not supported"),
            (4, "the option `http3` is not supported"),
            (5, "the option `proxy` is not supported"),
            (9, "the query `certificate` is not supported"),
        ]
    );
    assert!(found.iter().all(|d| d.hint.is_some()));
}

#[test]
fn directives_are_found_with_the_entry_that_they_stand_before() {
    let text = "# @users 5\n#@weight: 3\n# a comment\nGET http://h/a\nHTTP 200\n\n# @share token\nGET http://h/b # @late 1\n```\n# @not a directive\n```\n# @end\n";
    let scenario = parse("f.hurl", text).unwrap();
    let told: Vec<_> = scenario
        .directives()
        .iter()
        .map(|d| (d.line, d.entry, d.key.as_str(), d.value.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (1, 0, "users", "5"),
            (2, 0, "weight", "3"),
            (7, 1, "share", "token"),
            (8, 2, "late", "1"),
            (12, 2, "end", ""),
        ]
    );
    let entries: Vec<_> = scenario
        .entries()
        .iter()
        .map(|e| (e.method.as_str(), e.url.as_str(), e.line))
        .collect();
    assert_eq!(entries, [("GET", "http://h/a", 4), ("GET", "http://h/b", 8)]);
}

#[test]
fn a_parsed_scenario_is_shared_and_a_run_can_move_between_threads() {
    fn shared<T: Send + Sync + Clone>(_: &T) {}
    fn sent<T: Send>(_: T) {}
    let scenario = parse(
        "f.hurl",
        "GET http://h/\nHTTP 200\n[Asserts]\njsonpath \"$.a\" == 1\n",
    )
    .unwrap();
    shared(&scenario);
    let mut user = scenario::User::new(std::sync::Arc::default());
    sent(user.run(&scenario, &mut ()));
}

#[test]
fn files_with_very_much_of_one_kind_crash_nothing() {
    let many = [
        "POST http://h/\n<a/>\n".repeat(5_000),
        "# @key value\nGET http://h/\n".repeat(5_000),
        format!("GET http://h/\n[Options]\n{}", "ntlm: true\n".repeat(5_000)),
        format!(
            "GET http://h/\nHTTP 200\n[Asserts]\nxpath \"1{}\" == 1\n",
            "+1".repeat(50_000)
        ),
    ];
    assert!(
        many.iter()
            .map(|text| parse("many.hurl", text))
            .filter(Result::is_err)
            .count()
            == 1
    );
}

#[test]
fn hostile_files_end_in_an_error_not_in_a_crash() {
    let deep = |open: &str, close: &str| {
        format!(
            "POST http://h/\n{}{}\n",
            open.repeat(50_000),
            close.repeat(50_000)
        )
    };
    let files = [
        deep("[", "]"),
        deep("{\"a\":", "}"),
        deep("<a>", "</a>"),
        "GET http://h/{{".repeat(10_000),
        "\u{0}\u{1}\u{feff}\u{202e}".to_string(),
        "GET http://h/\n[Asserts".to_string(),
        format!(
            "GET http://h/\nHTTP 200\n[Asserts]\nbody matches /{}/\n",
            "(a{1000}){1000}".repeat(5)
        ),
        format!(
            "GET http://h/\nHTTP 200\n[Asserts]\nstatus == {}\n",
            "9".repeat(100_000)
        ),
    ];
    for text in files {
        if let Err(found) = parse("hostile.hurl", &text) {
            let shown = found.to_string();
            assert!(
                shown.starts_with("hostile.hurl:") && shown.len() < 2_000,
                "{}",
                shown.len()
            );
        }
    }
}
