fn f() -> &'static str {
    "// farmgate: allow(blocking-fs)"
}
