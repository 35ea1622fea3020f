//! How fast events are written: each format over the same events of each kind, one thread.
//!
//! `cargo bench -p relaydrift-export --bench export`

#[path = "../crates/relaydrift-export/tests/samples/mod.rs"]
mod samples;

use std::time::Instant;

use relaydrift_export::{Event, Fact, Format};

const EVENTS: usize = 100_000;
const RUNS: usize = 5;

fn main() {
    let all = samples::realistic();
    let kinds: [fn(&Event) -> bool; 3] = [
        |event| matches!(event.fact, Fact::Incident(_)),
        |event| matches!(event.fact, Fact::Refusal(_)),
        |event| matches!(event.fact, Fact::Session(_)),
    ];
    println!(
        "{:<10} {:>12} {:>12} {:>12}   events/s, one thread, median of {RUNS}",
        "format", "incident", "refusal", "session"
    );
    for format in Format::ALL {
        let rates = kinds.map(|is| {
            let events: Vec<&Event> = all.iter().filter(|event| is(event)).collect();
            rate(format, &events)
        });
        println!(
            "{:<10} {:>12.0} {:>12.0} {:>12.0}",
            format.name(),
            rates[0],
            rates[1],
            rates[2]
        );
    }
}

fn rate(format: Format, events: &[&Event]) -> f64 {
    let mut out = Vec::with_capacity(1 << 20);
    let mut seconds: Vec<f64> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            for event in events.iter().cycle().take(EVENTS) {
                if out.len() > 1 << 19 {
                    std::hint::black_box(&out);
                    out.clear();
                }
                format.render(event, &mut out);
                out.push(b'\n');
            }
            start.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    EVENTS as f64 / seconds[RUNS / 2]
}
