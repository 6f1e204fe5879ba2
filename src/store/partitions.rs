//! The months of the timeline, made ahead.

use sqlx::PgConnection;

/// Months for which the timeline has a partition ahead, the present one among them.
const MONTHS_AHEAD: i32 = 4;

/// Makes the timeline's partitions for the months to come, where they are missing.
pub(super) async fn make(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query!("SELECT make_partitions((leavebridge_now() AT TIME ZONE 'UTC')::date, $1)", MONTHS_AHEAD)
        .execute(connection)
        .await?;
    Ok(())
}
