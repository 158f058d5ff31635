async fn is_free(file: &std::fs::File) -> bool {
    file.try_lock().is_ok()
}
