//! References of a batch of rows → keys of ours. A text is looked up as the key that the row has in its
//! source, and else taken as our own id. One question per type and batch, and what was found is kept.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use crate::{
    access::load::Load,
    catalogue::{CATALOGUE, TypeId},
    error::Result,
};

/// So many found keys are kept, to bound the memory.
const KEPT: usize = 200_000;

#[derive(Default)]
pub(super) struct Keys {
    found: HashMap<TypeId, HashMap<String, Uuid>>,
    kept: usize,
}

/// The texts of a batch that are to be looked up.
#[derive(Default)]
pub(super) struct Wanted(HashMap<TypeId, HashSet<String>>);

impl Wanted {
    pub(super) fn add(&mut self, ty: TypeId, text: &str) {
        let texts = self.0.entry(ty).or_default();
        if !texts.contains(text) {
            texts.insert(text.to_owned());
        }
    }
}

impl Keys {
    pub(super) fn get(&self, ty: TypeId, text: &str) -> Option<Uuid> {
        self.found.get(&ty)?.get(text).copied()
    }

    pub(super) fn add(&mut self, ty: TypeId, text: String, id: Uuid) {
        if self.found.entry(ty).or_default().insert(text, id).is_none() {
            self.kept += 1;
        }
    }

    /// Asks for what is not known yet. What does not exist stays unknown.
    pub(super) async fn find(&mut self, load: &mut Load, source: &str, wanted: Wanted) -> Result<()> {
        if self.kept > KEPT {
            self.found.clear();
            self.kept = 0;
        }
        for (id, texts) in wanted.0 {
            let ty = CATALOGUE.ty(id);
            let unknown: Vec<String> = texts.into_iter().filter(|text| self.get(id, text).is_none()).collect();
            if unknown.is_empty() {
                continue;
            }
            let keyed = load.keyed(ty, source, &unknown).await?;
            let rest = unknown.iter().filter(|text| !keyed.contains_key(*text));
            let ours: Vec<(&String, Uuid)> = rest.filter_map(|text| Some((text, text.parse().ok()?))).collect();
            if !ours.is_empty() {
                let existing = load.existing(ty, &ours.iter().map(|(_, id)| *id).collect::<Vec<_>>()).await?;
                for (text, key) in ours.into_iter().filter(|(_, key)| existing.contains(key)) {
                    self.add(id, text.clone(), key);
                }
            }
            for (text, key) in keyed {
                self.add(id, text, key);
            }
        }
        Ok(())
    }
}
