//! What is allowed: the rooms and the walls between them.

/// A room of conntrack-user, and the rooms whose items it may name.
pub const ROOMS: &[(&str, &[&str])] = &[
    // What all others stand on.
    ("text", &[]),
    ("clock", &[]),
    ("files", &[]),
    ("keyboard", &[]),
    ("privileges", &[]),
    ("reading", &["clock", "text"]),
    // The way in.
    ("source", &["reading", "clock", "files", "text"]),
    (
        "probes",
        &["privileges", "reading", "source", "files", "text"],
    ),
    // The model, from its leaves up.
    ("model::kernel", &["reading"]),
    ("model::event", &["text"]),
    ("model::forecast", &[]),
    ("model::burst", &["reading"]),
    ("model::overhead", &["reading"]),
    ("model::durations", &["reading", "text"]),
    (
        "model::alert",
        &["model::kernel", "model::forecast", "reading"],
    ),
    (
        "model::record",
        &[
            "model::alert",
            "model::durations",
            "model::event",
            "model::forecast",
            "model::kernel",
            "reading",
            "text",
        ],
    ),
    (
        "model::rates",
        &["model::burst", "model::kernel", "model::record", "reading"],
    ),
    (
        "model::verify",
        &["model::kernel", "model::record", "reading", "text"],
    ),
    (
        "model::top",
        &[
            "model::event",
            "model::forecast",
            "model::record",
            "reading",
            "clock",
            "text",
        ],
    ),
    (
        "model::advice",
        &[
            "model::event",
            "model::kernel",
            "model::record",
            "model::top",
            "text",
        ],
    ),
    (
        "model::contents",
        &["model::event", "model::record", "reading", "clock", "text"],
    ),
    (
        "model::history",
        &[
            "model::alert",
            "model::forecast",
            "model::kernel",
            "model::record",
            "reading",
            "text",
        ],
    ),
    (
        "model::report",
        &[
            "model::advice",
            "model::alert",
            "model::kernel",
            "model::record",
            "reading",
            "text",
        ],
    ),
    (
        "model::verdict",
        &[
            "clock",
            "model::advice",
            "model::kernel",
            "model::alert",
            "model::record",
            "reading",
            "text",
        ],
    ),
    (
        "model::exposition",
        &[
            "model::kernel",
            "model::rates",
            "model::record",
            "reading",
            "text",
        ],
    ),
    (
        "model::fleet",
        &[
            "clock",
            "model::alert",
            "model::kernel",
            "model::record",
            "model::verdict",
            "reading",
            "text",
        ],
    ),
    (
        "model::cells",
        &[
            "model::kernel",
            "model::rates",
            "model::record",
            "reading",
            "clock",
            "text",
        ],
    ),
    ("model::monitor", &["model", "reading", "clock", "text"]),
    // The way out.
    ("output", &["model", "keyboard", "text"]),
    ("recording", &["model::record", "clock", "files", "text"]),
    (
        "config",
        &["model::alert", "keyboard", "clock", "files", "text"],
    ),
    // What other programs use.
    ("library", &["model", "reading", "clock"]),
    // What ties them together.
    (
        "engine",
        &[
            "source",
            "probes",
            "privileges",
            "model",
            "reading",
            "config",
            "clock",
            "text",
            "files",
        ],
    ),
    (
        "server",
        &["engine", "model", "output", "clock", "files", "text"],
    ),
    ("event_log", &["engine", "model", "output", "text"]),
    ("client", &["engine", "files", "text"]),
    (
        "remote_write",
        &[
            "client", "engine", "model", "output", "clock", "files", "text",
        ],
    ),
    (
        "remote",
        &[
            "client",
            "engine",
            "model",
            "recording",
            "clock",
            "files",
            "text",
        ],
    ),
    (
        "cli",
        &[
            "client",
            "event_log",
            "remote",
            "remote_write",
            "engine",
            "source",
            "probes",
            "privileges",
            "model",
            "output",
            "recording",
            "config",
            "clock",
            "text",
        ],
    ),
    (
        "commands",
        &[
            "cli",
            "event_log",
            "remote",
            "remote_write",
            "engine",
            "server",
            "source",
            "probes",
            "privileges",
            "model",
            "output",
            "recording",
            "config",
            "keyboard",
            "files",
            "reading",
            "clock",
            "text",
        ],
    ),
];

/// What only some places may name: the start of a path, who may, and why nobody else.
pub const OWNERS: &[(&str, &[&str], &str)] = &[
    (
        "aya",
        &["probes"],
        "how programs get into the kernel is for probes to know",
    ),
    (
        "aya_log",
        &["probes"],
        "how programs get into the kernel is for probes to know",
    ),
    (
        "clap",
        &["cli", "commands"],
        "below the command line there are plain settings",
    ),
    (
        "clap_complete",
        &["commands"],
        "below the command line there are plain settings",
    ),
    (
        "clap_mangen",
        &["commands"],
        "below the command line there are plain settings",
    ),
    (
        "tokio",
        &[
            "engine",
            "commands",
            "client",
            "remote",
            "remote_write",
            "server",
        ],
        "nothing else waits",
    ),
    ("axum", &["server"], "requests are answered in one place"),
    (
        "hyper",
        &["client", "remote", "remote_write", "server"],
        "requests are made and answered in one place each",
    ),
    (
        "hyper_util",
        &["client", "remote", "server"],
        "requests are made and answered in one place each",
    ),
    (
        "rustls",
        &["client", "remote", "server"],
        "requests are made and answered in one place each",
    ),
    (
        "tokio_rustls",
        &["client", "remote", "server"],
        "requests are made and answered in one place each",
    ),
    (
        "sd_notify",
        &["server"],
        "a service manager is told by what it waits for",
    ),
    (
        "prometheus_client",
        &["output::metrics"],
        "the formats of metrics are one output of many",
    ),
    (
        "std::net::TcpListener",
        &["server"],
        "what listens has limits",
    ),
    (
        "http_body_util",
        &["client", "remote"],
        "other hosts are reached in one place",
    ),
    (
        "std::thread::sleep",
        &["engine", "commands::check"],
        "nothing else waits",
    ),
    (
        "std::thread::spawn",
        &[],
        "threads are few, and each can fail to start: engine::worker",
    ),
    (
        "std::thread::Builder",
        &["engine"],
        "threads are few, and each can fail to start: engine::worker",
    ),
    (
        "ratatui",
        &["output::live", "commands"],
        "only the live view draws",
    ),
    (
        "std::time::Instant",
        &[],
        "time comes from the injected clock",
    ),
    (
        "std::time::SystemTime",
        &[],
        "time comes from the injected clock",
    ),
    (
        "tokio::time::Instant",
        &[],
        "time comes from the injected clock",
    ),
    (
        "jiff::Timestamp::now",
        &["clock"],
        "time comes from the injected clock",
    ),
    (
        "jiff::Zoned::now",
        &[],
        "time comes from the injected clock",
    ),
    (
        "rustix::time::clock_gettime",
        &["clock", "source::own_usage"],
        "time comes from the injected clock",
    ),
    (
        "std::fs",
        &[
            "files",
            "source",
            "probes",
            "remote_write::queue",
            "event_log",
            "recording",
            "engine::probes",
            "remote::file",
            "commands",
        ],
        "the model and the formats do no IO",
    ),
    (
        "rustix::fs",
        &[
            "files",
            "source",
            "remote_write::queue",
            "event_log",
            "recording",
        ],
        "the model and the formats do no IO",
    ),
    (
        "std::process::Command",
        &["engine::hook"],
        "programs are started by the hook alone",
    ),
    (
        "tokio::process",
        &["engine::hook", "engine::process_group", "remote::ssh"],
        "programs are started by the hook, and ssh for other hosts",
    ),
    (
        "seccompiler",
        &["privileges"],
        "what is given up is decided in one place",
    ),
    (
        "nix::unistd",
        &["engine::account", "engine::hook"],
        "whom commands run as is for the hook to know",
    ),
    (
        "nix::ifaddrs",
        &["source::own_addresses"],
        "what the kernel says is read in one place",
    ),
    (
        "std::io::stdout",
        &["engine::outlet", "commands", "output::terminal"],
        "what is written goes through the sink it was given",
    ),
    (
        "std::io::stderr",
        &[
            "engine::diagnostics",
            "commands::record",
            "output::terminal",
        ],
        "what is told besides the data goes through diagnostics",
    ),
];

/// Macros that nobody calls: they panic when they cannot write, or write where they should not.
pub const FORBIDDEN_MACROS: &[&str] = &["print", "println", "eprint", "eprintln", "dbg"];

/// Where there may be unsafe code.
pub const UNSAFE: &[&str] = &[
    "source::maps",
    "probes::events",
    "probes::bpf",
    "probes::perf_event",
    "privileges::install",
    "engine::signals",
    "commands::live",
    "commands::screen",
];

/// The most lines of a file that are not tests.
pub const FILE_LINES: usize = 400;

/// The most lines of a room of the model.
pub const ROOM_LINES: usize = 2_700;

/// Names that every module may have: a command of xtask is a module with its `Args`.
pub const PER_MODULE: &[&str] = &["Args"];
