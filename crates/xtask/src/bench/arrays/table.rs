//! The table in Markdown, and what is wrong in it.

use super::peers::Peer;
use super::row::{Row, Source, Target};
use super::{Outcome, Suite, report};

type Measured = std::result::Result<Outcome, String>;

/// Prints the title and the head of the table of `source`.
pub(super) fn print_head(suite: &Suite, source: Source) {
    let title = match source {
        Source::Drawn => "from each engine's generator",
        Source::Zarr => "from Zarr",
    };
    println!(
        "\n### Arrays {title}, {0} × {0} float64 in 25 chunks\n",
        suite.size
    );
    println!(
        "{}",
        report::circumstances(suite.threads, suite.memory_bytes)
    );
    println!(
        "A process for each row, best of {} runs; × is Sheaf's time over the peer's. NumPy has its arrays in \
         memory before its time begins: what that took is in parentheses.\n",
        suite.runs
    );
    println!("| row | Sheaf, s | MB | NumPy, s | MB | × | Dask, s | MB | × | target |");
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|---|");
}

/// Prints one row.
pub(super) fn print_row(row: &Row, ours: &Measured, peers: &[Peer]) {
    let mut line = format!("| {} |", row.name);
    line += &match ours {
        Ok(outcome) => format!(
            " {:.3} | {:.0} |",
            outcome.seconds,
            report::to_megabytes(outcome.peak_bytes)
        ),
        Err(_) => " fails | |".to_owned(),
    };
    for place in 0..super::peers::ENGINES.len() {
        line += &peers
            .get(place)
            .map_or(" | | |".to_owned(), |peer| cells(peer, ours));
    }
    println!("{line} {} |", verdict(&row.target, ours, peers));
}

fn cells(peer: &Peer, ours: &Measured) -> String {
    let Ok(outcome) = &peer.outcome else {
        return " fails | | |".to_owned();
    };
    let loading = match peer.title {
        "NumPy" => format!(" ({:.2})", outcome.loading_seconds),
        _ => String::new(),
    };
    let ratio = ours.as_ref().map_or(String::new(), |ours| {
        format!("{:.2}", ours.seconds / outcome.seconds)
    });
    format!(
        " {:.3}{loading} | {:.0} | {ratio} |",
        outcome.seconds,
        report::to_megabytes(outcome.peak_bytes)
    )
}

/// The targets that can be told, and whether they are met.
fn verdict(target: &Target, ours: &Measured, peers: &[Peer]) -> String {
    let Ok(ours) = ours else {
        return "fails".to_owned();
    };
    let of_peer = |title: &str, share: f64| {
        let peer = peers.iter().find(|peer| peer.title == title)?;
        let theirs = peer.outcome.as_ref().ok()?;
        let text = format!("≤ {share} {title}");
        Some(judged(text, ours.seconds <= share * theirs.seconds))
    };
    let peak = target.peak_bytes_max.map(|most| {
        let text = format!("≤ {:.0} MB", report::to_megabytes(most));
        judged(text, ours.peak_bytes <= most)
    });
    let numpy = target.of_numpy.and_then(|share| of_peer("NumPy", share));
    let all = [numpy, of_peer("Dask", target.of_dask), peak];
    all.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn judged(text: String, is_met: bool) -> String {
    match is_met {
        true => text,
        false => format!("**missed:** {text}"),
    }
}

/// What fails in a row, and whose answers differ from Sheaf's.
pub(super) fn faults(
    suite: &Suite,
    row: &Row,
    source: Source,
    ours: &Measured,
    peers: &[Peer],
) -> Vec<String> {
    let of = format!("{} ({})", row.name, source.name());
    let ours = match ours {
        Ok(ours) => ours,
        Err(reason) => return vec![format!("{of}: Sheaf fails: {reason}")],
    };
    let drawn_size = (source == Source::Drawn).then_some(suite.size);
    let fault = |peer: &Peer| match &peer.outcome {
        Err(reason) => Some(format!("{of}: {} fails: {reason}", peer.title)),
        Ok(theirs) => row
            .difference(&theirs.answer, &ours.answer, drawn_size)
            .map(|difference| format!("{of}: Sheaf differs from {}: {difference}", peer.title)),
    };
    peers.iter().filter_map(fault).collect()
}
