//! Events of the libraries ([`tracing`]), brought to the reporter.
//!
//! A library says what went on inside it by an event of `tracing`, and knows no reporter. [`listen`] makes each of
//! these an [`Event::Trace`]: the log keeps all of them, a terminal shows them to those who ask for that
//! ([`Verbosity::Debug`](crate::Verbosity::Debug)). One with the target [`WARNING`] is for every user.

use super::{Event, Reporter};
use std::cell::Cell;
use std::fmt::Write;
use std::sync::{Arc, Weak};
use tracing::field::{Field, Visit};
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// Target of an event that is a warning to the user.
pub const WARNING: &str = "warning";

thread_local! {
    /// A reporter that traces must not be told of its own events.
    static REPORTING: Cell<bool> = const { Cell::new(false) };
}

/// Crates of others whose details are of no use in a log of this program.
const OTHERS: &[&str] = &[
    "h2",
    "hyper",
    "hyper_util",
    "mio",
    "reqwest",
    "rustls",
    "tokio",
    "tower",
    "want",
];

/// Has all events of this process brought to `reporter` from now on, as long as somebody else holds it. Only the
/// first call in a process has an effect.
pub fn listen(reporter: &Arc<dyn Reporter>) {
    let subscriber = tracing_subscriber::registry().with(Traced(Arc::downgrade(reporter)));
    // There is one already: an embedder's own, or that of an earlier call.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// It holds nothing, so that progress bars go before an error is printed, and the log is complete in the end.
struct Traced(Weak<dyn Reporter>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Traced {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        let owner = metadata.target().split("::").next().unwrap_or_default();
        match *metadata.level() {
            Level::ERROR | Level::WARN => true,
            Level::INFO | Level::DEBUG => !OTHERS.contains(&owner),
            Level::TRACE => false,
        }
    }

    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let Some(reporter) = self.0.upgrade() else {
            return;
        };
        if REPORTING.replace(true) {
            return;
        }
        let mut text = Text::default();
        event.record(&mut text);
        let metadata = event.metadata();
        let message = &text.0;
        reporter.event(&match metadata.target() {
            WARNING => Event::Warning { message },
            target => Event::Trace {
                level: metadata.level().as_str(),
                target,
                message,
            },
        });
        REPORTING.set(false);
    }
}

/// The message of an event, and its fields as `name=value` behind it.
#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // Writing to a string cannot fail.
        let _ = match (field.name(), self.0.is_empty()) {
            ("message", true) => write!(self.0, "{value:?}"),
            ("message", false) => {
                let fields = std::mem::take(&mut self.0);
                write!(self.0, "{value:?} {fields}")
            }
            (name, true) => write!(self.0, "{name}={value:?}"),
            (name, false) => write!(self.0, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);

    impl Reporter for Heard {
        fn event(&self, event: &Event<'_>) {
            if let Event::Trace {
                level,
                target,
                message,
            } = event
            {
                // It would come back for ever.
                tracing::warn!("heard");
                let mut heard = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                heard.push(format!("{level} {target} {message}"));
            }
        }
    }

    #[test]
    fn events_arrive_with_their_fields() {
        let heard = Arc::new(Heard::default());
        let reporter: Arc<dyn Reporter> = Arc::clone(&heard) as _;
        let subscriber = tracing_subscriber::registry().with(Traced(Arc::downgrade(&reporter)));
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(target: "view", path = "/t", "ended {}", "badly");
            tracing::debug!(target: "hyper_util::client", "a connection of others");
            tracing::trace!(target: "view", "each request");
        });
        let heard = heard.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        assert_eq!(*heard, ["WARN view ended badly path=\"/t\""]);
    }
}
