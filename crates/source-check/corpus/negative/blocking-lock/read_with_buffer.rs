async fn f(mut source: impl std::io::Read) {
    let mut buffer = [0; 4];
    source.read(&mut buffer).unwrap();
}
