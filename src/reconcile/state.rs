//! The fixed words of the state machine. Each is defined here once, for the database, the API and the log alike.

/// An enum whose variants are words of the API and the database.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// All variants, in the order in which they are documented.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word for it in the API and the database.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// The variant of that word; `None` for a word of another version.
            #[must_use]
            pub fn of(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.word() == word)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.word())
            }
        }
    };
}

words! {
    /// How an item stands.
    State {
        /// Due, or being delivered.
        Pending = "pending",
        /// Tried again by itself, later.
        Waiting = "waiting",
        /// As wanted when last written or checked.
        Synced = "synced",
        /// Nothing is there, as wanted.
        Removed = "removed",
        /// Nothing of ours is there: the policy, or the person, does not want it.
        Hidden = "hidden",
        /// A person is needed.
        Parked = "parked",
    }
}

impl State {
    /// Whether the queue still has to bring it to an end.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Waiting)
    }
}

impl State {
    /// The word for it of an automatic reply in the API and in metrics.
    #[must_use]
    pub const fn reply_word(self) -> &'static str {
        match self {
            Self::Synced => "scheduled",
            Self::Removed => "none",
            Self::Hidden => "kept",
            other => other.word(),
        }
    }
}

words! {
    /// What an item brings about in its mailbox.
    Kind {
        /// An event for one leave.
        Event = "event",
        /// The mailbox's automatic reply.
        Reply = "reply",
        /// The reading of the mailbox's time zone and working hours.
        Settings = "settings",
    }
}

impl Kind {
    /// In which order the kinds of one mailbox are delivered: events need the settings; a reply never delays an event.
    #[must_use]
    pub const fn stage(self) -> u8 {
        match self {
            Self::Settings => 0,
            Self::Event => 1,
            Self::Reply => 2,
        }
    }
}

words! {
    /// What became of a webhook.
    Acceptance {
        /// Stored; the calendar follows.
        Accepted = "accepted",
        /// The leave already looks like this.
        Unchanged = "unchanged",
        /// This very delivery was taken in before.
        Duplicate = "duplicate",
        /// Older than what is stored.
        Stale = "stale",
    }
}

words! {
    /// What a line of a leave's timeline is about.
    TimelineKind {
        /// A webhook: the first of its leave, or one that changed nothing.
        Received = "received",
        /// A webhook that changed the leave.
        Changed = "changed",
        /// A delivery reached what is wanted.
        Delivered = "delivered",
        /// A delivery did not; it goes on by itself.
        Failed = "failed",
        /// A delivery ended; a person is needed.
        Parked = "parked",
        /// An operator tried it again.
        Retried = "retried",
        /// The policy has changed.
        Resynced = "resynced",
        /// Two mailboxes turned out to be one.
        Merged = "merged",
    }
}

words! {
    /// Why an item waits, is parked, or is as it is.
    Reason {
        /// Microsoft asks the mailbox to slow down.
        Throttled = "throttled",
        /// Graph did not answer.
        GraphUnavailable = "graph-unavailable",
        /// Graph failed on this request.
        GraphError = "graph-error",
        /// The event was changed at the same moment.
        Conflict = "conflict",
        /// Exchange Online has no such mailbox.
        MailboxMissing = "mailbox-missing",
        /// The app may not touch the mailbox.
        AccessDenied = "access-denied",
        /// The mailbox is full.
        MailboxFull = "mailbox-full",
        /// The event had been deleted in Outlook.
        EventGone = "event-gone",
        /// Graph refuses what we sent.
        Rejected = "rejected",
        /// Microsoft refuses the app's credentials.
        Credentials = "credentials",
        /// Entra issues no token at the moment.
        EntraUnavailable = "entra-unavailable",
        /// leavebridge itself failed on this leave.
        Internal = "internal",
        /// The person has an automatic reply of their own.
        OwnReply = "own-reply",
        /// The person has switched our automatic reply off.
        SwitchedOff = "switched-off",
        /// The object id that the source gave is not the one that the directory has for the address.
        IdentityConflict = "identity-conflict",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_leads_back_to_what_it_stands_for() {
        fn holds<T: Copy + PartialEq + std::fmt::Debug + serde::Serialize>(
            all: &[T],
            word: fn(T) -> &'static str,
            of: fn(&str) -> Option<T>,
        ) {
            for one in all {
                assert_eq!(of(word(*one)), Some(*one));
                assert_eq!(serde_json::to_value(one).unwrap(), word(*one));
            }
            assert_eq!(of("a word of another version"), None);
        }
        holds(State::ALL, State::word, State::of);
        holds(Kind::ALL, Kind::word, Kind::of);
        holds(Acceptance::ALL, Acceptance::word, Acceptance::of);
        holds(TimelineKind::ALL, TimelineKind::word, TimelineKind::of);
        holds(Reason::ALL, Reason::word, Reason::of);
    }
}
