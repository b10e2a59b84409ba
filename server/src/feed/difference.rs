//! From what a subscriber holds to the next state, page by page: the difference of two answers. Where only rows
//! changed, transaction by transaction and for the rows that they touched; where rights did, over all rows at once.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use entities::Instant;
use uuid::Uuid;

use super::{
    Event,
    copy::{Copy, Place, State},
};
use crate::{
    access::{
        lead::MOST,
        log::{FEW, Position},
        memory::{Case, Known, Needs},
    },
    app::App,
    audit::Delivered,
    catalogue::{TypeId, Value},
    error::{Error, Result},
    graphql::{
        ChangeKind, Codec,
        subscription::{Look, Nodes, PAGE, Question, Shown, Told, Track, Watch},
    },
};

/// What a group asks.
#[derive(Debug)]
pub struct Desk {
    pub question: Question,
    /// Seat and question: what a cursor is good for.
    pub subject: [u8; 16],
    pub codec: Arc<Codec>,
}

/// An event, and what its receiver holds when it has taken it.
#[derive(Clone, Debug)]
pub struct Step {
    pub event: Arc<Event>,
    pub rows: Arc<[(TypeId, Delivered)]>,
    pub after: Copy,
}

pub struct Page {
    pub steps: Vec<Step>,
    pub copy: Copy,
}

/// Changed rows that are read from the log at once.
pub const CHANGES: usize = 2_000;

/// Why rows differ.
#[derive(Clone, Copy)]
enum Cause {
    /// Or a first look. Whether a row that is no longer shown is gone is not for the receiver to know.
    Rights,
    Transaction(Instant),
}

/// The transaction that touched a row, and the one before it.
#[derive(Clone, Copy)]
struct Touch {
    before: i64,
    position: i64,
    at: Instant,
}

enum Difference {
    Entered,
    Changed(Vec<&'static str>),
    Gone,
}

impl Desk {
    /// The next events on the way to a state; `None`: from this copy there is no exact way.
    pub async fn page(&self, app: &App, copy: &Copy, to: &State) -> Result<Option<Page>> {
        let (goal, behind) = match &copy.ahead {
            Some((state, place)) if state.is_like(to) => (state, Some(*place)),
            Some(_) => return Ok(None),
            None => (to, None),
        };
        let page = match &copy.rest {
            Some(from) if from.is_like(goal) => self.changes(app, from, goal, behind).await?,
            from => self.walk(app, from.as_ref(), goal, behind, Cause::Rights).await?,
        };
        Ok(Some(page))
    }

    /// The next transactions.
    async fn changes(&self, app: &App, from: &State, goal: &State, behind: Option<Place>) -> Result<Page> {
        let Some(watch) = &goal.lens.watch else {
            return Ok(Page { steps: Vec::new(), copy: Copy::at(goal.clone()) });
        };
        let found = app.gate.touched_until(Position(from.position), Position(goal.position), CHANGES).await?;
        let follows = |ty| watch.tracks.iter().any(|track| track.ty == ty);
        let mut rows: BTreeMap<Place, Touch> = BTreeMap::new();
        let (mut end, mut before) = (found.until.0.min(goal.position), from.position);
        for transaction in found.list.chunk_by(|a, b| a.position == b.position) {
            let Some((position, at)) = transaction.first().map(|row| (row.position.0, row.at)) else { continue };
            // what an operator writes on SQLite may be read as one transaction that goes on beyond the goal: more rows
            // than were touched are compared, and those show no difference
            if before >= goal.position {
                break;
            }
            let position = position.min(goal.position);
            let own: BTreeSet<Place> =
                transaction.iter().filter(|row| follows(row.ty)).map(|row| (row.ty, row.key)).collect();
            let moves = |track: &Track| transaction.iter().any(|row| track.decided_by(row.ty));
            let moves = watch.tracks.iter().any(moves);
            let shows =
                |track: &Track| transaction.iter().any(|row| row.ty != track.ty && track.reads.contains(&row.ty));
            let again = own.iter().any(|place| rows.contains_key(place)) || rows.len() + own.len() > PAGE;
            if !rows.is_empty() && (again || moves || watch.tracks.iter().any(shows)) {
                end = before;
                break;
            }
            let moved = if moves { transaction.len() } else { 0 };
            let Some(more) = self.affected(app, goal, (before, position), own, moved).await? else {
                // one look at all rows serves all transactions that were read, and from far away all that there are; who
                // is half way keeps to its goal
                let all = behind.is_some() || app.gate.is_far(before).await?;
                let end = if all { goal.position } else { found.until.0.min(goal.position) };
                let goal = if end == goal.position { goal.clone() } else { goal.behind(end) };
                return self.walk(app, Some(&from.behind(before)), &goal, behind, Cause::Transaction(at)).await;
            };
            rows.extend(more.into_iter().map(|place| (place, Touch { before, position, at })));
            before = position;
            if rows.len() >= PAGE {
                end = before;
                break;
            }
        }
        let last = if end == goal.position { goal.clone() } else { goal.behind(end) };
        // by what is at hand: whoever is there at each commit asks nothing more
        let is_far = goal.position - from.position > FEW as i64 || found.list.len() > FEW;
        // what is read with all that it holds is little, however many rows of others a transaction has
        if is_far && found.list.iter().filter(|row| row.position.0 <= end).count() <= CHANGES {
            self.leave_out(app, from, &last, &mut rows).await?;
        }
        self.touched(app, from, &last, rows, behind).await
    }

    /// The rows that a transaction touched, and those that its changes of others may show otherwise; `None`: it may be
    /// any row, or too many.
    async fn affected(
        &self,
        app: &App,
        goal: &State,
        between: (i64, i64),
        mut rows: BTreeSet<Place>,
        moved: usize,
    ) -> Result<Option<BTreeSet<Place>>> {
        // before they are read with all that they hold
        let is_few = rows.len() <= MOST && moved <= MOST;
        let Some(watch) = goal.lens.watch.as_ref().filter(|_| is_few) else { return Ok(None) };
        if moved > 0 {
            let changes = app.gate.changes(Position(between.0), 1).await?.list;
            for track in &watch.tracks {
                let keys = track.affected(&self.look(app, goal), between, &changes).await?;
                let Some(keys) = keys else { return Ok(None) };
                rows.extend(keys.into_iter().map(|key| (track.ty, key)));
            }
        }
        Ok(Some(rows))
    }

    /// The rows that were touched between two states, each once; of many the next ones.
    async fn touched(
        &self,
        app: &App,
        from: &State,
        last: &State,
        mut rows: BTreeMap<Place, Touch>,
        behind: Option<Place>,
    ) -> Result<Page> {
        rows.retain(|place, _| behind.is_none_or(|behind| *place > behind));
        // more than a page are those of one transaction
        let end = if rows.len() > PAGE {
            rows.iter().nth(PAGE - 1).map(|(place, touch)| (*place, touch.before))
        } else {
            None
        };
        rows.retain(|place, _| end.is_none_or(|(end, _)| *place <= end));
        let copy = match end {
            Some((end, before)) => Copy { ahead: Some((last.clone(), end)), rest: Some(from.behind(before)) },
            None => Copy::at(last.clone()),
        };
        let done = Page { steps: Vec::new(), copy };
        let Some(watch) = last.lens.watch.as_ref().filter(|_| !rows.is_empty()) else { return Ok(done) };
        let mut found: Vec<(i64, Place, Difference)> = Vec::new();
        for (i, track) in watch.tracks.iter().enumerate() {
            let keys: Vec<Uuid> = rows.keys().filter(|(ty, _)| *ty == track.ty).map(|(_, key)| *key).collect();
            if keys.is_empty() {
                continue;
            }
            let old = self.some(app, from, i, &keys).await?;
            let new = self.some(app, last, i, &keys).await?;
            for (key, difference) in compare(watch, i, &old, watch, i, &new, Uuid::max()) {
                let place = (track.ty, key);
                found.push((rows[&place].position, place, difference));
            }
        }
        found.sort_by_key(|(position, place, _)| (*position, *place));
        let mut told = Vec::new();
        for (i, (position, place, difference)) in found.iter().enumerate() {
            let Touch { before, at, .. } = rows[place];
            let ends = end.is_none() && found.get(i + 1).is_none_or(|(next, ..)| next != position);
            let state = if *position == last.position { last.clone() } else { last.behind(*position) };
            let after = match ends {
                true => Copy::at(state),
                false => Copy { ahead: Some((state, *place)), rest: Some(from.behind(before)) },
            };
            told.push((*place, difference, at, after));
        }
        let steps = self.tell(app, from, last, told, true).await?;
        Ok(Page { steps, ..done })
    }

    /// Far back each row is looked up by itself, with all that it leads to. Most of those that changed are somebody
    /// else's: what they held themselves says that neither state shows them.
    async fn leave_out(&self, app: &App, from: &State, last: &State, rows: &mut BTreeMap<Place, Touch>) -> Result<()> {
        let mut images: BTreeMap<Place, [Option<Box<[Value]>>; 2]> = BTreeMap::new();
        let mut at = Position(from.position);
        while at.0 < last.position {
            let read = app.gate.changes(at, PAGE).await?;
            if read.until == at {
                return Ok(());
            }
            at = read.until;
            for change in read.list.into_iter().filter(|change| change.position.0 <= last.position) {
                let place = (change.ty, change.key);
                if rows.contains_key(&place) {
                    images.entry(place).or_insert([change.before, None])[1] = change.after;
                }
            }
        }
        let is_hidden = |state: &State, ty: TypeId, row: &Option<Box<[Value]>>| {
            let Some(row) = row else { return true };
            let case = Case { view: &state.lens.view, me: state.lens.me, ty, row, fields: &[] };
            case.decide(&Known::at(state.at), &mut Needs::default()) == Some(None)
        };
        let mut hidden = BTreeMap::new();
        rows.retain(|place, touch| {
            let left_out = images
                .get(place)
                .is_some_and(|[before, after]| is_hidden(from, place.0, before) && is_hidden(last, place.0, after));
            if left_out {
                hidden.insert(*place, *touch);
            }
            !left_out
        });
        // every test of a feed is one of this, too
        if cfg!(debug_assertions) {
            self.are_hidden(app, from, last, &hidden).await?;
        }
        Ok(())
    }

    async fn are_hidden(&self, app: &App, from: &State, last: &State, rows: &BTreeMap<Place, Touch>) -> Result<()> {
        for state in [from, last] {
            let tracks = state.lens.watch.iter().flat_map(|watch| watch.tracks.iter().enumerate());
            for (i, track) in tracks {
                let keys: Vec<Uuid> = rows.keys().filter(|(ty, _)| *ty == track.ty).map(|(_, key)| *key).collect();
                if !keys.is_empty() && !self.some(app, state, i, &keys).await?.is_empty() {
                    return Err(Error::internal("a row is shown that was left out"));
                }
            }
        }
        Ok(())
    }

    async fn some(&self, app: &App, state: &State, track: usize, keys: &[Uuid]) -> Result<Shown> {
        let Some(watch) = &state.lens.watch else { return Ok(Shown::none()) };
        watch.some(&self.question, &self.look(app, state), track, keys).await
    }

    /// The next rows of all.
    async fn walk(
        &self,
        app: &App,
        from: Option<&State>,
        goal: &State,
        behind: Option<Place>,
        cause: Cause,
    ) -> Result<Page> {
        let here = |state: &State, ty: TypeId| {
            state.lens.watch.as_ref().and_then(|watch| watch.tracks.iter().position(|track| track.ty == ty))
        };
        let states = || from.into_iter().chain([goal]);
        let types: BTreeSet<TypeId> =
            states().filter_map(|s| s.lens.watch.as_ref()).flat_map(|w| w.tracks.iter().map(|t| t.ty)).collect();
        let start = behind.unwrap_or((TypeId(0), Uuid::nil()));
        let mut left = types.into_iter().filter(|ty| *ty >= start.0);
        let Some(ty) = left.next() else {
            return Ok(Page { steps: Vec::new(), copy: Copy::at(goal.clone()) });
        };
        let key = if ty == start.0 { start.1 } else { Uuid::nil() };
        let tracks = (from.and_then(|from| here(from, ty)), here(goal, ty));
        // far back rows are found by their keys alone
        let keys = match from {
            Some(from) if app.gate.is_far(from.position).await? => Some(app.gate.keys(ty, key, PAGE).await?),
            _ => None,
        };
        let old = match (from, tracks.0) {
            (Some(from), Some(track)) => self.next(app, from, track, key, keys.as_deref()).await?,
            _ => Shown::none(),
        };
        let new = match tracks.1 {
            Some(track) => self.next(app, goal, track, key, keys.as_deref()).await?,
            None => Shown::none(),
        };
        // beyond the last row of a full page the other one's rows cannot be judged yet
        let full = [&old, &new].into_iter().filter(|shown| shown.len() >= PAGE).map(|shown| shown.key(shown.len() - 1));
        let end = match &keys {
            Some(keys) => keys.get(PAGE - 1).copied(),
            None => full.min(),
        };
        let upto = end.unwrap_or(Uuid::max());
        let after = |place| Copy { ahead: Some((goal.clone(), place)), rest: from.cloned() };
        let copy = match (end, left.next()) {
            (Some(key), _) => after((ty, key)),
            (None, Some(next)) => after((next, Uuid::nil())),
            (None, None) => Copy::at(goal.clone()),
        };
        let differences = match (from.and_then(|from| from.lens.watch.as_ref()), &goal.lens.watch) {
            (Some(before), Some(watch)) => {
                compare(before, tracks.0.unwrap_or(0), &old, watch, tracks.1.unwrap_or(0), &new, upto)
            }
            (Some(watch), None) | (None, Some(watch)) => compare(watch, 0, &old, watch, 0, &new, upto),
            (None, None) => Vec::new(),
        };
        let (at, tells) = match cause {
            Cause::Rights => (app.clock.now(), false),
            Cause::Transaction(at) => (at, true),
        };
        let count = differences.len();
        let told = differences.iter().enumerate().map(|(i, (key, difference))| {
            let after = if i + 1 == count { copy.clone() } else { after((ty, *key)) };
            ((ty, *key), difference, at, after)
        });
        let told = told.collect();
        let steps = self.tell(app, from.unwrap_or(goal), goal, told, tells).await?;
        Ok(Page { steps, copy })
    }

    async fn next(&self, app: &App, state: &State, track: usize, behind: Uuid, keys: Option<&[Uuid]>) -> Result<Shown> {
        if let Some(keys) = keys {
            return self.some(app, state, track, keys).await;
        }
        let Some(watch) = &state.lens.watch else { return Ok(Shown::none()) };
        watch.page(&self.question, &self.look(app, state), track, behind).await
    }

    fn look<'a>(&'a self, app: &'a App, state: &'a State) -> Look<'a> {
        let lens = &state.lens;
        let position = Position(state.position);
        Look { gate: &app.gate, view: &lens.view, codec: &self.codec, me: lens.me, at: state.at, position }
    }

    /// The events of these differences, in their order.
    async fn tell(
        &self,
        app: &App,
        from: &State,
        to: &State,
        told: Vec<(Place, &Difference, Instant, Copy)>,
        tells_deletes: bool,
    ) -> Result<Vec<Step>> {
        let watch = to.lens.watch.as_ref().or(from.lens.watch.as_ref());
        let Some(watch) = watch.filter(|_| !told.is_empty()) else { return Ok(Vec::new()) };
        let mut nodes: BTreeMap<Place, Nodes> = BTreeMap::new();
        let mut kept: HashSet<Place> = HashSet::new();
        let types: BTreeSet<TypeId> = told.iter().map(|((ty, _), ..)| *ty).collect();
        for ty in types {
            let keys = |gone: bool| -> Vec<Uuid> {
                let of = told.iter().filter(|((of, _), d, ..)| *of == ty && matches!(d, Difference::Gone) == gone);
                of.map(|((_, key), ..)| *key).collect()
            };
            let (shown, gone) = (keys(false), keys(true));
            if tells_deletes && !gone.is_empty() {
                let mut past = app.gate.past(to.position).await?;
                kept.extend(past.existing(ty, gone).await?.into_iter().map(|key| (ty, key)));
                past.finish().await?;
            }
            let track = watch.tracks.iter().position(|track| track.ty == ty);
            if let Some(track) = track.filter(|_| !shown.is_empty() && to.lens.watch.is_some()) {
                let all = watch.nodes(&self.question, &self.look(app, to), track, &shown).await?;
                nodes.extend(shown.into_iter().map(|key| (ty, key)).zip(all));
            }
        }
        let steps = told.into_iter().map(|(place, difference, at, after)| {
            let none: &[&'static str] = &[];
            let (kind, changed) = match difference {
                Difference::Entered => (ChangeKind::Entered, none),
                Difference::Changed(fields) => (ChangeKind::Changed, &fields[..]),
                Difference::Gone if tells_deletes && !kept.contains(&place) => (ChangeKind::Deleted, none),
                Difference::Gone => (ChangeKind::Left, none),
            };
            let node = nodes.get(&place);
            let mut rows: Vec<(TypeId, Delivered)> = node.map(|nodes| nodes.delivered().collect()).unwrap_or_default();
            if rows.iter().all(|(ty, _)| *ty != place.0) {
                rows.push((place.0, Delivered { rows: 1, last: Some(place.1) }));
            }
            let told = Told { kind, cursor: "", row: Some(place), changed, at, reason: None };
            self.step(watch, told, node, rows, after)
        });
        Ok(steps.collect())
    }

    fn step(
        &self,
        watch: &Watch,
        told: Told<'_>,
        node: Option<&Nodes>,
        rows: Vec<(TypeId, Delivered)>,
        after: Copy,
    ) -> Step {
        let cursor = after.seal(&self.subject, &self.codec);
        let body = watch.write(&Told { cursor: &cursor, ..told }, node, &self.codec);
        let event = Event::new(Some(cursor.into()), body);
        Step { event: Arc::new(event), rows: rows.into(), after }
    }

    /// That the receiver has all up to this state.
    pub fn checkpoint(&self, state: &State, at: Instant) -> Result<Step> {
        self.notice(state, ChangeKind::Checkpoint, None, Copy::at(state.clone()), at)
    }

    /// That the receiver has to begin anew.
    pub fn gap(&self, state: &State, reason: &str, at: Instant) -> Result<Step> {
        self.notice(state, ChangeKind::Gap, Some(reason), Copy::empty(), at)
    }

    fn notice(&self, state: &State, kind: ChangeKind, reason: Option<&str>, after: Copy, at: Instant) -> Result<Step> {
        let watch = state.lens.watch.as_ref().ok_or_else(|| Error::internal("a notice to nobody"))?;
        let told = Told { kind, cursor: "", row: None, changed: &[], at, reason };
        Ok(self.step(watch, told, None, Vec::new(), after))
    }
}

/// Two pages of one type, in the order of their keys, up to one of them.
fn compare(
    before: &Watch,
    old_track: usize,
    old: &Shown,
    after: &Watch,
    new_track: usize,
    new: &Shown,
    upto: Uuid,
) -> Vec<(Uuid, Difference)> {
    let (mut i, mut j, mut out) = (0, 0, Vec::new());
    let key = |shown: &Shown, row: usize| (row < shown.len()).then(|| shown.key(row)).filter(|key| *key <= upto);
    loop {
        match (key(old, i), key(new, j)) {
            (None, None) => return out,
            (Some(a), Some(b)) if a == b => {
                let fields = after.differ(before, (old_track, new_track), (old, i), (new, j));
                if !fields.is_empty() {
                    out.push((a, Difference::Changed(fields)));
                }
                (i, j) = (i + 1, j + 1);
            }
            (Some(a), b) if b.is_none_or(|b| a < b) => {
                out.push((a, Difference::Gone));
                i += 1;
            }
            (_, Some(b)) => {
                out.push((b, Difference::Entered));
                j += 1;
            }
            (Some(_), None) => return out,
        }
    }
}
