//! One running service: in the test's own runtime, or in a thread and runtime of its own, where it can be killed.
//!
//! A service is a tree of tasks. Ending its root would let the others finish in good order, which no killed process does;
//! dropping a runtime drops all of them wherever they are, and cuts every connection they hold.

use std::{future::Future, thread};

use leavebridge::app::AppError;
use tokio::{runtime::Builder, sync::oneshot, task::JoinHandle};

type Outcome = Result<(), AppError>;

/// Where a service runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Home {
    /// Among the test's own tasks.
    Here,
    /// In a thread of its own, so that it can be killed.
    Apart,
}

/// A running service.
#[derive(Debug)]
pub(super) enum Service {
    Here(JoinHandle<Outcome>),
    Apart { kill: oneshot::Sender<()>, ended: oneshot::Receiver<Option<Outcome>> },
}

impl Service {
    pub(super) fn start(home: Home, serving: impl Future<Output = Outcome> + Send + 'static) -> Self {
        match home {
            Home::Here => Self::Here(tokio::spawn(serving)),
            Home::Apart => {
                let (kill, killed) = oneshot::channel();
                let (end, ended) = oneshot::channel();
                thread::spawn(move || {
                    // One thread: when it drops its runtime, nothing of the service is running any more.
                    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
                    let outcome = runtime.block_on(async {
                        tokio::select! {
                            _ = killed => None,
                            outcome = serving => Some(outcome),
                        }
                    });
                    runtime.shutdown_background();
                    // Whoever asked may be gone.
                    let _gone = end.send(outcome);
                });
                Self::Apart { kill, ended }
            }
        }
    }

    /// Waits for an end in good order.
    pub(super) async fn end(self) {
        match self {
            Self::Here(serving) => serving.await.unwrap().unwrap(),
            Self::Apart { kill: _kept, ended } => ended.await.unwrap().expect("it was not killed").unwrap(),
        }
    }

    /// Ends it in the middle of whatever it does.
    pub(super) async fn kill(self) {
        let Self::Apart { kill, ended } = self else { panic!("only a service apart can be killed") };
        drop(kill);
        assert!(ended.await.unwrap().is_none(), "the service had ended by itself before it was killed");
    }
}
