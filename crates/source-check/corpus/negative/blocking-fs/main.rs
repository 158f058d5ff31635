fn main() {
    let _ = std::fs::read("x");
}
