//! The people of the simulated directory, and how each is found.
//!
//! It must never be locked while a mailbox is worked on; a person is handed out shared and brings their own locks.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use uuid::Uuid;

use super::{clock::Random, ids::Seal, limits::Gate, mailbox::Mailbox, profile::Profile, score::Score};

/// Somebody, with mailbox and limits.
#[derive(Debug)]
pub(crate) struct Person {
    profile: RwLock<Arc<Profile>>,
    mailbox: Mutex<Mailbox>,
    pub(crate) gate: Arc<Gate>,
}

impl Person {
    /// The profile of this moment.
    pub(crate) fn profile(&self) -> Arc<Profile> {
        Arc::clone(&self.profile.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The mailbox, for as long as the guard lives; never keep it over an await.
    pub(crate) fn mailbox(&self) -> MutexGuard<'_, Mailbox> {
        self.mailbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Throws all events away; ids given out before become strangers.
    pub(crate) fn empty(&self, random: &Random) {
        let mut mailbox = self.mailbox();
        let score = mailbox.score();
        *mailbox = Mailbox::new(Seal::new(self.profile().id, random.bits()), score);
        self.gate.clear();
    }
}

/// Everybody, in the order they came.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    people: Vec<Arc<Person>>,
    by_id: HashMap<Uuid, usize>,
    by_address: HashMap<String, usize>,
    by_alias: HashMap<String, usize>,
    by_employee: HashMap<String, Vec<usize>>,
}

/// Somebody else has that address.
#[derive(Debug)]
pub(crate) struct AddressTaken;

impl Directory {
    /// Everybody.
    pub(crate) fn people(&self) -> &[Arc<Person>] {
        &self.people
    }

    /// Finds somebody by object id, user principal name or primary address.
    pub(crate) fn find(&self, key: &str) -> Option<&Arc<Person>> {
        let by_id = || self.by_id.get(&Uuid::parse_str(key).ok()?);
        let found = self.by_address.get(&key.to_lowercase()).or_else(by_id)?;
        self.people.get(*found)
    }

    /// Finds somebody by any address that mail reaches.
    pub(crate) fn reached(&self, address: &str) -> Option<&Arc<Person>> {
        let primary = self.find(address).filter(|person| person.profile().address.eq_ignore_ascii_case(address));
        primary.or_else(|| self.people.get(*self.by_alias.get(&address.to_lowercase())?))
    }

    /// Finds people by employee number.
    pub(crate) fn employees(&self, number: &str) -> impl Iterator<Item = &Arc<Person>> {
        let found = self.by_employee.get(&number.to_lowercase()).map_or(&[][..], Vec::as_slice);
        found.iter().filter_map(|place| self.people.get(*place))
    }

    /// Adds somebody.
    pub(crate) fn add(&mut self, profile: Profile, salt: u64, score: Arc<Score>) -> Result<Arc<Profile>, AddressTaken> {
        if self.is_taken(&profile, None) {
            return Err(AddressTaken);
        }
        self.give_up_aliases(&profile);
        let place = self.people.len();
        let profile = Arc::new(profile);
        self.index(place, &profile);
        self.by_id.insert(profile.id, place);
        self.people.push(Arc::new(Person {
            mailbox: Mutex::new(Mailbox::new(Seal::new(profile.id, salt), score)),
            profile: RwLock::new(Arc::clone(&profile)),
            gate: Arc::default(),
        }));
        Ok(profile)
    }

    /// Gives somebody a new profile; the object id stays.
    pub(crate) fn change(&mut self, profile: Profile) -> Result<Arc<Profile>, AddressTaken> {
        let Some(&place) = self.by_id.get(&profile.id) else { return Err(AddressTaken) };
        if self.is_taken(&profile, Some(place)) {
            return Err(AddressTaken);
        }
        self.give_up_aliases(&profile);
        Ok(self.replace(place, profile))
    }

    /// Takes somebody out of the directory, with the mailbox; the object id never comes back.
    pub(crate) fn remove(&mut self, id: Uuid) {
        self.people.retain(|person| person.profile().id != id);
        *self = Self { people: std::mem::take(&mut self.people), ..Self::default() };
        for place in 0..self.people.len() {
            let profile = self.people[place].profile();
            self.by_id.insert(profile.id, place);
            self.index(place, &profile);
        }
    }

    /// Whether another than the one at `place` has one of the addresses, or one of the aliases.
    fn is_taken(&self, profile: &Profile, place: Option<usize>) -> bool {
        let is_other = |owner: Option<&usize>| owner.is_some_and(|owner| Some(*owner) != place);
        let mut aliases = profile.aliases.iter().map(|alias| alias.to_lowercase());
        addresses(profile).iter().any(|address| is_other(self.by_address.get(address)))
            || aliases.any(|alias| is_other(self.by_address.get(&alias)) || is_other(self.by_alias.get(&alias)))
    }

    /// An address that is given to somebody is nobody else's alias any more: the administrator took it away first.
    fn give_up_aliases(&mut self, profile: &Profile) {
        for address in addresses(profile) {
            let Some(&owner) = self.by_alias.get(&address) else { continue };
            let mut former = (*self.people[owner].profile()).clone();
            if former.id != profile.id {
                former.aliases.retain(|alias| !alias.eq_ignore_ascii_case(&address));
                self.replace(owner, former);
            }
        }
    }

    fn replace(&mut self, place: usize, profile: Profile) -> Arc<Profile> {
        self.by_address.retain(|_, owner| *owner != place);
        self.by_alias.retain(|_, owner| *owner != place);
        self.by_employee.values_mut().for_each(|places| places.retain(|owner| *owner != place));
        let profile = Arc::new(profile);
        self.index(place, &profile);
        if let Some(person) = self.people.get(place) {
            *person.profile.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&profile);
        }
        profile
    }

    fn index(&mut self, place: usize, profile: &Profile) {
        self.by_address.extend(addresses(profile).map(|address| (address, place)));
        self.by_alias.extend(profile.aliases.iter().map(|alias| (alias.to_lowercase(), place)));
        if let Some(number) = &profile.employee_id {
            self.by_employee.entry(number.to_lowercase()).or_default().push(place);
        }
    }
}

fn addresses(profile: &Profile) -> [String; 2] {
    [profile.address.to_lowercase(), profile.user_principal_name.to_lowercase()]
}
