//! Logs, spans and metrics, set up once.
use std::{
    io::IsTerminal,
    sync::{Arc, Weak},
};

use opentelemetry::{
    KeyValue,
    metrics::{Meter as Instruments, MeterProvider},
    trace::TracerProvider,
};
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::{Resource, metrics::SdkMeterProvider, trace::SdkTracerProvider};
use tracing::Level;
use tracing_subscriber::{
    EnvFilter, Layer, filter::Targets, layer::SubscriberExt, registry, util::SubscriberInitExt,
};

use crate::{
    config::{LogFormat, LogSettings},
    error::{Error, Result},
    hub::Hub,
    server::{Slices, strangers::Strangers},
    stack::measure::Meter,
};

/// Sends what is left when it is dropped.
#[derive(Debug)]
pub struct Telemetry(Option<(SdkTracerProvider, SdkMeterProvider)>);

impl Telemetry {
    /// Logs to standard error from here on, and sends spans and metrics where there is an endpoint for them.
    pub fn start(settings: &LogSettings, endpoint: Option<&str>) -> Result<Self> {
        let LogSettings { log, log_format } = settings;
        let filter = EnvFilter::try_new(log).map_err(Error::internal)?;
        let logs = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
        // A file or a pipe gets no colour codes. On a terminal the variable NO_COLOR decides.
        let logs = if std::io::stderr().is_terminal() { logs } else { logs.with_ansi(false) };
        let logs = match log_format {
            LogFormat::Json => logs.json().boxed(),
            LogFormat::Text => logs.boxed(),
        };
        let logs = logs.with_filter(filter);
        let exporter = match endpoint {
            None => None,
            Some(endpoint) => {
                let exporter = opentelemetry_otlp::SpanExporter::builder()
                    .with_tonic()
                    .with_endpoint(endpoint)
                    .build()
                    .map_err(Error::internal)?;
                let resource = Resource::builder().with_service_name("sharehub").build();
                let provider = SdkTracerProvider::builder().with_resource(resource.clone());
                let spans = provider.with_batch_exporter(exporter).build();
                let exporter = opentelemetry_otlp::MetricExporter::builder()
                    .with_tonic()
                    .with_endpoint(endpoint)
                    .build()
                    .map_err(Error::internal)?;
                let provider = SdkMeterProvider::builder().with_resource(resource);
                Some((spans, provider.with_periodic_exporter(exporter).build()))
            }
        };
        let spans = exporter
            .as_ref()
            .map(|(it, _)| tracing_opentelemetry::layer().with_tracer(it.tracer("sharehub")))
            // Our own spans, whatever is logged: a quiet log is no reason for a blind trace.
            .map(|it| it.with_filter(Targets::new().with_target("sharehub", Level::INFO)));
        let all = registry().with(logs).with(spans);
        all.try_init().map_err(Error::internal)?;
        Ok(Self(exporter))
    }

    /// Sends a hub's counts every minute, where spans are sent: calls by method and code, items of writes by method
    /// and outcome, refused identifications by cause, commits, the newest revision, how the audit log does, and open
    /// watches, loads and exports.
    pub fn observe(&self, slices: &Slices, meter: &Arc<Meter>) {
        let Slices { hub, access, feed, indicator: _, dossier: _ } = slices;
        let Some((_, provider)) = &self.0 else { return };
        let instruments = provider.meter("sharehub");
        // Kept until the last of it was sent.
        let calls = Arc::clone(meter);
        instruments
            .u64_observable_counter("sharehub.calls")
            .with_description("Calls that ended, by method and code.")
            .with_callback(move |observer| {
                for (method, code, count) in calls.counts() {
                    let method = KeyValue::new("rpc.method", method.trim_start_matches('/'));
                    let code = KeyValue::new("rpc.response.status_code", format!("{code:?}"));
                    observer.observe(count, &[method, code]);
                }
            })
            .build();
        let items = Arc::clone(meter);
        instruments
            .u64_observable_counter("sharehub.items")
            .with_description("Items of writes, by method and outcome.")
            .with_callback(move |observer| {
                for (method, outcomes) in items.items() {
                    for (outcome, count) in outcomes {
                        let method = KeyValue::new("rpc.method", method.trim_start_matches('/'));
                        let outcome = KeyValue::new("outcome", format!("{outcome:?}"));
                        observer
                            .observe(u64::try_from(count).unwrap_or(u64::MAX), &[method, outcome]);
                    }
                }
            })
            .build();
        let refusals = Arc::clone(&access.refusals);
        instruments
            .u64_observable_counter("sharehub.identifications.refused")
            .with_description("Connections and calls whose caller was not accepted, by cause.")
            .with_callback(move |observer| {
                for (cause, count) in refusals.counts() {
                    observer.observe(count, &[KeyValue::new("cause", cause)]);
                }
            })
            .build();
        gauge(&instruments, hub, "sharehub.commits", "Durable commits since the start.", |it| {
            it.commits()
        });
        gauge(&instruments, hub, "sharehub.revision", "The newest revision.", |it| {
            u64::try_from(it.revisions.head().newest.number).unwrap_or(0)
        });
        gauge(&instruments, hub, "sharehub.audit.size", "Records in the audit log.", |it| {
            it.audit.follow().borrow().size
        });
        gauge(&instruments, hub, "sharehub.audit.waiting", "Records not written yet.", |it| {
            u64::try_from(it.audit.waiting()).unwrap_or(u64::MAX)
        });
        gauge(&instruments, hub, "sharehub.audit.failing", "1 while it cannot be written.", |it| {
            u64::from(it.audit.follow().borrow().fails_since.is_some())
        });
        let watches = Arc::clone(&feed.watches);
        gauge(&instruments, hub, "sharehub.watches", "Open watches.", move |_| {
            u64::try_from(watches.taken()).unwrap_or(u64::MAX)
        });
        gauge(&instruments, hub, "sharehub.streams", "Open loads and exports.", |it| {
            u64::try_from(it.loads.taken()).unwrap_or(u64::MAX)
        });
    }

    /// Sends how many connections have not identified themselves.
    pub fn observe_connections(&self, strangers: &Arc<Strangers>) {
        let Some((_, provider)) = &self.0 else { return };
        let strangers = Arc::clone(strangers);
        provider
            .meter("sharehub")
            .u64_observable_gauge("sharehub.connections.unidentified")
            .with_description("Connections whose callers are not identified.")
            .with_callback(move |observer| {
                observer.observe(u64::try_from(strangers.count()).unwrap_or(u64::MAX), &[]);
            })
            .build();
    }
}

/// A number of a hub, for as long as there is one: the instruments do not keep it alive.
fn gauge(
    instruments: &Instruments,
    hub: &Arc<Hub>,
    name: &'static str,
    what: &'static str,
    read: impl Fn(&Hub) -> u64 + Send + Sync + 'static,
) {
    let hub: Weak<Hub> = Arc::downgrade(hub);
    instruments
        .u64_observable_gauge(name)
        .with_description(what)
        .with_callback(move |observer| {
            if let Some(hub) = hub.upgrade() {
                observer.observe(read(&hub), &[]);
            }
        })
        .build();
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        let Some((spans, metrics)) = &self.0 else { return };
        for ended in [spans.shutdown(), metrics.shutdown()] {
            if let Err(err) = ended {
                tracing::warn!(error = %err, "the last spans or metrics were not sent");
            }
        }
    }
}
