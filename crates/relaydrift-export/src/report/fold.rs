//! Which lanes are shown and which are folded: a fleet of two hundred servers has few stories.

use super::finding::Finding;
use super::model::{Connector, Lane, Tone};
use super::picture::Canvas;

/// Lanes that are shown without folding.
pub const UNFOLDED: usize = 12;
/// Lanes with something to see that are shown without folding.
const EVENTFUL: usize = 24;
/// Letters that make a story.
const LETTERS: usize = 10;

/// Lanes that are folded away.
#[derive(Debug)]
pub struct Group<'a> {
    /// `145 servers, EX001 to EX200: certificate A, nothing refused`
    pub summary: String,
    pub lanes: Vec<&'a Lane>,
}

/// Few lanes are shown all. Of many, those where something happened are; the others are folded,
/// lanes that tell the same together.
pub fn fold<'a>(
    canvas: &Canvas<'_>,
    connector: &'a Connector,
    findings: &[Finding<'_>],
) -> (Vec<&'a Lane>, Vec<Group<'a>>) {
    let lanes = connector.lanes.iter();
    if connector.lanes.len() <= UNFOLDED {
        return (lanes.collect(), Vec::new());
    }
    let (mut shown, quiet): (Vec<&Lane>, Vec<&Lane>) = lanes.partition(|lane| {
        let here = |finding: &&Finding<'_>| finding.changes.iter().any(|c| c.server == lane.server);
        let mut loud = findings.iter().filter(|one| one.tone() > Tone::Good);
        !lane.refused.is_empty() || loud.any(|one| here(&one))
    });
    let mut groups = Vec::new();
    if shown.len() > EVENTFUL {
        let rest = shown.split_off(EVENTFUL);
        groups.push(Group {
            summary: format!("{} more servers with findings", rest.len()),
            lanes: rest,
        });
    }
    let mut stories: Vec<(String, Vec<&Lane>)> = Vec::new();
    for lane in quiet {
        let told = story(canvas, lane);
        match stories.iter_mut().find(|(story, _)| *story == told) {
            Some((_, lanes)) => lanes.push(lane),
            None => stories.push((told, vec![lane])),
        }
    }
    // Servers with a certificate of their own each would be groups of one.
    let (alone, alike): (Vec<_>, Vec<_>) =
        stories.into_iter().partition(|(_, lanes)| lanes.len() == 1);
    for (story, lanes) in alike {
        let story = match story.as_str() {
            "" => "no certificate seen".into(),
            story => format!("certificate {story}"),
        };
        groups.push(group(&story, lanes));
    }
    let alone: Vec<&Lane> = alone.into_iter().flat_map(|(_, lanes)| lanes).collect();
    if !alone.is_empty() {
        groups.push(group("each a certificate of its own", alone));
    }
    (shown, groups)
}

/// The lanes whose letters a legend has to tell: those that are shown, and one of each group.
pub fn lettered<'a, 's>(
    shown: &'s [&'a Lane],
    groups: &'s [Group<'a>],
) -> impl Iterator<Item = &'a Lane> + use<'a, 's> {
    let groups = groups.iter().filter_map(|group| group.lanes.first());
    shown.iter().chain(groups).copied()
}

fn group<'a>(what: &str, lanes: Vec<&'a Lane>) -> Group<'a> {
    let name = |lane: Option<&&Lane>| lane.map_or(String::new(), |l| l.server.shortened(40));
    let (first, last) = (name(lanes.first()), name(lanes.last()));
    let summary = match lanes.len() {
        1 => format!("{first}: {what}, nothing refused"),
        count => format!("{count} servers, {first} to {last}: {what}, nothing refused"),
    };
    Group { summary, lanes }
}

/// Letters in the order in which they were shown.
fn story(canvas: &Canvas<'_>, lane: &Lane) -> String {
    let mut letters: Vec<String> = Vec::new();
    for span in &lane.certificates {
        let letter = canvas.letters.letter(&span.value);
        if letters.last() != Some(&letter) && letters.len() < LETTERS {
            letters.push(letter);
        }
    }
    letters.join(" → ")
}
