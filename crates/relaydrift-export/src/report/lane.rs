//! What a lane shows, cut into pieces that can be drawn side by side.

use super::Text;
use super::model::{Gap, Span};
use super::time::{Axis, Time};

/// A time in which a lane shows one value, or several by turns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Where it begins.
    pub from: Time,
    /// Where it ends.
    pub to: Time,
    /// The values, by first appearance; never empty.
    pub values: Vec<&'a Text>,
}

/// Spans inside the axis, cut where values overlap and at gaps. Neighbours that are both narrower
/// than `narrow` (a part of the axis), or show several values already, become one segment of several
/// values: a server that changes every hour for a year is drawn in a bounded number of pieces.
pub fn segments<'a>(spans: &'a [Span], gaps: &[Gap], axis: &Axis, narrow: f64) -> Vec<Segment<'a>> {
    let mut segments: Vec<Segment<'a>> = Vec::new();
    for piece in cut(spans, gaps, axis) {
        match segments.last_mut() {
            Some(last) if last.values == piece.values && last.to == piece.from => {
                last.to = piece.to;
            }
            _ => segments.push(piece),
        }
    }
    let mut merged: Vec<(Segment<'a>, bool)> = Vec::new();
    for segment in segments {
        let width = axis.part(segment.to) - axis.part(segment.from);
        let is_narrow = width < narrow || (narrow > 0.0 && segment.values.len() > 1);
        match merged.last_mut() {
            Some((last, true))
                if is_narrow && axis.part(segment.from) - axis.part(last.to) < narrow =>
            {
                last.to = segment.to;
                for value in segment.values {
                    if !last.values.contains(&value) {
                        last.values.push(value);
                    }
                }
            }
            _ => merged.push((segment, is_narrow)),
        }
    }
    merged.into_iter().map(|(segment, _)| segment).collect()
}

/// Every piece of time between two bounds of spans or gaps in which some value was shown.
fn cut<'a>(spans: &'a [Span], gaps: &[Gap], axis: &Axis) -> Vec<Segment<'a>> {
    let mut shown: Vec<(Time, Time, &Text)> = spans
        .iter()
        .filter(|span| span.to >= axis.from && span.from <= axis.to)
        // One session has no length; it is shown all the same.
        .map(|span| {
            let from = span.from.max(axis.from);
            (from, span.to.min(axis.to).max(from + 1), &span.value)
        })
        .collect();
    shown.sort_unstable();
    let mut bounds: Vec<Time> = shown
        .iter()
        .flat_map(|(from, to, _)| [*from, *to])
        .collect();
    bounds.extend(gaps.iter().flat_map(|gap| [gap.from, gap.to]));
    bounds.sort_unstable();
    bounds.dedup();
    let mut pieces = Vec::new();
    let mut active: Vec<(Time, &Text)> = Vec::new();
    let (mut next, mut gap) = (0, 0);
    for pair in bounds.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        active.retain(|(end, _)| *end > from);
        while let Some((start, end, value)) = shown.get(next).filter(|(start, ..)| *start <= from) {
            debug_assert!(start <= end);
            active.push((*end, value));
            next += 1;
        }
        while gaps.get(gap).is_some_and(|gap| gap.to <= from) {
            gap += 1;
        }
        let unseen = gaps.get(gap).is_some_and(|gap| gap.from <= from);
        if !active.is_empty() && !unseen {
            let mut values: Vec<&Text> = Vec::new();
            for (_, value) in &active {
                if !values.contains(value) {
                    values.push(value);
                }
            }
            pieces.push(Segment { from, to, values });
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const AXIS: Axis = Axis { from: 0, to: 1000 };

    fn span(value: &str, from: Time, to: Time) -> Span {
        Span {
            value: value.into(),
            from,
            to,
        }
    }

    fn shown(spans: &[Span], gaps: &[Gap], narrow: f64) -> Vec<String> {
        let segments = segments(spans, gaps, &AXIS, narrow);
        let text = |segment: Segment<'_>| {
            let values: Vec<&str> = segment.values.iter().map(|value| &***value).collect();
            format!("{} {}-{}", values.join("+"), segment.from, segment.to)
        };
        segments.into_iter().map(text).collect()
    }

    #[test]
    fn one_value_gives_way_to_another() {
        let spans = [span("A", -50, 400), span("B", 410, 2000)];
        assert_eq!(shown(&spans, &[], 0.0), ["A 0-400", "B 410-1000"]);
    }

    #[test]
    fn a_gap_cuts() {
        let gap = Gap {
            from: 100,
            to: 200,
            logged: false,
        };
        assert_eq!(
            shown(&[span("A", 0, 300)], &[gap], 0.0),
            ["A 0-100", "A 200-300"]
        );
    }

    #[test]
    fn values_at_the_same_time_share_a_piece() {
        let spans = [span("A", 0, 500), span("B", 100, 1000)];
        assert_eq!(
            shown(&spans, &[], 0.0),
            ["A 0-100", "A+B 100-500", "B 500-1000"]
        );
    }

    #[test]
    fn narrow_neighbours_become_one() {
        let spans: Vec<Span> = (0..100)
            .map(|at| span(["A", "B"][at % 2], at as Time * 5, at as Time * 5 + 4))
            .collect();
        assert_eq!(shown(&spans, &[], 0.01), ["A+B 0-499"]);
        // A wide one in front of them stays by itself.
        let wide = [&[span("C", -100, -1)], &spans[..]].concat();
        assert_eq!(shown(&wide, &[], 0.01), ["A+B 0-499"]);
        let spans = [span("A", 0, 900), span("B", 905, 906)];
        assert_eq!(shown(&spans, &[], 0.01), ["A 0-900", "B 905-906"]);
    }

    proptest! {
        #[test]
        fn the_pieces_are_in_order_bounded_and_hold_what_was_shown(
            spans in prop::collection::vec((0usize..4, -100i64..1100, 0i64..400), 0..60),
            gaps in prop::collection::vec((1i64..80, 1i64..80), 0..8),
            narrow in 0.0f64..0.1,
        ) {
            let spans: Vec<Span> = spans
                .into_iter()
                .map(|(value, from, length)| span(["A", "B", "C", "D"][value], from, from + length))
                .collect();
            let mut at = 0;
            let gaps: Vec<Gap> = gaps
                .into_iter()
                .map(|(before, length)| {
                    let from = at + before;
                    at = from + length;
                    Gap { from, to: at, logged: true }
                })
                .collect();
            let plain = segments(&spans, &gaps, &AXIS, 0.0);
            for time in 0..1000 {
                let hidden = gaps.iter().any(|gap| gap.from <= time && time < gap.to);
                let mut want: Vec<&Text> = spans
                    .iter()
                    // A span before the left end is not shown, one session has a length.
                    .filter(|span| !hidden && span.to >= 0 && span.from <= time && time < span.to.max(span.from.max(0) + 1))
                    .map(|span| &span.value)
                    .collect();
                want.sort_unstable();
                want.dedup();
                let found = plain.iter().filter(|piece| piece.from <= time && time < piece.to);
                let mut found: Vec<&Text> = found.flat_map(|piece| piece.values.clone()).collect();
                found.sort_unstable();
                prop_assert_eq!(found, want, "at {}", time);
            }
            let merged = segments(&spans, &gaps, &AXIS, narrow);
            prop_assert!(merged.windows(2).all(|pair| pair[0].to <= pair[1].from));
            if narrow > 0.0 {
                prop_assert!((merged.len() as f64) <= 2.0 / narrow + 2.0);
            }
        }
    }
}
