//! Whether the processor has what this program was compiled for.
//!
//! Builds for x86-64 are for its third level (`.cargo/config.toml`), which processors have since about
//! 2013. On an older one the first vector instruction would end the process without a word.

/// A feature that this program was compiled to use and the processor has not.
#[cfg(target_arch = "x86_64")]
pub(crate) fn missing_feature() -> Option<&'static str> {
    use std::arch::x86_64::{__cpuid, __cpuid_count};

    // The macro of the standard library does not ask for what is compiled in.
    if __cpuid(0).eax < 7 {
        return cfg!(target_feature = "avx2").then_some("avx2");
    }
    let (basic, extended) = (__cpuid(1).ecx, __cpuid_count(7, 0).ebx);
    // Bits of Intel's manual, volume 2, CPUID.
    let features = [
        (cfg!(target_feature = "fma"), basic >> 12, "fma"),
        (cfg!(target_feature = "movbe"), basic >> 22, "movbe"),
        (cfg!(target_feature = "avx"), basic >> 28, "avx"),
        (cfg!(target_feature = "f16c"), basic >> 29, "f16c"),
        (cfg!(target_feature = "bmi1"), extended >> 3, "bmi1"),
        (cfg!(target_feature = "avx2"), extended >> 5, "avx2"),
        (cfg!(target_feature = "bmi2"), extended >> 8, "bmi2"),
    ];
    let mut missing = features
        .into_iter()
        .filter(|(is_used, bits, _)| *is_used && bits & 1 == 0);
    missing.next().map(|(_, _, name)| name)
}

/// A feature that this program was compiled to use and the processor has not: none that is not there
/// on all of this architecture.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn missing_feature() -> Option<&'static str> {
    None
}
