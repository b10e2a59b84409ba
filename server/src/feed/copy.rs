//! What a subscriber holds: the rows of one state, or, half way from one state to the next, those up to some row of
//! the next state and the others of the one before. A cursor is the same, sealed.

use std::sync::Arc;

use entities::Instant;
use uuid::Uuid;

use crate::{
    access::{View, log::Position, look::Open},
    audit::Read,
    catalogue::{CATALOGUE, TypeId},
    graphql::{Codec, subscription::Watch},
};

/// How a question looks through one view.
#[derive(Clone, Debug)]
pub struct Lens {
    pub view: Arc<View>,
    /// Without one the view does not know what is asked for: nothing is shown.
    pub watch: Option<Arc<Watch>>,
    /// Lenses of one print show the same.
    pub print: [u8; 16],
    pub me: Uuid,
    /// What the person has opened for a look.
    pub looks: Vec<Open>,
}

impl Lens {
    /// Whether some of what it shows may be shown because of a look.
    pub fn is_looked(&self) -> bool {
        self.watch.as_ref().is_some_and(|watch| watch.reads.iter().any(Read::is_looked))
    }
}

/// What is shown behind a position of the change log, at an instant. Between two edges of the view instants are alike.
#[derive(Clone, Debug)]
pub struct State {
    pub position: i64,
    pub at: Instant,
    pub lens: Arc<Lens>,
}

/// A row in the order in which two states are compared.
pub type Place = (TypeId, Uuid);

#[derive(Clone, Debug)]
pub struct Copy {
    /// The state of the rows up to this one.
    pub ahead: Option<(State, Place)>,
    /// The state of the others; `None`: nothing is held of them.
    pub rest: Option<State>,
}

/// A cursor that was opened: its states lack their lens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    pub print: [u8; 16],
    /// The version of the policies that it was looked at through.
    pub policies: u64,
    pub ahead: Option<((i64, Instant), Place)>,
    pub rest: Option<(i64, Instant)>,
    /// The two are of different rights.
    pub turning: bool,
}

impl State {
    /// Only rows differ, not rights.
    pub fn is_like(&self, other: &State) -> bool {
        self.lens.print == other.lens.print && self.at == other.at
    }

    pub fn behind(&self, position: i64) -> State {
        State { position, ..self.clone() }
    }
}

impl Copy {
    pub fn at(state: State) -> Self {
        Copy { ahead: None, rest: Some(state) }
    }

    pub fn empty() -> Self {
        Copy { ahead: None, rest: None }
    }

    /// Where it stands, if all of it stands there.
    pub fn whole(&self) -> Option<&State> {
        if self.ahead.is_none() { self.rest.as_ref() } else { None }
    }

    /// The last state of which anything is held.
    pub fn newest(&self) -> Option<&State> {
        self.ahead.as_ref().map(|(state, _)| state).or(self.rest.as_ref())
    }

    /// All of it stands at this state.
    pub fn is(&self, state: &State) -> bool {
        self.whole().is_some_and(|whole| whole.is_like(state) && whole.position == state.position)
    }

    pub fn seal(&self, subject: &[u8; 16], codec: &Codec) -> String {
        let print = self.newest().map_or([0; 16], |state| state.lens.print);
        let turning = self.rest.as_ref().is_some_and(|rest| rest.lens.print != print);
        // whoever stops amid a turn is known by what it was shown before
        let known = if turning { self.rest.as_ref() } else { self.newest() };
        let mark = Mark {
            print,
            policies: known.map_or(0, |state| state.lens.view.policies),
            ahead: self.ahead.as_ref().map(|(state, place)| ((state.position, state.at), *place)),
            rest: self.rest.as_ref().map(|state| (state.position, state.at)),
            turning,
        };
        mark.seal(subject, codec)
    }
}

const PURPOSE: &str = "feed 2";
const LENGTH: usize = 8 + 16 + 16 + 8 + 1 + 16 + 16 + 8 + 16;

impl Mark {
    /// Always as long, and never the same twice: two cursors do not tell whether anything happened between them.
    fn seal(&self, subject: &[u8; 16], codec: &Codec) -> String {
        let mut plain = Vec::with_capacity(LENGTH);
        plain.extend(rand::random::<[u8; 8]>());
        plain.extend(subject);
        plain.extend(self.print);
        plain.extend(self.policies.to_be_bytes());
        let flags = [self.ahead.is_some(), self.rest.is_some(), self.turning];
        plain.push(flags.iter().enumerate().map(|(i, flag)| u8::from(*flag) << i).sum());
        for (position, at) in
            [self.rest, self.ahead.map(|(state, _)| state)].map(|state| state.unwrap_or((0, Instant(0))))
        {
            plain.extend(position.to_be_bytes());
            plain.extend(at.0.to_be_bytes());
        }
        let (ty, key) = self.ahead.map_or((TypeId(0), Uuid::nil()), |(_, place)| place);
        plain.extend((ty.0 as u64).to_be_bytes());
        plain.extend(key.as_bytes());
        codec.seal(PURPOSE, &plain)
    }

    /// Only what was sealed for this subject.
    pub fn open(text: &str, subject: &[u8; 16], codec: &Codec) -> Option<Self> {
        Mark::unseal(text, codec).filter(|(of, _)| of == subject).map(|(_, mark)| mark)
    }

    /// With its subject.
    pub fn unseal(text: &str, codec: &Codec) -> Option<([u8; 16], Self)> {
        let plain = codec.open(PURPOSE, text).filter(|plain| plain.len() == LENGTH)?;
        let mut rest = &plain[8..];
        let mut take = |n: usize| {
            let (head, tail) = rest.split_at(n);
            rest = tail;
            head
        };
        let subject = take(16).try_into().ok()?;
        let print = take(16).try_into().ok()?;
        let policies = u64::from_be_bytes(take(8).try_into().ok()?);
        let flags = take(1)[0];
        let mut state = || -> Option<(i64, Instant)> {
            let position = i64::from_be_bytes(take(8).try_into().ok()?);
            Some((position, Instant(i64::from_be_bytes(take(8).try_into().ok()?))))
        };
        let (old, new) = (state()?, state()?);
        let ty = usize::try_from(u64::from_be_bytes(take(8).try_into().ok()?)).ok()?;
        let place = (TypeId(ty), Uuid::from_slice(take(16)).ok()?);
        if ty >= CATALOGUE.types.len() {
            return None;
        }
        let mark = Mark {
            print,
            policies,
            ahead: (flags & 1 != 0).then_some((new, place)),
            rest: (flags & 2 != 0).then_some(old),
            turning: flags & 4 != 0,
        };
        Some((subject, mark))
    }

    /// The oldest and the newest position that it needs.
    pub fn positions(&self) -> (i64, i64) {
        let all = [self.rest.map(|state| state.0), self.ahead.map(|(state, _)| state.0)];
        let all = || all.into_iter().flatten();
        (all().min().unwrap_or(0), all().max().unwrap_or(0))
    }

    /// A state of which something is held, the older one if there are two.
    pub fn oldest(&self) -> Option<(Position, Instant)> {
        self.rest.or(self.ahead.map(|(state, _)| state)).map(|(position, at)| (Position(position), at))
    }

    /// Nothing is held behind it.
    pub fn is_empty(&self) -> bool {
        self.ahead.is_none() && self.rest.is_none()
    }

    /// The copy, if this is how it was looked at.
    pub fn through(&self, lens: &Arc<Lens>) -> Option<Copy> {
        if self.turning || self.print != lens.print {
            return None;
        }
        let state = |(position, at): (i64, Instant)| State { position, at, lens: lens.clone() };
        Some(Copy { ahead: self.ahead.map(|(at, place)| (state(at), place)), rest: self.rest.map(state) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_of_one_length_and_only_for_their_subject() {
        let codec = Codec::new(&[7; 32], Uuid::from_u128(1));
        let mark = |position, ahead| {
            let rest = Some((position, Instant(5)));
            Mark { print: [3; 16], policies: u64::MAX, ahead, rest, turning: false }
        };
        let place = (TypeId(3), Uuid::from_u128(9));
        let (short, long) = (mark(1, None), mark(i64::MAX, Some(((7, Instant(8)), place))));
        for mark in [short, long] {
            let text = mark.seal(&[1; 16], &codec);
            assert_eq!(Mark::open(&text, &[1; 16], &codec), Some(mark));
            assert_ne!(text, mark.seal(&[1; 16], &codec));
            assert_eq!(text.len(), short.seal(&[1; 16], &codec).len());
            assert_eq!(Mark::open(&text, &[2; 16], &codec), None);
            assert_eq!(Mark::open(&text, &[1; 16], &Codec::new(&[7; 32], Uuid::from_u128(2))), None);
            assert_eq!(Mark::open(&text[..text.len() - 1], &[1; 16], &codec), None);
        }
        assert_eq!(Mark::open("", &[1; 16], &codec), None);
    }
}
