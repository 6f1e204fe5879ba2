//! The queue is as fast with years of history as without: a claim reads what is due, and nothing else.
//!
//! PostgreSQL's own counts say what was read while the very code ran, however often it planned the statement anew.

use std::time::Duration;

use leavebridge::store::Store;
use secrecy::SecretString;

use crate::support::{database::Database, until};

const HISTORY: &str = "
    INSERT INTO mailboxes (tenant, address) SELECT 'default', 'p' || n FROM generate_series(1, 2000) AS n;
    INSERT INTO leaves (tenant, source, external_id, status, source_at)
    SELECT 'default', 'ess', 'L' || n, 'cancelled', now() FROM generate_series(1, 20000) AS n;
    INSERT INTO items (id, kind, leave, mailbox, tenant, address, state, updated_at)
    SELECT gen_random_uuid(), 'event', l.id, b.id, 'default', b.address, 'removed', leavebridge_now()
    FROM leaves l JOIN mailboxes b ON b.address = 'p' || (1 + l.id % 2000);
    UPDATE items SET state = 'pending', next_at = leavebridge_now() WHERE leave IN (SELECT id FROM leaves LIMIT 5)";
const CLAIMS: i64 = 12;

#[tokio::test]
async fn a_claim_reads_what_is_due_and_none_of_the_history() {
    for analyzed in [false, true] {
        let database = Database::new("2026-11-22T01:30:00Z".parse().unwrap()).await;
        database.execute(HISTORY).await;
        // Statistics come late in a new database; no plan may depend on them.
        database.execute(if analyzed { "VACUUM ANALYZE" } else { "VACUUM items" }).await;
        database.execute("SELECT pg_stat_reset()").await;
        let store = Store::new(&SecretString::from(database.url.clone()), 1).unwrap();
        // Often enough for PostgreSQL to settle on a plan for good.
        for _ in 0..CLAIMS {
            let claimed = store.claim(&["default".into()], 64, 30, Duration::from_secs(30), &[]).await.unwrap();
            assert_eq!(claimed.iter().map(|(_, due)| due.len()).collect::<Vec<_>>(), [1; 5]);
            let held: Vec<_> = claimed.iter().map(|(lease, _)| (lease.mailbox, lease.epoch)).collect();
            store.release(&held).await.unwrap();
        }
        // A connection tells its counts when it ends, at the latest.
        store.close().await;
        let scans = "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'items_due_by_tenant'";
        until("the counts have come in", async || database.number(scans).await >= CLAIMS).await;

        let scanned = "SELECT sum(seq_tup_read)::bigint FROM pg_stat_user_tables WHERE relname IN ('items', 'mailboxes', 'leaves')";
        assert_eq!(database.number(scanned).await, 0, "a whole table was read (analyzed: {analyzed})");
        // Entries of versions that an update has just left behind are counted too, as many as a vacuum has not reached yet;
        // of the history, one look would read thousands.
        for (table, most) in [("items", 30), ("mailboxes", 60), ("leaves", 15)] {
            let read = format!("SELECT sum(idx_tup_read)::bigint FROM pg_stat_user_indexes WHERE relname = '{table}'");
            let read = database.number(&read).await;
            assert!(read <= most * CLAIMS, "{read} rows of {table} were read (analyzed: {analyzed})");
        }
    }
}
