//! A real web server in front of the exporter, by which every client asks for the classic text format.
//!
//! Needs the program `nginx`.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::process::Command;

use reqwest::{Method, StatusCode};

use crate::answer::ask;
use crate::folder::Folder;
use crate::process::Process;
use crate::wait::wait_for;

/// Starts it, and says where it listens.
pub async fn classic_only(folder: &Folder, exporter: SocketAddr) -> (Process, SocketAddr) {
    // nginx cannot be given port 0, so a free one is chosen for it; whoever is faster may take it, so this is tried again.
    for attempt in 0..10 {
        let prefix = folder.file(&format!("nginx-{attempt}"));
        fs::create_dir(&prefix).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        fs::write(prefix.join("nginx.conf"), configuration(address, exporter)).unwrap();
        let mut command = Command::new("nginx");
        command.arg("-e").arg("stderr");
        command.arg("-p").arg(&prefix).arg("-c").arg(prefix.join("nginx.conf"));
        let mut nginx = Process::start(command);
        let serves = wait_for("nginx to serve or to give up", async || {
            if !nginx.is_running() {
                return Ok(false);
            }
            let answer = ask(Method::GET, address, "/metrics", &[]).await;
            answer.map(|answer| answer.status == StatusCode::OK)
        });
        if serves.await && nginx.is_running() {
            return (nginx, address);
        }
    }
    panic!("nginx does not start, whatever the port");
}

fn configuration(address: SocketAddr, exporter: SocketAddr) -> String {
    format!(
        "daemon off;
         master_process off;
         pid nginx.pid;
         events {{}}
         http {{
             access_log off;
             client_body_temp_path client_body;
             proxy_temp_path proxy;
             fastcgi_temp_path fastcgi;
             uwsgi_temp_path uwsgi;
             scgi_temp_path scgi;
             server {{
                 listen {address};
                 location / {{
                     proxy_pass http://{exporter};
                     proxy_http_version 1.1;
                     proxy_set_header Accept 'text/plain;version=0.0.4';
                 }}
             }}
         }}
        "
    )
}
