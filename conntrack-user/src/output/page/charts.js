"use strict";
// Draws charts, and any part of them. The only place where charts of a page are drawn.
function charts(data) {
  const SVG = "http://www.w3.org/2000/svg";
  const LEFT = 48, RIGHT = 10, TOP = 8, BOTTOM = 20, HEIGHT = 170;
  const LINES = 4; // that divide a chart, about
  const RIM = 0.08; // share of a side without anything
  const LABEL = 90; // room for a label of the time axis
  const FAR = 5; // times the entries: a limit above that is named, and not drawn
  // What is shown. Whoever shows another part sets it.
  const view = { from: data.from, to: data.to };

  // The time of day, with so many digits of a second.
  const clock = (us, digits = 3) => {
    const all = data.origin + Math.round(us), second = Math.floor(all / 1e6);
    const fraction = String(all - second * 1e6).padStart(6, "0").slice(0, digits);
    return new Date(second * 1000).toISOString().slice(11, 19) + (digits ? "." + fraction : "");
  };
  const compact = (v) => {
    if (!Number.isFinite(v)) return "—";
    if (v === 0) return "0";
    const size = Math.abs(v), step = data.compact.find(([unit, below]) => size / unit < below);
    if (!step) return v.toExponential(0);
    return (v < 0 ? "-" : "") + (size / step[0]).toFixed(step[2]) + step[3];
  };
  // The label of a round number on an axis: its digits and no more.
  const tick = (v) => {
    const size = Math.abs(v), step = data.compact.find(([unit, below]) => size / unit < below);
    if (v === 0 || !step) return compact(v);
    return Number((v / step[0]).toPrecision(3)) + step[3];
  };
  const percent = (v) => v.toFixed(1) + " %";
  // The least of the axis's steps times a power of ten that is not less.
  const roundUp = (v) => {
    if (!(v > 0)) return 0;
    const unit = 10 ** Math.floor(Math.log10(v));
    return (data.steps.find((s) => s * unit >= v * (1 - 1e-9)) || 10) * unit;
  };
  // A step of the time axis of which n at most are in a span, and the digits of a second that they differ in.
  const timeStep = (span, n) => {
    const last = data.time_steps[data.time_steps.length - 1];
    const step = data.time_steps.find((s) => span / s <= n) || last * Math.ceil(span / last / n);
    return [step, Math.min(6, Math.max(0, 6 - Math.floor(Math.log10(step))))];
  };
  // The first of a sorted list whose end lies after a moment.
  const firstAfter = (list, end, moment) => {
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
    const each = (start, end, visit) => {
      const a = (start - from) / length, b = (end - from) / length;
      for (let i = Math.max(0, Math.floor(a)); i < Math.min(n, Math.ceil(b)); i++) {
        const share = Math.min(b, i + 1) - Math.max(a, i);
        if (share > 0) visit(i, share, b - a);
      }
    };
    const { steps, cells, width, fine } = dimension;
    for (let s = firstAfter(steps, (x) => x[0] + x[1], from); s < steps.length && steps[s][0] < to; s++) {
      const [start, len, mean, max] = steps[s];
      each(start, start + len, (i, share) => {
        const c = out[i] || (out[i] = { mean: 0, max: 0, weight: 0 });
        c.weight += share;
        if (!fine) { c.mean += (mean - c.mean) * share / c.weight; c.max = Math.max(c.max, max); }
      });
      const part = Math.min(start + len, to) - Math.max(start, from);
      time += part;
      if (!fine) {
        sum += mean * part;
        if (peak === null || max > peak) { peak = max; at = start + len; }
      }
    }
    if (fine) {
      if (time > 0) peak = 0;
      for (let k = firstAfter(cells, (x) => x[0] + width, from); k < cells.length && cells[k][0] < to; k++) {
        const start = cells[k][0], rate = cells[k][2] * 1e6 / data.bucket;
        each(start, start + width, (i, share, whole) => {
          const c = out[i] || (out[i] = { mean: 0, max: 0, weight: share });
          c.mean += cells[k][1] * share / whole * 1e6 / length;
          c.max = Math.max(c.max, rate);
        });
        sum += cells[k][1] * (Math.min(start + width, to) - Math.max(start, from)) / width * 1e6;
        if (peak === null || rate > peak) { peak = rate; at = start; }
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
    // The plot is as wide as the table below it.
    const width = Math.max(280, Math.round(figure.querySelector(".legend").getBoundingClientRect().width) || 760);
    const inner = width - LEFT - RIGHT, n = Math.max(50, Math.round(inner));
    const found = chart.map((dimension) => columns(dimension, n));
    let up = 0, down = 0;
    chart.forEach((dimension, d) => {
      for (const c of found[d].out)
        if (c) { if (dimension.below) down = Math.max(down, c.max); else up = Math.max(up, c.max); }
    });
    // The limit, as far as entries can be seen beside it.
    const entries = chart[0].name === "connections";
    const limits = entries ? instance.limits.filter(([a, b]) => b > view.from && a < view.to) : [];
    const [near, far] = [true, false].map((is) => limits.filter(([, , max]) => (max <= up * FAR) === is));
    up = Math.max(up, ...near.map(([, , max]) => max));

    // Lines at round numbers; each side ends with one, or is a rim where there is nothing.
    const line = roundUp((up + down) / LINES) || 1;
    const end = (v) => Math.ceil(v / line - 1e-9) * line;
    up = end(up); down = end(down);
    if (up + down === 0) up = line;
    if (chart.some((dimension) => dimension.below)) { up = Math.max(up, down * RIM); down = Math.max(down, up * RIM); }
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
    for (let k = Math.ceil(-down / line); k * line <= up * (1 + 1e-9); k++) {
      const v = k * line;
      svg.append(make("path", { class: k === 0 ? "zero" : "grid", d: `M${LEFT} ${y(v).toFixed(1)}H${width - RIGHT}` }));
      svg.append(make("text", { class: "tick", x: LEFT - 5, y: (y(v) + 3.5).toFixed(1), "text-anchor": "end" }, tick(Math.abs(v))));
    }
    const [every, digits] = timeStep(view.to - view.from, Math.max(1, Math.floor(inner / LABEL)));
    const first = Math.ceil((data.origin + view.from) / every) * every - data.origin;
    for (let k = 0; first + k * every <= view.to; k++) {
      const at = x(first + k * every);
      svg.append(make("path", { class: "zero", d: `M${at.toFixed(1)} ${HEIGHT - BOTTOM}v4` }));
      // One that would stick out is a mark only.
      if (at + LABEL / 2 <= width)
        svg.append(make("text", { x: at.toFixed(1), y: HEIGHT - 5, "text-anchor": "middle" }, clock(first + k * every, digits)));
    }
    const step = inner / n;
    const path = (out, area, value) => {
      let d = "", pen = null;
      const close = (i) => { d += `H${(LEFT + step * i).toFixed(1)}` + (area ? `V${y(0).toFixed(1)}Z` : ""); };
      out.forEach((c, i) => {
        const now = c ? y(value(c)).toFixed(1) : null;
        if (pen === null && now !== null) d += `M${(LEFT + step * i).toFixed(1)} ${area ? y(0).toFixed(1) + "V" + now : now}`;
        else if (pen !== null && now === null) close(i);
        else if (now !== pen) d += `H${(LEFT + step * i).toFixed(1)}V${now}`;
        pen = now;
      });
      if (pen !== null) close(out.length);
      return d;
    };
    const rows = figure.querySelectorAll("tbody tr");
    const fill = (row, dimension, { peak, at, mean }, form) => {
      const cell = (name, text) => { row.querySelector("td." + name).textContent = text; };
      cell("peak", peak === null ? "—" : form(peak) + dimension.mark);
      cell("at", peak ? clock(at) : "");
      cell("mean", mean === null ? "—" : form(mean) + dimension.mark);
      row.dataset.peak = peak === null ? "" : peak;
      row.dataset.at = peak ? new Date((data.origin + at) / 1000).toISOString() : "";
    };
    chart.forEach((dimension, d) => {
      if (!dimension.steps.length) return;
      const { out } = found[d], sign = dimension.below ? -1 : 1;
      svg.append(make("path", { class: `peak d${d}`, d: path(out, true, (c) => c.max * sign) }));
      svg.append(make("path", { class: `mean d${d}`, d: path(out, false, (c) => c.mean * sign) }));
      fill(rows[d], dimension, found[d], compact);
    });
    if (!entries) return;
    const share = figure.querySelector("tr[data-dimension=utilization]");
    if (share) fill(share, instance.utilization, columns(instance.utilization, 1), percent);
    // Labels of limits, of which none covers another.
    let free = LEFT;
    for (const [a, b, max] of near) {
      const [left, right, top] = [clamp(x(a)), clamp(x(b)), y(max)];
      svg.append(make("path", { class: "limit", d: `M${left.toFixed(1)} ${top.toFixed(1)}H${right.toFixed(1)}` }));
      const text = `maximum ${max} = 100 %`, room = 7 * text.length;
      const from = Math.min(Math.max(left, free), width - RIGHT - room);
      if (from < free) continue;
      svg.append(make("text", { class: "limit-label", x: from.toFixed(1), y: (top > TOP + 14 ? top - 4 : top + 12).toFixed(1) }, text));
      free = from + room;
    }
    if (far.length) {
      const most = Math.max(...far.map(([, , max]) => max)), least = Math.min(...far.map(([, , max]) => max));
      const text = (least < most ? `maximum ${least} to ${most}` : `maximum ${most}`) + ", above this chart";
      svg.append(make("text", { class: "limit-label", x: width - RIGHT, y: TOP + 12, "text-anchor": "end" }, text));
    }
  }

  return { view, draw, clock, compact, percent, make, LEFT, RIGHT, TOP, BOTTOM, HEIGHT };
}
