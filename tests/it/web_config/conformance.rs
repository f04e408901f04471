//! The exporter-toolkit's own test files, from the folder that `LAAFFIC_EXPORTER_CONFORMANCE_DIR` names.

use std::collections::BTreeSet;
use std::fs;

use exporter_toolkit::web_config as config;

use testkit::certificates::self_signed;
use testkit::server::WebFolder;

/// Each file, and what a refusal has to name; nothing where the file is good. Of `client_san` both are good: what is bad is the client.
/// `blocking` is the same text as `clientCAs_missing`, and meant to let nobody in: it is refused as that is.
const CASES: &str = "
tls_config_noAuth.requireandverifyclientcert.good.yml
tls_config_noAuth.requireanyclientcert.good.yml
web_config_auth_clientCAs_invalid.bad.yml              client_ca_file
web_config_auth_clientCAs_missing.bad.yml              client_ca_file
web_config_auth_client_san.bad.yaml
web_config_auth_client_san.good.yaml
web_config_auth_user_list_invalid.bad.yml              basic_auth_users.john
web_config_empty.yml
web_config_headers.good.yml
web_config_headers_content_type_options.bad.yml        X-Content-Type-Options
web_config_headers_extra_header.bad.yml                headers.Content-Type
web_config_headers_frame_options.bad.yml               X-Frame-Options
web_config_junk.yml                                    yml:1:1:
web_config_junk_key.yml                                cert_filse
web_config_noAuth.bad.yml                              client_ca_file
web_config_noAuth.good.blocking.yml                    client_ca_file
web_config_noAuth.good.yml
web_config_noAuth_allCiphers.good.yml                  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA
web_config_noAuth_allCurves.good.yml                   CurveP521
web_config_noAuth_certPath_empty.bad.yml               missing one of cert or cert_file
web_config_noAuth_certPath_invalid.bad.yml             tls_server_config.cert_file
web_config_noAuth_certPath_keyPath_empty.bad.yml       missing one of cert or cert_file
web_config_noAuth_certPath_keyPath_invalid.bad.yml     tls_server_config.key_file
web_config_noAuth_cert_empty.bad.yml                   missing one of cert or cert_file
web_config_noAuth_inventedCiphers.bad.yml              cipher_suites
web_config_noAuth_inventedCurves.bad.yml               curve_preferences
web_config_noAuth_keyPath_empty.bad.yml                missing one of key or key_file
web_config_noAuth_keyPath_invalid.bad.yml              tls_server_config.key_file
web_config_noAuth_key_empty.bad.yml                    missing one of key or key_file
web_config_noAuth_noHTTP2.good.yml
web_config_noAuth_noHTTP2Cipher.bad.yml                cipher_suites
web_config_noAuth_someCiphers.good.yml
web_config_noAuth_someCiphers_noOrder.good.yml
web_config_noAuth_someCurves.good.yml                  CurveP521
web_config_noAuth_wrongTLSVersion.bad.yml              min_version
web_config_rate_limiter_nonblocking.yaml
web_config_rate_limiter_one_second.yaml
web_config_users.good.yml
web_config_users_noTLS.good.yml
";

#[test]
#[ignore = "needs the files; LAAFFIC_EXPORTER_CONFORMANCE_DIR says where they are"]
fn every_file_of_the_toolkit_is_taken_or_refused_as_it_should_be() {
    let source = std::env::var("LAAFFIC_EXPORTER_CONFORMANCE_DIR").unwrap();
    let folder = WebFolder::new("");
    for (name, names) in [("client", &["test"]), ("client2", &["test3"])] {
        folder.write(&format!("{name}_selfsigned.pem"), &self_signed(names, true).cert);
    }
    let mut unknown = BTreeSet::new();
    for entry in fs::read_dir(source).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "yml" || end == "yaml") {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            folder.write(&name, fs::read_to_string(&path).unwrap());
            unknown.insert(name);
        }
    }
    for case in CASES.trim().lines() {
        let (name, field) = case.split_once(' ').unwrap_or((case, ""));
        let field = Some(field.trim()).filter(|field| !field.is_empty());
        assert!(unknown.remove(name), "{name} is not there");
        let loaded = config::load(&folder.file(name)).map_err(|error| error.to_string());
        match (loaded, field) {
            (Ok(_), None) => {}
            (Err(told), Some(field)) => assert!(told.contains(field), "{name}: {told} does not name {field}"),
            (Ok(_), Some(field)) => panic!("{name} was taken in spite of {field}"),
            (Err(told), None) => panic!("{name} was refused: {told}"),
        }
    }
    assert!(unknown.is_empty(), "no expectation for {unknown:?}");
}

#[test]
fn the_example_is_good() {
    let folder = WebFolder::new(&fs::read_to_string("deploy/web-config.example.yaml").unwrap());
    let config = config::load(&folder.web_yaml()).unwrap();
    assert!(config.tls.is_some() && !config.users.is_empty());
}
