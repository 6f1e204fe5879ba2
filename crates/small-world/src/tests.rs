use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model};

use crate::{intake::Revision, model::SmallWorld, state::Budget};

const ONE_EACH: Budget =
    Budget { crashes: 1, lost_before: 1, lost_after: 1, deletions: 1, freezes: 1, stops: 0, saved_twice: 0 };

fn moved() -> Vec<Revision> {
    vec![Revision::There(0, 1), Revision::There(0, 2), Revision::There(1, 2)]
}

fn world(revisions: Vec<Revision>, budget: Budget) -> SmallWorld {
    SmallWorld {
        revisions,
        any_order: false,
        budget,
        fence: true,
        doubt: true,
        incarnation: true,
        is_sorted: true,
        production: std::sync::Mutex::default(),
        settling: std::sync::Mutex::default(),
    }
}

fn explore(name: &str, world: SmallWorld) -> bool {
    let from = Instant::now();
    let checker = world.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    println!(
        "{name}: {} states, {} steps, depth {}, {:.1} s",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        from.elapsed().as_secs_f64()
    );
    let discoveries = checker.discoveries();
    let holds = discoveries.is_empty();
    for (property, path) in discoveries {
        println!("  not true: {property}");
        for (state, action) in path.into_vec() {
            println!("{state:?}");
            println!("    {action:?}");
        }
    }
    holds
}

#[test]
fn probe() {
    let n = |name: &str| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    let budget = Budget { crashes: n("C"), lost_before: n("B"), lost_after: n("A"), deletions: n("D"), freezes: n("Z"), stops: n("S"), saved_twice: n("T") };
    let revisions = match n("W") {
        0 => moved(),
        1 => vec![Revision::There(0, 1), Revision::There(0, 2), Revision::There(0, 1)],
        2 => vec![Revision::There(0, 1), Revision::Cancelled(0, 1), Revision::There(0, 2)],
        _ => vec![Revision::There(0, 1), Revision::There(1, 1), Revision::There(0, 2)],
    };
    let mut world = world(revisions, budget);
    world.any_order = n("O") == 1;
    world.is_sorted = n("U") == 0;
    world.fence = n("F") == 0;
    world.doubt = n("N") == 0;
    world.incarnation = n("I") == 0;
    assert!(explore("probe", world));
}
