//! Logs and spans, set up once.
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tracing::Level;
use tracing_subscriber::{
    EnvFilter, Layer, filter::Targets, layer::SubscriberExt, registry, util::SubscriberInitExt,
};

use crate::{
    config::Config,
    error::{Error, Result},
};

/// Sends what is left when it is dropped.
#[derive(Debug)]
pub struct Telemetry(Option<SdkTracerProvider>);

impl Telemetry {
    /// Logs to standard error from here on, and sends spans where the configuration says so.
    pub fn start(config: &Config) -> Result<Self> {
        let filter = EnvFilter::try_new(&config.log).map_err(Error::internal)?;
        let logs = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
        let logs = if config.log_json { logs.json().boxed() } else { logs.boxed() };
        let logs = logs.with_filter(filter);
        let exporter = match &config.otlp_endpoint {
            None => None,
            Some(endpoint) => {
                let exporter = opentelemetry_otlp::SpanExporter::builder()
                    .with_tonic()
                    .with_endpoint(endpoint)
                    .build()
                    .map_err(Error::internal)?;
                let resource = Resource::builder().with_service_name("sharehub").build();
                let provider = SdkTracerProvider::builder().with_resource(resource);
                Some(provider.with_batch_exporter(exporter).build())
            }
        };
        let spans = exporter
            .as_ref()
            .map(|it| tracing_opentelemetry::layer().with_tracer(it.tracer("sharehub")))
            // Our own spans, whatever is logged: a quiet log is no reason for a blind trace.
            .map(|it| it.with_filter(Targets::new().with_target("sharehub", Level::INFO)));
        let all = registry().with(logs).with(spans);
        all.try_init().map_err(Error::internal)?;
        Ok(Self(exporter))
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(provider) = &self.0
            && let Err(err) = provider.shutdown()
        {
            tracing::warn!(error = %err, "the last spans were not sent");
        }
    }
}
