// What the live page keeps of an instance, in the form that the charts take.
function pasts(data) {
  const KEPT = 120e6; // microseconds that are kept, of an instance
  const MISSES = 10; // samples without buckets, after which a counter has none

  // Microseconds since the origin, which is the first moment that anything is heard of.
  const micros = (text) => {
    if (!data.origin) data.origin = Date.parse(text.slice(0, 19) + "Z") * 1000;
    const fraction = /\.(\d{1,6})/.exec(text);
    return Date.parse(text.slice(0, 19) + "Z") * 1000 + Number((fraction ? fraction[1] : "").padEnd(6, "0")) - data.origin;
  };

  // An instance, and its past: as the charts take it.
  const series = (name, below) => ({ name, below, steps: [], cells: [], width: data.bucket, fine: false, mark: "", misses: 0 });
  const past = () => ({
    charts: data.charts.map((chart) => chart.dimensions.map((d) => series(d.name, d.below))),
    utilization: series("utilization", false), limits: [], bursts: [], alerts: [],
  });
  function forget(list, until, end) {
    let n = 0;
    while (n < list.length && end(list[n]) < until) n++;
    if (n) list.splice(0, n);
  }

  function addBuckets(dimension, buckets) {
    const width = buckets.width_ms * 1e3, start = micros(buckets.start), { cells } = dimension;
    dimension.width = width;
    buckets.counts.forEach((count, i) => {
      if (!count) return;
      const at = start + i * width;
      let k = cells.length - 1;
      while (k >= 0 && cells[k][0] > at + width / 2) k--;
      // Where two samples have the same bucket, each has a part of it.
      if (k >= 0 && Math.abs(cells[k][0] - at) < width / 2) { cells[k][1] += count; cells[k][2] += count; }
      else cells.splice(k + 1, 0, [at, count, count]);
    });
  }

  function add(dimension, sample, value, counter, from, length) {
    const buckets = counter && sample.buckets ? sample.buckets[counter] : undefined;
    dimension.mark = counter && sample.wrong && counter in sample.wrong ? data.wrong : "";
    if (value === null || value === undefined) return;
    dimension.misses = buckets ? 0 : dimension.misses + 1;
    const fine = buckets ? true : dimension.fine && dimension.misses < MISSES;
    if (fine !== dimension.fine) {
      dimension.fine = fine;
      dimension.steps.length = dimension.cells.length = 0;
    }
    // Without its buckets, this part of a series of buckets is a gap.
    if (fine && !buckets) return;
    const peak = counter && sample.peaks && sample.peaks[counter];
    dimension.steps.push([from, length, value, Math.max(value, peak ? peak.rate : value)]);
    if (buckets) addBuckets(dimension, buckets);
  }

  function remember(of, sample) {
    if (!of.past) of.past = past();
    const { past: kept } = of, to = micros(sample.time), length = sample.interval_s * 1e6, from = to - length;
    data.charts.forEach((chart, c) => chart.dimensions.forEach((d, i) => {
      const values = sample.charts[chart.name] || {};
      add(kept.charts[c][i], sample, values[d.name], d.counter, from, length);
    }));
    add(kept.utilization, sample, sample.utilization, null, from, length);
    const last = kept.limits[kept.limits.length - 1];
    if (sample.max !== null && last && last[2] === sample.max && last[1] > from - length) last[1] = to;
    else if (sample.max !== null) kept.limits.push([from, to, sample.max]);
    const until = to - KEPT;
    for (const dimension of [...kept.charts.flat(), kept.utilization]) {
      forget(dimension.steps, until, (step) => step[0] + step[1]);
      forget(dimension.cells, until, (cell) => cell[0] + dimension.width);
    }
    forget(kept.limits, until, (limit) => limit[1]);
    forget(kept.bursts, until, (burst) => burst[1]);
    forget(kept.alerts, until, (alert) => alert[0]);
  }

  return { micros, remember };
}
