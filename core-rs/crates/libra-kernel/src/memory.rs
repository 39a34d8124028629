//! How much memory the process has in use, for the guard: it needs no Python and takes a few microseconds.

/// Bytes that are resident now; `None` where the system does not tell. Where `/proc` is missing it is the most that was
/// ever resident.
pub fn resident_bytes() -> Option<u64> {
    #[cfg(target_os = "linux")]
    {
        let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
        let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
        // SAFETY: sysconf takes no pointers.
        let page = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok()?;
        pages.checked_mul(page)
    }
    #[cfg(not(target_os = "linux"))]
    {
        // SAFETY: rusage is plain data, and zero is a valid one; getrusage writes to it.
        let usage = unsafe {
            let mut usage: libc::rusage = std::mem::zeroed();
            (libc::getrusage(libc::RUSAGE_SELF, &mut usage) == 0).then_some(usage)
        }?;
        // macOS counts bytes, the BSDs kilobytes.
        let unit = if cfg!(target_os = "macos") { 1 } else { 1_024 };
        u64::try_from(usage.ru_maxrss).ok()?.checked_mul(unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_touched_is_resident() {
        let before = resident_bytes().unwrap();
        let touched = vec![1u8; 64 << 20];
        let after = resident_bytes().unwrap();
        assert!(touched.iter().all(|byte| *byte == 1));
        assert!(after >= before + (32 << 20), "{before} {after}");
    }
}
