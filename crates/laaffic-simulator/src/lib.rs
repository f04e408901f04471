//! LAAFFIC's redial API, played over real HTTP.
