// farmgate: allow(blocking-fs) because ..
//~^ invalid-silence
fn f() {}
