// farmgate: allow(blocking-fs) because it was needed once
//~^ unused-silence
fn f() {}
