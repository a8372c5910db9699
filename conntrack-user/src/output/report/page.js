// The report: which part of it is shown.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const LEAST = 2 * data.bucket; // microseconds that are shown at least

  // Cells are stored by their distance from the one before; from here on by their start.
  for (const instance of data.instances)
    for (const chart of instance.charts)
      for (const dimension of chart) {
        let at = 0;
        for (const cell of dimension.cells) {
          at += cell[0];
          cell[0] = dimension.phase + at * dimension.width;
        }
      }

  const { view, draw, clock, make, LEFT, RIGHT, TOP, BOTTOM, HEIGHT } = charts(data);
  const figures = [...document.querySelectorAll("figure")];
  let pending = 0, naming = 0;
  function redraw() {
    if (pending) return;
    pending = requestAnimationFrame(() => {
      pending = 0;
      figures.forEach(draw);
      document.getElementById("not-drawn").hidden = true;
      const ms = (view.to - view.from) / 1000;
      document.getElementById("range").textContent =
        `${clock(view.from)} to ${clock(view.to)}, ` + (ms < 1000 ? `${ms.toFixed(1)} ms` : `${(ms / 1000).toFixed(2)} s`);
      document.documentElement.dataset.drawn = `${Math.round(view.from)},${Math.round(view.to)}`;
    });
  }

  function show(from, to, quiet) {
    const all = data.to - data.from;
    const length = Math.min(all, Math.max(LEAST, to - from));
    const start = Math.min(data.to - length, Math.max(data.from, (from + to - length) / 2));
    view.from = start;
    view.to = start + length;
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
    const of = data.instances[figure ? figure.dataset.instance : 0].charts;
    const dimensions = of[figure ? figure.dataset.chart : 1];
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
  for (const folded of document.querySelectorAll("details.folded")) folded.addEventListener("toggle", redraw);
  addEventListener("beforeprint", () => figures.forEach(draw));
  fromAddress();
})();
