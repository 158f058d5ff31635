// farmgate is mentioned here without a mark
fn f() {}
