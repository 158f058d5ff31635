//! Figures of a process on this machine, and of the machine, from `/proc`.

use std::time::Instant;

use super::Previous;
use crate::threshold::ServerFigures;

/// Clock ticks a second in `/proc/PID/stat`: fixed at 100 for every Linux program interface.
const TICKS: f64 = 100.0;

/// Reads processor time, memory, descriptors and sockets of a process from `/proc`.
pub(super) fn read_process(
    pid: u32,
    previous: &mut Previous,
    figures: &mut ServerFigures,
) -> Result<(), String> {
    let gone = |error: std::io::Error| format!("process {pid} cannot be read: {error}");
    // farmgate: allow(blocking-fs) because reads the process table, which is memory
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).map_err(gone)?;
    // farmgate: allow(blocking-fs) because reads the process table, which is memory
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).map_err(gone)?;
    let now = Instant::now();
    // The command stands in brackets and may hold anything; user and system time are fields 12 and 13 after it.
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .map_or("", |(_, rest)| rest)
        .split_whitespace()
        .collect();
    let field = |index: usize| {
        fields
            .get(index)
            .and_then(|f| f.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    let seconds = (field(11) + field(12)) / TICKS;
    figures.insert("server.processor_seconds".to_owned(), seconds);
    if let Some((then, before)) = previous.ticks.replace((now, seconds)) {
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
        let wall = now.saturating_duration_since(then).as_secs_f64();
        figures.insert("server.cpu".to_owned(), (seconds - before) / wall / cores);
    }
    if let Some(kib) = kib_of(&status, "VmRSS:") {
        figures.insert("server.resident_bytes".to_owned(), kib * 1024.0);
        figures.extend(total_memory().map(|total| ("server.memory".to_owned(), kib * 1024.0 / total)));
    }
    // Another user's process does not show its descriptors: then the figures are missing, which thresholds notice.
    // farmgate: allow(blocking-fs) because reads the process table, which is memory
    if let Ok(entries) = std::fs::read_dir(format!("/proc/{pid}/fd")) {
        let links: Vec<_> = entries
            .filter_map(|e| std::fs::read_link(e.ok()?.path()).ok())
            .collect();
        let sockets = links
            .iter()
            .filter(|l| l.to_string_lossy().starts_with("socket:"))
            .count();
        figures.insert("server.open_files".to_owned(), links.len() as f64);
        figures.insert("server.connections".to_owned(), sockets as f64);
    }
    Ok(())
}

fn kib_of(text: &str, key: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Memory of this machine in bytes, if it is known.
pub(super) fn total_memory() -> Option<f64> {
    // farmgate: allow(blocking-fs) because reads the process table, which is memory
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    kib_of(&text, "MemTotal:").map(|kib| kib * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_process_can_be_read() {
        let mut figures = ServerFigures::new();
        read_process(std::process::id(), &mut Previous::default(), &mut figures).unwrap();
        assert!(figures["server.resident_bytes"] > 100_000.0);
        assert!(figures["server.open_files"] >= 1.0);
        assert!(read_process(u32::MAX, &mut Previous::default(), &mut figures).is_err());
    }
}
