// farmgate: allow(no-such-rule) because it is fine here
//~^ invalid-silence
fn f() {}
