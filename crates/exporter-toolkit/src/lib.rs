//! What every Prometheus exporter needs around its metrics: listening, TLS, web configuration, negotiation, compression.
