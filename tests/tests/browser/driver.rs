//! Chromium, driven through chromedriver: <https://www.w3.org/TR/webdriver2/>.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long to wait for what must come, in milliseconds. Long, because the machine may be busy.
const PATIENCE_MS: u32 = 120_000;

/// The program that drives the browser.
const DRIVER: &str = "chromedriver";

/// A browser with one page.
pub(crate) struct Browser {
    driver: Child,
    session: String,
    agent: ureq::Agent,
    /// A new profile, which no other browser uses.
    _profile: TempDir,
}

impl Browser {
    /// Starts one that is so wide.
    pub(crate) fn start(width: u32) -> Result<Self> {
        let (driver, port) = start_driver()?;
        let profile = tempfile::tempdir()?;
        let mut browser = Self {
            driver,
            session: String::new(),
            agent: ureq::Agent::config_builder()
                .http_status_as_error(false)
                .build()
                .into(),
            _profile: profile,
        };
        let mut args: Vec<String> = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
        ]
        .map(str::to_owned)
        .into();
        args.push(format!("--window-size={width},1000"));
        args.push(format!(
            "--user-data-dir={}",
            browser._profile.path().display()
        ));
        browser.session = format!("http://127.0.0.1:{port}/session");
        let created = browser.post(
            "",
            &json!({"capabilities": {"alwaysMatch": {
                "timeouts": {"script": 2 * PATIENCE_MS, "pageLoad": 2 * PATIENCE_MS},
                "goog:chromeOptions": {"args": args},
                "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
            }}}),
        )?;
        let id = created["sessionId"].as_str().context("no session")?;
        browser.session = format!("{}/{id}", browser.session);
        Ok(browser)
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let url = format!("{}{path}", self.session);
        let mut response = self.agent.post(&url).send_json(body)?;
        let answer: Value = response.body_mut().read_json()?;
        if let Some(error) = answer["value"]["error"].as_str() {
            bail!("{path} {body}: {error}: {}", answer["value"]["message"]);
        }
        Ok(answer["value"].clone())
    }

    /// A command of the protocol of Chromium's own tools.
    pub(crate) fn tools(&self, command: &str, parameters: &Value) -> Result<Value> {
        self.post(
            "/goog/cdp/execute",
            &json!({"cmd": command, "params": parameters}),
        )
    }

    /// Opens a page and waits until it is loaded.
    pub(crate) fn open(&self, url: &str) -> Result<()> {
        self.post("/url", &json!({ "url": url })).map(drop)
    }

    /// What a JavaScript function's body returns.
    pub(crate) fn script(&self, body: &str) -> Result<Value> {
        self.post("/execute/sync", &json!({"script": body, "args": []}))
    }

    /// Waits until an expression is true, and says for what it waited if it never is.
    pub(crate) fn wait_for(&self, what: &str, expression: &str) -> Result<()> {
        let body = format!(
            "const done = arguments[0], until = Date.now() + {PATIENCE_MS};
             const look = () => {{
               let is = false;
               try {{ is = Boolean({expression}); }} catch (error) {{}}
               if (is || Date.now() > until) done(is); else setTimeout(look, 10);
             }};
             look();"
        );
        match self.post("/execute/async", &json!({"script": body, "args": []}))? {
            Value::Bool(true) => Ok(()),
            _ => bail!("no {what}"),
        }
    }

    /// Presses keys where the focus is.
    pub(crate) fn keys(&self, keys: &str) -> Result<()> {
        let actions: Vec<Value> = keys
            .chars()
            .flat_map(|key| {
                ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": key.to_string()}))
            })
            .collect();
        let body = json!({"actions": [{"type": "key", "id": "keyboard", "actions": actions}]});
        self.post("/actions", &body).map(drop)
    }

    /// Entries of a log since last time.
    fn log(&self, kind: &str) -> Result<Vec<Value>> {
        let log = self.post("/se/log", &json!({ "type": kind }))?;
        Ok(log.as_array().context("a log is a list")?.clone())
    }

    /// The console's messages.
    pub(crate) fn console(&self) -> Result<Vec<Value>> {
        self.log("browser")
    }

    /// The addresses that pages have asked for. Chromium's own start page asks for its parts, which no other page can.
    pub(crate) fn requests(&self) -> Result<Vec<String>> {
        let mut urls = Vec::new();
        for entry in self.log("performance")? {
            let message = entry["message"].as_str().context("a message is text")?;
            let message: Value = serde_json::from_str(message)?;
            let message = &message["message"];
            if message["method"] == "Network.requestWillBeSent" {
                let url = message["params"]["request"]["url"].as_str();
                let url = url.context("a request has an address")?;
                if !["chrome://", "chrome-untrusted://"]
                    .iter()
                    .any(|own| url.starts_with(own))
                {
                    urls.push(url.to_owned());
                }
            }
        }
        Ok(urls)
    }
}

/// Attempts to find a port.
const ATTEMPTS: u32 = 20;

/// Starts the driver, and returns the port it listens on.
///
/// It takes a free port of IPv6, wants the same of IPv4, and ends where that is taken.
fn start_driver() -> Result<(Child, u16)> {
    let mut output = String::new();
    for _ in 0..ATTEMPTS {
        let mut driver = Command::new(DRIVER)
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context(
                "no chromedriver: as root run: apt-get install -y --no-install-recommends chromium \
                 chromium-driver",
            )?;
        let stdout = driver.stdout.take().context("stdout is piped")?;
        // "ChromeDriver was started successfully on port 41234."
        output.clear();
        let port = BufReader::new(stdout)
            .lines()
            .map_while(Result::ok)
            .inspect(|line| output.push_str(line))
            .find_map(|line| {
                line.strip_suffix('.')?
                    .split_once("started successfully on port ")?
                    .1
                    .parse()
                    .ok()
            });
        if let Some(port) = port {
            return Ok((driver, port));
        }
        driver.kill()?;
        driver.wait()?;
    }
    bail!("chromedriver does not print its port: {output}")
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends the browser; then its driver. Either may be gone already.
        let _ = self.agent.delete(&self.session).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
