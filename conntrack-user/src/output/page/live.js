// The live page: what the server sends, as it comes. Text from it is only ever set as text.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const HISTORIES = 16; // instances whose past is kept
  const BURSTS = 50, ALERTS = 200, TALKERS = 10; // the most that are kept, and shown
  const SILENCE = 3; // intervals without anything, after which it is no longer live
  const RECONNECT = 15e3; // milliseconds without anything, after which the connection is given up
  const ERRORS = "netfilter.conntrack_errors";
  const { view, draw, clock, compact, percent } = charts(data);
  const { micros, remember } = pasts(data);
  const groups = burstGroups(data, micros);
  const $ = (id) => document.getElementById(id);
  // Without what could mislead people even as text: controls, and what changes the direction of writing.
  const plain = (text) => text.replace(/[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\u{e0000}-\u{e007f}]/gu, "\ufffd");
  const el = (name, attributes = {}, ...children) => {
    const node = document.createElement(name);
    for (const key in attributes) node.setAttribute(key, attributes[key]);
    node.append(...children.map((child) => (typeof child === "string" ? plain(child) : child)));
    return node;
  };
  const write = (node, text) => {
    const shown = plain(text);
    if (node.textContent !== shown) node.textContent = shown;
  };
  const dash = (value, form = compact) => (value === null || value === undefined ? "—" : form(value));
  const CLASSES = { __proto__: null, CLEAR: "fine", WARNING: "warn", CRITICAL: "bad", ok: "fine", unknown: "unknown", warning: "warn", critical: "bad" };
  const RANK = { bad: 0, warn: 1, unknown: 2, fine: 3 };
  const MARKS = { bad: "✖ ", warn: "▲ ", unknown: "? ", fine: "" };

  let hello = null, chosen = null, span = 30e6, state = "connecting", since = null, heard = null;
  const instances = new Map();

  function instance(name) {
    if (!instances.has(name)) instances.set(name, { name, sample: null, verdict: null, talkers: {}, rows: [], past: null });
    return instances.get(name);
  }

  const takes = {
    __proto__: null,
    hello(record) {
      const other = hello && (hello.hostname !== record.hostname || hello.kernel !== record.kernel);
      const names = new Set(record.instances.map(({ name }) => name));
      for (const name of [...instances.keys()]) if (other || !names.has(name)) instances.delete(name);
      for (const name of names) instance(name);
      hello = record;
      document.title = plain(`ctpulse: ${record.hostname}`);
    },
    sample(record) {
      const of = instance(record.instance);
      of.sample = record;
      if (chosen === null) chosen = of.name;
      if (of.name === chosen || instances.size <= HISTORIES) remember(of, record);
      else of.past = null;
    },
    verdict(record) { instance(record.instance).verdict = record; },
    top(record) { instance(record.instance).talkers[record.window_s > 0 ? "window" : "entries"] = record; },
    burst(record) {
      const of = instance(record.instance);
      groups.add(of.rows, record);
      of.rows.splice(BURSTS);
      if (of.past) of.past.bursts.push([micros(record.start), micros(record.end)]);
    },
    alert(record) {
      const of = instance(record.instance);
      if (!of.past) return;
      of.past.alerts.push([micros(record.time), CLASSES[record.status] || "unknown", plain(`${record.name} ${record.status}`)]);
      if (of.past.alerts.length > ALERTS) of.past.alerts.shift();
    },
    summary() { become("ended"); },
    dropped() { become("lost"); },
  };

  // Whether what is shown is current.
  function become(next) {
    if (state !== next) since = new Date();
    state = next;
    document.body.dataset.state = state;
    say();
  }
  const seconds = () => Math.round((performance.now() - heard) / 1000);
  function say() {
    const when = since ? since.toISOString().slice(11, 19) : "";
    $("state").textContent = { live: "live", connecting: "connecting", lost: "connection lost", silent: "no data", ended: "ended" }[state];
    const note = $("lost");
    note.hidden = state === "live" || state === "connecting";
    const text = {
      lost: `The connection was lost at ${when} UTC. What is below is of then. It is tried again by itself.`,
      silent: `Nothing has come for ${heard === null ? "—" : seconds()} s. What is below is of then.`,
      ended: `ctpulse ended at ${when} UTC. What is below is of then. It is tried again by itself.`,
    }[state] || "";
    write(note, text);
  }

  let source = null, wait = 1000, again = 0;
  function connect() {
    clearTimeout(again);
    if (source) source.close();
    heard = performance.now();
    source = new EventSource("events");
    source.onmessage = ({ data: text }) => {
      let record;
      try { record = JSON.parse(text); } catch (error) { return; }
      heard = performance.now();
      wait = 1000;
      const take = takes[record.type];
      if (take) take(record);
      if (record.type === "sample" && state !== "live") become("live");
      if (take) redraw();
    };
    source.onerror = () => {
      if (state !== "ended") become("lost");
      // The browser tries again by itself, unless it was refused.
      if (source.readyState === EventSource.CLOSED) {
        again = setTimeout(connect, wait);
        wait = Math.min(2 * wait, 30e3);
      }
    };
  }
  setInterval(() => {
    const silence = performance.now() - heard;
    if (state === "live" && silence > Math.max(3000, SILENCE * (hello ? hello.interval_ms : 0))) become("silent");
    if (state === "silent" && silence > RECONNECT + SILENCE * (hello ? hello.interval_ms : 0)) { become("lost"); connect(); }
    if (state === "silent") say();
  }, 250);

  // The charts: one figure each, made once.
  const figures = data.charts.map((chart, c) => {
    const row = (name, ...key) => {
      const head = el("th", { scope: "row" }, ...key, name);
      const cells = ["now", "peak", "at", "mean"].map((kind) => el("td", { class: kind }));
      return el("tr", { "data-dimension": name }, head, ...cells, el("td", { class: "reason", colspan: 4, hidden: "" }));
    };
    const body = el("tbody", {}, ...chart.dimensions.map((d, i) =>
      row(d.name, el("span", { class: `key d${i}`, title: d.below ? "drawn below zero" : "drawn above zero" }, d.below ? "▼" : "▲"), " ")));
    if (chart.dimensions.some((d) => d.counter === null)) {
      body.append(row("utilization"), el("tr", { "data-dimension": "max" },
        el("th", { scope: "row" }, el("span", { class: "key-of limit" }), " maximum"), el("td", { colspan: 4 })));
    }
    const heads = ["dimension", "now", "peak", "at", "mean"].map((text) => el("th", { scope: "col" }, text));
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    for (const [key, value] of [["class", "plot"], ["role", "img"], ["aria-label", `${chart.title}, plotted over time`]]) svg.setAttribute(key, value);
    return el("figure", { "data-instance": 0, "data-chart": c, "aria-labelledby": `p${c}` },
      el("figcaption", { id: `p${c}` }, el("b", {}, chart.title), " ", el("span", {}, chart.unit)), svg,
      el("table", { class: "legend live" }, el("thead", {}, el("tr", {}, ...heads)), body));
  });

  const why = (sample, counter) => (counter && hello && hello.unavailable[counter]) || sample.buckets_unavailable || "unavailable";
  // What a chart at zero is told by; nothing if it is not.
  function quiet(chart, c, of) {
    if (chart.dimensions.some((d) => d.counter === null)) return null;
    const parts = new Map();
    for (const [i, d] of chart.dimensions.entries()) {
      const { steps, cells } = of.past.charts[c][i];
      if (cells.length || steps.some((step) => step[3] > 0)) return null;
      const how = steps.length ? "At zero" : `Unavailable (${why(of.sample, d.counter)})`;
      parts.set(how, [...(parts.get(how) || []), d.name]);
    }
    return parts;
  }
  function place(of) {
    const folded = new Map();
    let before = { open: null, folded: null };
    data.charts.forEach((chart, c) => {
      const parts = quiet(chart, c, of), where = parts ? "folded" : "open";
      if (parts) for (const [how, names] of parts) folded.set(how, [...(folded.get(how) || []), `${chart.title} (${names.join(", ")})`]);
      const parent = $(where === "open" ? "charts" : "quiet"), figure = figures[c];
      if (figure.parentNode !== parent) {
        if (before[where]) before[where].after(figure); else parent.prepend(figure);
      }
      before[where] = figure;
    });
    $("folded").hidden = !folded.size;
    const text = [...folded].map(([how, titles]) => `${how}: ${titles.join(", ")}.`).join(" ");
    write($("folded-text"), text);
  }

  function legends(of) {
    const { sample } = of;
    data.charts.forEach((chart, c) => {
      const rows = figures[c].querySelectorAll("tbody tr");
      const fill = (row, dimension, value, counter, form) => {
        const known = dimension.steps.length > 0;
        row.classList.toggle("wrong", Boolean(dimension.mark));
        for (const cell of row.cells) if (cell.tagName === "TD") cell.hidden = known === cell.classList.contains("reason");
        write(row.querySelector(".reason"), `— ${why(sample, counter)}`);
        const now = row.querySelector(".now");
        now.textContent = dash(value, form) + (value === null || value === undefined ? "" : dimension.mark);
        now.dataset.value = value === undefined || value === null ? "" : value;
      };
      chart.dimensions.forEach((d, i) => fill(rows[i], of.past.charts[c][i], (sample.charts[chart.name] || {})[d.name], d.counter, compact));
      const share = figures[c].querySelector("tr[data-dimension=utilization]");
      if (!share) return;
      fill(share, of.past.utilization, sample.utilization, null, percent);
      figures[c].querySelector("tr[data-dimension=max] td").textContent = sample.max === null ? "— no limit, or none that could be read" : String(sample.max);
    });
  }

  function facts(of) {
    const { sample } = of, box = [];
    const fact = (name, kind, value, text) =>
      box.push(el("div", { class: `fact ${kind}` }, el("dt", {}, name), el("dd", {}, el("b", {}, value), " ", text)));
    const full = sample.alerts.netfilter_conntrack_full, kind = full ? CLASSES[full.status] || "" : "";
    const gauge = $("gauge"), used = sample.utilization;
    gauge.className = `gauge ${kind}`;
    gauge.hidden = used === null;
    gauge.setAttribute("aria-valuenow", used === null ? "" : used.toFixed(1));
    gauge.firstElementChild.style.width = `${Math.min(100, used || 0)}%`;
    const rate = sample.entries_per_s === null || sample.entries_per_s === undefined ? "" : `, ${sample.entries_per_s > 0 ? "+" : ""}${compact(sample.entries_per_s)}/s`;
    fact("Table", kind, dash(used, percent), `${dash(sample.entries, String)} of ${dash(sample.max, String)} entries${rate}`);
    const fresh = (sample.charts["netfilter.conntrack_new"] || {}).new, peak = sample.peaks && sample.peaks.new;
    fact("New connections", "", fresh === null || fresh === undefined ? "—" : `${compact(fresh)}/s`,
      peak ? `${compact(peak.rate)}/s in the busiest ms of the interval` : why(sample, "new"));
    const errors = data.charts.find((chart) => chart.name === ERRORS), rates = sample.charts[ERRORS] || {};
    const known = errors.dimensions.filter((d) => typeof rates[d.name] === "number");
    const now = known.reduce((sum, d) => sum + rates[d.name], 0), totals = errors.dimensions.map((d) => sample.counters[d.counter]);
    const all = known.length === errors.dimensions.length;
    fact("Errors", now > 0 ? "bad" : totals.some((n) => n > 0) ? "warn" : all ? "fine" : "", known.length ? `${compact(now)}/s` : "—",
      "since the start: " + errors.dimensions.map((d) => `${d.name} ${dash(sample.counters[d.counter], String)}`).join(", "));
    const raised = Object.entries(sample.alerts).filter(([, alert]) => alert.status !== "CLEAR"), blind = Object.entries(sample.alerts_unavailable || {});
    const worst = raised.some(([, alert]) => alert.status === "CRITICAL") ? "bad" : raised.length ? "warn" : blind.length ? "" : "fine";
    const names = raised.map(([name, alert]) => `${name} ${alert.status} at ${dash(alert.value)}`);
    fact("Alerts", worst, raised.length ? String(raised.length) : blind.length ? "—" : "none",
      [...names, ...blind.map(([name, reason]) => `${name} not judged: ${reason}`)].join("; ") || "all are clear");
    const checks = { exact: ["fine", "probes and kernel agree"], within_bracket: ["fine", "probes and kernel agree, given what moved while reading"],
      undercount: ["bad", "the kernel missed probe hits"], mismatch: ["bad", "probes and kernel do not agree"] }[sample.verdict];
    fact("Cross-check", checks ? checks[0] : "", dash(sample.verdict, (v) => v.replaceAll("_", " ")), checks ? checks[1] : "nothing is compared");
    $("facts").replaceChildren(...box);
  }

  function verdict(of) {
    const found = of.verdict, box = $("verdict");
    box.className = `verdict ${found ? CLASSES[found.severity] || "unknown" : "unknown"}`;
    box.replaceChildren(...(found ? found.sentences.slice(0, 20) : ["There is no verdict yet."]).map((text) => el("p", {}, text)));
    if (of.sample && of.sample.untracked) box.append(el("p", {}, `Nothing is tracked here: ${of.sample.untracked}`));
  }

  const cell = (column, text) => el("td", { "data-column": column }, el("span", {}, text));
  function bursts(of) {
    $("bursts").hidden = !of.rows.length;
    $("bursts-count").textContent = `Bursts (${of.rows.length}${of.rows.length === BURSTS ? " last ones" : ""} since this page was opened)`;
    const mark = ({ counter }) => (of.sample && of.sample.wrong && Object.hasOwn(of.sample.wrong, counter) ? data.wrong : "");
    $("burst-rows").replaceChildren(...of.rows.map((group) => {
      const [cause, ...effects] = groups.ordered(group), wrong = mark(cause);
      const rose = effects.map((burst) => el("div", {}, `${burst.counter} ${burst.count}${mark(burst)}, peak ${compact(burst.peak_rate)}${mark(burst)}/s`));
      const more = el("td", { "data-column": "rose with it" }, ...rose);
      return el("tr", {}, cell("start", clock(group.start)), cell("lasted", `${((group.end - group.start) / 1e3).toFixed(1)} ms`), cell("of", `${cause.counter}${wrong}`),
        cell("events", `${cause.count}${wrong}`), cell("peak", `${compact(cause.peak_rate)}${wrong}/s`), cell("usual before", `${compact(cause.usual_rate)}${wrong}/s`), more);
    }));
  }

  // As `Workload` is shown: each name up to 63 characters, without slashes of its own.
  function workload(of) {
    const name = (text) => {
      const all = [...text];
      return all.slice(0, 63).join("").replaceAll("/", "\u2215") + (all.length > 63 ? "…" : "");
    };
    const parts = [of.pod_namespace, of.pod, of.container].filter(Boolean).map(name);
    if (of.pod) return parts.join("/");
    if (of.pod_uid) return [`pod ${name(of.pod_uid)}`, ...(of.container ? [name(of.container)] : [])].join("/");
    const container = of.container ? name(of.container) : of.container_id ? of.container_id.slice(0, 12) : "";
    return [container, of.unit ? name(of.unit) : ""].filter(Boolean).join(" of ");
  }

  // As `TopRow::more` has it: a process of the pod that has the address says so itself.
  function who(row) {
    const { workload: holder, process_workload: runs } = row;
    const parts = [row.key];
    const pod = (of) => [of.pod_uid, of.pod_namespace, of.pod].join("\n");
    const isPod = (of) => Boolean((of.pod || of.pod_uid) && !of.container && !of.container_id);
    const same = () => JSON.stringify(holder) === JSON.stringify(runs) || (isPod(holder) && pod(holder) === pod(runs));
    const says = holder && runs && same();
    if (holder && !says) parts.push(workload(holder));
    if (row.process) parts.push(row.process);
    if (row.nat) {
      const { limit, assumed, refused, exhausted_in_s: time } = row.nat;
      const end = refused ? ", flows refused" : time ? `, none left in ${time.estimate.toFixed(0)} s` : "";
      parts.push(`of ${assumed ? "at most " : ""}${limit} ports${end}`);
    }
    return parts.filter(Boolean).join(" ");
  }

  function talkers(of) {
    const sections = [];
    for (const kind of ["window", "entries"]) {
      const top = of.talkers[kind];
      if (!top) continue;
      const when = top.window_s > 0 ? `in ${top.window_s.toFixed(1)} s up to ${top.time.slice(11, 19)}` : `held at ${top.time.slice(11, 19)}`;
      for (const table of top.tables) {
        // All entries have no zone and no mark, unless some were set.
        const unset = ["zone", "mark"].includes(table.of) && table.rows.every((row) => row.key === "0" || row.key === "0x0");
        if (!table.rows.length || unset) continue;
        const rows = table.rows.slice(0, TALKERS).map((row) => el("tr", {},
          el("td", {}, who(row)), el("td", { class: "number" }, `${row.count} (${row.share.toFixed(0)} %)`)));
        const doubt = [table.error ? `each may be up to ${table.error} more` : "", table.certain ? "" : "others may lead"].filter(Boolean).join("; ");
        sections.push(el("section", {}, el("h3", {}, `${table.by} by ${table.of}`), el("p", {}, el("small", {}, `of ${table.total} ${when}${doubt ? "; " + doubt : ""}`)),
          el("table", {}, el("tbody", {}, ...rows))));
      }
    }
    $("talkers").replaceChildren(...sections);
    const remarks = Object.values(of.talkers).map((top) => top.remark).filter(Boolean);
    const none = Object.keys(of.talkers).length ? "nothing was counted" : "not counted: `ctpulse serve --top` counts them";
    write($("talkers-note"), sections.length ? remarks.join("; ") : none);
  }

  const kindOf = (of) => (of.verdict ? CLASSES[of.verdict.severity] || "unknown" : "unknown");
  function choice() {
    const select = $("instance"), all = [...instances.values()].filter((of) => of.sample);
    $("choice").hidden = all.length < 2;
    all.sort((a, b) => RANK[kindOf(a)] - RANK[kindOf(b)] || (a.name < b.name ? -1 : 1));
    $("number").textContent = `${all.length} network namespaces, the worst first`;
    // A list that is open stays as it is.
    if (document.activeElement === select && select.options.length) return;
    const texts = all.map((of) => plain(`${MARKS[kindOf(of)]}${of.name}${of.verdict && of.verdict.sentences.length ? ": " + of.verdict.sentences[0] : ""}`));
    while (select.options.length > all.length) select.remove(all.length);
    all.forEach((of, i) => {
      if (!select.options[i]) select.add(el("option"));
      const option = select.options[i];
      if (option.value !== of.name) option.value = of.name;
      if (option.text !== texts[i]) option.text = texts[i];
      option.selected = of.name === chosen;
    });
  }

  let pending = 0;
  function redraw() {
    if (!pending) pending = requestAnimationFrame(show);
  }
  function show() {
    pending = 0;
    if (!instances.has(chosen)) chosen = [...instances.values()].filter((of) => of.sample).map((of) => of.name)[0] || null;
    const of = instances.get(chosen);
    if (hello) $("host").replaceChildren("on ", el("b", {}, hello.hostname), plain(`, Linux ${hello.kernel}, ctpulse ${hello.version}, every ${compact(hello.interval_ms)} ms,`));
    choice();
    if (!of || !of.sample) return;
    write($("name"), `Network namespace ${of.name}`);
    verdict(of);
    if (!of.past) remember(of, of.sample);
    view.to = micros(of.sample.time);
    view.from = view.to - span;
    data.instances = [of.past];
    facts(of);
    place(of);
    legends(of);
    figures.filter((figure) => figure.checkVisibility()).forEach(draw);
    bursts(of);
    talkers(of);
    $("waiting").hidden = true;
    $("shown").hidden = false;
    $("time").textContent = `${of.sample.time.slice(0, 10)} ${clock(view.to)} UTC`;
    document.documentElement.dataset.drawn = of.sample.time;
  }

  $("instance").addEventListener("change", ({ target }) => { chosen = target.value; target.blur(); redraw(); });
  for (const button of document.querySelectorAll("button[data-span]"))
    button.addEventListener("click", () => {
      span = Number(button.dataset.span) * 1e6;
      for (const other of document.querySelectorAll("button[data-span]")) other.setAttribute("aria-pressed", String(other === button));
      redraw();
    });
  addEventListener("resize", redraw);
  $("folded").addEventListener("toggle", redraw);
  document.addEventListener("visibilitychange", redraw);
  become("connecting");
  connect();
})();
