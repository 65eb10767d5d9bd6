//! "Did you mean …?": the known name nearest to one that was not found.

/// The candidate nearest to `name`, if one is near enough to be a likely slip of the keyboard.
///
/// Distance is Damerau–Levenshtein on lower-case text (a swap of neighbours counts once); at most
/// a third of the name may differ, or one prefix must contain the other.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    let distance_max = (wanted.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let lower = candidate.to_lowercase();
            let distance = strsim::damerau_levenshtein(&wanted, &lower);
            let is_prefix = wanted.len() >= 3 && lower.starts_with(&wanted);
            (distance <= distance_max || is_prefix).then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_slips_and_prefixes_but_not_strangers() {
        let names = ["amount", "region", "duration_ms"];
        assert_eq!(nearest("amuont", names), Some("amount"));
        assert_eq!(nearest("Region", names), Some("region"));
        assert_eq!(nearest("duration", names), Some("duration_ms"));
        assert_eq!(nearest("zzz", names), None);
    }
}
