// Bursts of several counters at one time are one, the cause first: as `BurstGroup` has it.
function burstGroups(data, micros) {
  const ranks = new Map(data.causes.map(({ counter, charted }, rank) => [counter, { rank, charted }]));
  const unknown = { rank: ranks.size, charted: false };
  const of = ({ counter }) => ranks.get(counter) || unknown;
  const isNear = (end, start) => start - end < data.near;

  function join(group, burst) {
    const [start, end] = [micros(burst.start), micros(burst.end)];
    const known = group.bursts.some(({ counter }) => counter === burst.counter);
    if (known || !isNear(group.end, start) || !isNear(end, group.start)) return false;
    group.start = Math.min(group.start, start);
    group.end = Math.max(group.end, end);
    group.bursts.push(burst);
    return true;
  }

  // What is on a chart first, in the order of their starts, of equals in that of causes and effects.
  const order = (a, b) =>
    of(b).charted - of(a).charted || micros(a.start) - micros(b.start) || of(a).rank - of(b).rank;

  return {
    // Adds a burst to the groups, the latest of which is the first.
    add(groups, burst) {
      if (groups.some((group) => join(group, burst))) return;
      groups.unshift({ start: micros(burst.start), end: micros(burst.end), bursts: [burst] });
    },
    ordered: (group) => [...group.bursts].sort(order),
  };
}
