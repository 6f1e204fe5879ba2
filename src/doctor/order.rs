//! What the doctor is asked to examine.
//!
//! An order that cannot be carried out is refused as a whole, before anything is asked of Microsoft.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::domain::problem::Problems;

/// What to look at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Order {
    /// This tenant only; all of them when it is left out.
    pub tenant: Option<String>,
    /// A mailbox that leavebridge has to be able to write to.
    #[schema(example = "amy.chan@contoso.com")]
    pub mailbox: Option<String>,
    /// A mailbox that leavebridge must not be able to open.
    #[schema(example = "the.director@contoso.com")]
    pub outside_mailbox: Option<String>,
    /// Whether to write an event into `mailbox`, change it and delete it again.
    pub write_test: bool,
}

impl Order {
    /// All that is wrong with it, by field.
    ///
    /// # Errors
    /// When it cannot be carried out.
    pub fn check(&self, tenants: &[&str]) -> Result<(), Problems> {
        let mut problems = Problems::default();
        if self.tenant.as_ref().is_some_and(|tenant| !tenants.contains(&tenant.as_str())) {
            problems.add("tenant", format!("is none of the configured ones: {}", tenants.join(", ")));
        }
        let names_a_mailbox = self.mailbox.is_some() || self.outside_mailbox.is_some();
        if names_a_mailbox && self.tenant.is_none() && tenants.len() > 1 {
            problems.add("tenant", format!("is missing: whose mailbox is it? One of {}", tenants.join(", ")));
        }
        for (field, mailbox) in [("mailbox", &self.mailbox), ("outside_mailbox", &self.outside_mailbox)] {
            let is_right =
                |text: &String| !text.trim().is_empty() && text.len() <= 254 && !text.chars().any(char::is_control);
            if mailbox.as_ref().is_some_and(|text| !is_right(text)) {
                problems.add(field, "must be an address or an object id");
            }
        }
        let same = |one: &String, other: &String| one.trim().eq_ignore_ascii_case(other.trim());
        if self.mailbox.as_ref().zip(self.outside_mailbox.as_ref()).is_some_and(|(one, other)| same(one, other)) {
            problems.add("outside_mailbox", "is the same as the mailbox that has to open");
        }
        if self.write_test && self.mailbox.is_none() {
            problems.add("mailbox", "is missing: the write test needs to know where to write");
        }
        problems.or(())
    }
}
