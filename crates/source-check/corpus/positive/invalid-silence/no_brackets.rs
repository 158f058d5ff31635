// farmgate: please be quiet
//~^ invalid-silence
fn f() {}
