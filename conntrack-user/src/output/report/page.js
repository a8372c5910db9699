"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const SVG = "http://www.w3.org/2000/svg";
  const LEFT = 48, RIGHT = 10, TOP = 8, BOTTOM = 20, HEIGHT = 170;
  const LEAST = 2 * data.bucket; // microseconds that are shown at least
  let view = { from: data.from, to: data.to };

  // Cells are stored by their distance from the one before; from here on by when they begin.
  for (const instance of data.instances)
    for (const chart of instance.charts)
      for (const dimension of chart) {
        let at = 0;
        for (const cell of dimension.cells) {
          at += cell[0];
          cell[0] = dimension.phase + at * dimension.width;
        }
      }

  const clock = (us) => {
    const all = data.origin + Math.round(us);
    return new Date(Math.floor(all / 1000)).toISOString().slice(11, 23);
  };
  const compact = (v) => {
    if (v === 0) return "0";
    if (v < 9.95) return v.toFixed(1);
    if (v < 999.5) return v.toFixed(0);
    for (const [unit, suffix] of [[1e3, "k"], [1e6, "M"], [1e9, "G"]]) {
      const s = v / unit;
      if (s < 9.995) return s.toFixed(2) + suffix;
      if (s < 99.95) return s.toFixed(1) + suffix;
      if (s < 999.5) return s.toFixed(0) + suffix;
    }
    return v.toExponential(0);
  };
  const nice = (v) => {
    if (v <= 0) return 0;
    const unit = 10 ** Math.floor(Math.log10(v));
    return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((s) => s * unit).find((n) => n >= v * 0.999999) || 10 * unit;
  };
  // The first of a sorted list whose end lies after a moment.
  const first = (list, end, moment) => {
    let low = 0, high = list.length;
    while (low < high) {
      const mid = (low + high) >> 1;
      if (end(list[mid]) > moment) high = mid; else low = mid + 1;
    }
    return low;
  };

  // What each of n columns of the view shows, and the peak and average of it all.
  function columns(dimension, n) {
    const { from, to } = view, length = (to - from) / n;
    const out = Array.from({ length: n }, () => null);
    let peak = null, at = null, sum = 0, time = 0;
    const each = (begin, end, visit) => {
      const a = (begin - from) / length, b = (end - from) / length;
      for (let i = Math.max(0, Math.floor(a)); i < Math.min(n, Math.ceil(b)); i++) {
        const share = Math.min(b, i + 1) - Math.max(a, i);
        if (share > 0) visit(i, share, b - a);
      }
    };
    const { steps, cells, width, fine } = dimension;
    for (let s = first(steps, (x) => x[0] + x[1], from); s < steps.length && steps[s][0] < to; s++) {
      const [begin, len, mean, max] = steps[s];
      each(begin, begin + len, (i, share) => {
        const c = out[i] || (out[i] = { mean: 0, max: 0, weight: 0 });
        c.weight += share;
        if (!fine) { c.mean += (mean - c.mean) * share / c.weight; c.max = Math.max(c.max, max); }
      });
      const part = Math.min(begin + len, to) - Math.max(begin, from);
      time += part;
      if (!fine) {
        sum += mean * part;
        if (peak === null || max > peak) { peak = max; at = begin + len; }
      }
    }
    if (fine) {
      if (time > 0) peak = 0;
      for (let k = first(cells, (x) => x[0] + width, from); k < cells.length && cells[k][0] < to; k++) {
        const begin = cells[k][0], rate = cells[k][2] * 1e6 / data.bucket;
        each(begin, begin + width, (i, share, whole) => {
          const c = out[i] || (out[i] = { mean: 0, max: 0, weight: share });
          c.mean += cells[k][1] * share / whole * 1e6 / length;
          c.max = Math.max(c.max, rate);
        });
        sum += cells[k][1] * (Math.min(begin + width, to) - Math.max(begin, from)) / width * 1e6;
        if (peak === null || rate > peak) { peak = rate; at = begin; }
      }
    }
    return { out, peak, at, mean: time > 0 ? sum / time : null };
  }

  const make = (name, attributes, text) => {
    const node = document.createElementNS(SVG, name);
    for (const key in attributes) node.setAttribute(key, attributes[key]);
    if (text !== undefined) node.textContent = text;
    return node;
  };

  function draw(figure) {
    const instance = data.instances[figure.dataset.instance];
    const chart = instance.charts[figure.dataset.chart];
    const svg = figure.querySelector("svg");
    const width = Math.max(280, Math.round(svg.getBoundingClientRect().width) || 760);
    const inner = width - LEFT - RIGHT, n = Math.max(50, Math.round(inner));
    const found = chart.map((dimension) => columns(dimension, n));
    let up = 0, down = 0;
    chart.forEach((dimension, d) => {
      for (const c of found[d].out)
        if (c) { if (dimension.below) down = Math.max(down, c.max); else up = Math.max(up, c.max); }
    });
    up = nice(up); down = nice(down);
    if (up + down === 0) up = 1;
    if (chart.some((dimension) => dimension.below)) { up = Math.max(up, down * 0.08); down = Math.max(down, up * 0.08); }
    const x = (us) => LEFT + (us - view.from) / (view.to - view.from) * inner;
    const y = (v) => TOP + (up - v) / (up + down) * (HEIGHT - TOP - BOTTOM);
    const clamp = (v) => Math.min(width - RIGHT, Math.max(LEFT, v));

    svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    svg.replaceChildren();
    for (const [from, to] of instance.bursts) {
      if (to < view.from || from > view.to) continue;
      const a = clamp(x(from)), b = clamp(x(to));
      svg.append(make("rect", { class: "burst", x: a.toFixed(1), y: TOP, width: Math.max(1.5, b - a).toFixed(1), height: HEIGHT - TOP - BOTTOM }));
    }
    for (const [at, status, text] of instance.alerts) {
      if (at < view.from || at > view.to) continue;
      const mark = make("path", { class: `alert ${status}`, d: `M${x(at).toFixed(1)} ${TOP}V${HEIGHT - BOTTOM}` });
      mark.append(make("title", {}, `${text}, ${clock(at)}`));
      svg.append(mark);
    }
    for (const v of down > 0 ? [up, up / 2, 0, -down] : [up, up / 2, 0]) {
      svg.append(make("path", { class: v === 0 ? "zero" : "grid", d: `M${LEFT} ${y(v).toFixed(1)}H${width - RIGHT}` }));
      const side = v < 0 ? down : up, room = side / (up + down);
      if (v === 0 || room > (Math.abs(v) < side ? 0.3 : 0.13))
        svg.append(make("text", { x: LEFT - 5, y: (y(v) + 3.5).toFixed(1), "text-anchor": "end" }, compact(Math.abs(v))));
    }
    const marks = width > 640 ? 4 : 2;
    for (let i = 0; i <= marks; i++) {
      const at = view.from + (view.to - view.from) * i / marks;
      const anchor = i === 0 ? "start" : i === marks ? "end" : "middle";
      svg.append(make("text", { x: x(at).toFixed(1), y: HEIGHT - 5, "text-anchor": anchor }, clock(at)));
    }
    const step = inner / n;
    const path = (out, area, value) => {
      let d = "", pen = null;
      const end = (i) => { d += `H${(LEFT + step * i).toFixed(1)}` + (area ? `V${y(0).toFixed(1)}Z` : ""); };
      out.forEach((c, i) => {
        const now = c ? y(value(c)).toFixed(1) : null;
        if (pen === null && now !== null) d += `M${(LEFT + step * i).toFixed(1)} ${area ? y(0).toFixed(1) + "V" + now : now}`;
        else if (pen !== null && now === null) end(i);
        else if (now !== pen) d += `H${(LEFT + step * i).toFixed(1)}V${now}`;
        pen = now;
      });
      if (pen !== null) end(out.length);
      return d;
    };
    const rows = figure.querySelectorAll("tbody tr");
    chart.forEach((dimension, d) => {
      if (!dimension.steps.length) return;
      const { out, peak, at, mean } = found[d], sign = dimension.below ? -1 : 1;
      svg.append(make("path", { class: `peak d${d}`, d: path(out, true, (c) => c.max * sign) }));
      svg.append(make("path", { class: `mean d${d}`, d: path(out, false, (c) => c.mean * sign) }));
      const cell = (name, text) => { rows[d].querySelector("td." + name).textContent = text; };
      cell("peak", peak === null ? "—" : compact(peak));
      cell("at", peak ? clock(at) : "");
      cell("mean", mean === null ? "—" : compact(mean));
      rows[d].dataset.peak = peak === null ? "" : peak;
      rows[d].dataset.at = peak ? new Date((data.origin + at) / 1000).toISOString() : "";
    });
  }

  const figures = [...document.querySelectorAll("figure")];
  let pending = 0, naming = 0;
  function redraw() {
    if (pending) return;
    pending = requestAnimationFrame(() => {
      pending = 0;
      figures.forEach(draw);
      const ms = (view.to - view.from) / 1000;
      document.getElementById("range").textContent =
        `${clock(view.from)} to ${clock(view.to)}, ` + (ms < 1000 ? `${ms.toFixed(1)} ms` : `${(ms / 1000).toFixed(2)} s`);
      document.documentElement.dataset.drawn = `${Math.round(view.from)},${Math.round(view.to)}`;
    });
  }

  function show(from, to, quiet) {
    const all = data.to - data.from;
    const length = Math.min(all, Math.max(LEAST, to - from));
    const begin = Math.min(data.to - length, Math.max(data.from, (from + to - length) / 2));
    view = { from: begin, to: begin + length };
    redraw();
    if (quiet) return;
    // Browsers complain when the address changes with every repetition of a key.
    clearTimeout(naming);
    naming = setTimeout(() => {
      const part = length >= all ? location.pathname : `#${Math.round(view.from)},${Math.round(view.to)}`;
      try {
        history.replaceState(null, "", part);
      } catch (error) { /* Some viewers of local files do not allow it; nothing depends on it. */ }
    }, 250);
  }
  const zoom = (factor) => {
    const middle = (view.from + view.to) / 2, half = (view.to - view.from) * factor / 2;
    show(middle - half, middle + half);
  };
  const move = (share) => {
    const by = (view.to - view.from) * share;
    show(view.from + by, view.to + by);
  };
  // The busiest moment of a chart, or of new connections, in all of the recording.
  const busiest = () => {
    const figure = document.activeElement && document.activeElement.closest("figure");
    const charts = data.instances[figure ? figure.dataset.instance : 0].charts;
    const dimensions = figure ? charts[figure.dataset.chart] : charts[1];
    let best = null;
    for (const { cells, width, steps } of dimensions) {
      for (const [from, , max] of cells) {
        const rate = max * 1e6 / data.bucket;
        if (!best || rate > best.rate) best = { rate, from, to: from + width };
      }
      if (!cells.length)
        for (const [from, length, , max] of steps)
          if (max > 0 && (!best || max > best.rate)) best = { rate: max, from, to: from + length };
    }
    if (best) show(best.from - 25e3, best.to + 25e3);
  };
  const actions = {
    in: () => zoom(0.5), out: () => zoom(2), left: () => move(-0.25), right: () => move(0.25),
    all: () => show(data.from, data.to), busiest,
  };
  const keys = { "+": "in", "=": "in", "-": "out", "−": "out", ArrowLeft: "left", ArrowRight: "right", 0: "all", b: "busiest", B: "busiest" };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    // What scrolls sideways keeps its arrows.
    if (event.target.closest(".scroll") && event.key.startsWith("Arrow")) return;
    const action = keys[event.key];
    if (action) { event.preventDefault(); actions[action](); }
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.do) actions[button.dataset.do]();
    else if (button.dataset.from) {
      show(Number(button.dataset.from), Number(button.dataset.to));
      const section = button.closest("section");
      section.querySelector(".charts").scrollIntoView({ block: "start" });
      section.querySelector("figure").focus({ preventScroll: true });
    }
  });

  // Dragging over a plot selects a part.
  for (const figure of figures) {
    const svg = figure.querySelector("svg");
    let start = null, box = null;
    const at = (event) => {
      const rect = svg.getBoundingClientRect();
      const units = (event.clientX - rect.left) / rect.width * svg.viewBox.baseVal.width;
      return Math.min(svg.viewBox.baseVal.width - RIGHT, Math.max(LEFT, units));
    };
    const moment = (units) => view.from + (units - LEFT) / (svg.viewBox.baseVal.width - LEFT - RIGHT) * (view.to - view.from);
    svg.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || event.pointerType === "touch") return;
      start = at(event);
      svg.setPointerCapture(event.pointerId);
      box = make("rect", { class: "select", x: start, y: TOP, width: 0, height: HEIGHT - TOP - BOTTOM });
      svg.append(box);
    });
    svg.addEventListener("pointermove", (event) => {
      if (start === null) return;
      const now = at(event);
      box.setAttribute("x", Math.min(start, now));
      box.setAttribute("width", Math.abs(now - start));
    });
    svg.addEventListener("pointerup", (event) => {
      if (start === null) return;
      const from = Math.min(start, at(event)), to = Math.max(start, at(event));
      start = null;
      box.remove();
      if (to - from > 3) show(moment(from), moment(to));
    });
    svg.addEventListener("pointercancel", () => { start = null; if (box) box.remove(); });
  }

  function fromAddress() {
    const part = /^#(-?\d+),(-?\d+)$/.exec(location.hash);
    if (part) show(Number(part[1]), Number(part[2]), true);
    else show(data.from, data.to, true);
  }
  for (const node of document.querySelectorAll(".toolbar, .keys, button[hidden]")) node.hidden = false;
  addEventListener("hashchange", fromAddress);
  addEventListener("resize", redraw);
  addEventListener("beforeprint", () => figures.forEach(draw));
  fromAddress();
})();
