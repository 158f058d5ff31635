// farmgate: allow(blocking-fs)
//~^ invalid-silence
fn f() {}
