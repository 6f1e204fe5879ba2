//! The way in for every webhook.

pub use super::answer::Intake;
use super::{database::Store, error::StoreError};
use crate::reconcile::change::Change;

impl Store {
    /// Takes in one change. When this returns `Ok`, it is committed.
    ///
    /// # Errors
    /// When the database did not confirm it; the change may or may not be stored then, and the sender must try again.
    pub async fn accept(&self, change: Change) -> Result<Intake, StoreError> {
        self.intake.take_in(&self.queue, change).await
    }
}
