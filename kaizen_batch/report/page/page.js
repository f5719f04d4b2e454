"use strict";
const report = (() => {
  const HEIGHT = 190;
  const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
  const short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
  const fine = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
  const shown = { figure: (n) => (Math.abs(n) >= 100 ? whole : fine).format(n) };
  const units = {
    rate: { axis: (n) => short.format(n), value: (n) => `${shown.figure(n)}/s` },
    count: { axis: (n) => short.format(n), value: shown.figure },
    usd: { axis: (n) => `$${short.format(n)}`, value: (n) => `$${shown.figure(n)}` },
  };
  const charts = new Map();
  let data;

  const seconds = (s) => {
    if (s < 1) return s ? `${fine.format(s * 1000)} ms` : "0 s";
    if (s < 60) return `${fine.format(s)} s`;
    const parts = s < 3600 ? [s / 60, s % 60] : [s / 3600, (s % 3600) / 60];
    return parts.map((part, n) => String(Math.floor(part + 1e-9)).padStart(n ? 2 : 1, "0")).join(":") + (s < 3600 ? "" : " h");
  };
  const clock = (unix) => new Date((unix + data.utc_offset_s) * 1000).toISOString().slice(11, 19);
  const when = (u, s, unix) => (unix ? (u.width < 420 ? clock(unix) : `${seconds(s)}, ${clock(unix)}`) : seconds(s));
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const faint = (name) => `color-mix(in srgb, ${color(name)} 14%, transparent)`;

  const axis = (values, more) => ({
    stroke: color("soft"), grid: { stroke: color("line"), width: 1 }, ticks: { show: false },
    font: "11px system-ui, sans-serif", values: (u, splits) => splits.map((n) => (n === null ? "" : values(n))), ...more,
  });
  const widest = (u, values) => 14 + 6.2 * Math.max(2, ...(values || []).map((value) => value.length));

  const uprights = (u, places) => {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.fillStyle = ctx.strokeStyle = color("soft");
    ctx.lineWidth = devicePixelRatio;
    ctx.textAlign = "left";
    ctx.textBaseline = "alphabetic";
    ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
    const lines = places.map(([at, name]) => [Math.round(u.valToPos(at, "x", true)), name])
      .filter(([x]) => x >= bbox.left && x <= bbox.left + bbox.width);
    const gap = 5 * devicePixelRatio;
    const right = bbox.left + bbox.width + gap;
    const free = [0, 0, 0]; // in each row of labels: none over another one, nor in the first over the next line
    lines.forEach(([x, name], n) => {
      const width = ctx.measureText(name).width + gap;
      const end = n + 1 < lines.length ? lines[n + 1][0] : right;
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      for (const row of free.keys()) {
        const fits = (left) => left >= free[row] && left + width <= right && (row > 0 || left < x || left + width < end);
        const left = [x + gap, x - width].find(fits);
        if (left === undefined) continue;
        ctx.fillText(name, left, bbox.top + (11 + 12 * row) * devicePixelRatio);
        free[row] = left + width;
        break;
      }
    });
    ctx.restore();
  };

  const key = (legend) => ({
    mount: (u, table) => legend.append(table), markers: { width: 0, fill: (u, n) => u.series[n].stroke(u, n) },
  });

  const overTime = (plot, box, legend) => {
    const unit = units[plot.unit];
    const line = (series, n) => ({
      label: series.label, stroke: color(series.color), width: 1.5, points: { show: false },
      fill: n || plot.series.length > 1 ? undefined : faint(series.color), value: (u, n) => (n === null ? "" : unit.value(n)),
    });
    return {
      width: box.clientWidth, height: HEIGHT, legend: key(legend),
      cursor: { sync: { key: "time" }, y: false, points: { size: 6 } },
      scales: { x: { time: false }, y: { range: (u, low, high) => [0, (high || 1) * (data.begins_s.length ? 1.2 : 1.08)] } },
      series: [{ value: (u, s, i, n) => (n === null ? "" : when(u, s, data.moment[n])) },
        ...plot.series.map(line)],
      axes: [axis(seconds, { space: 70, size: 26, incrs: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400] }),
        axis(unit.axis, { size: widest, space: 36 })],
      hooks: { draw: [(u) => uprights(u, data.begins_s.map((at, n) => [at, `run ${n + 2}`]))] },
    };
  };

  const latency = (plot, box, legend) => ({
    width: box.clientWidth, height: HEIGHT, legend: key(legend),
    cursor: { y: false, drag: { x: false }, points: { show: false } },
    scales: {
      x: { time: false, distr: 3, range: () => data.latency.edges_s },
      y: { range: (u, low, high) => [0, (high || 1) * 1.15] },
    },
    series: [{ value: (u, s) => (s === null ? "" : `about ${seconds(s)}`) }, {
      label: "answers", stroke: color("blue"), fill: faint("blue"), width: 1, points: { show: false },
      paths: uPlot.paths.bars({ size: [0.9, 60] }), value: (u, n) => (n === null ? "" : whole.format(n)),
    }],
    axes: [axis(seconds, { size: 26, splits: (u) => steps(...data.latency.edges_s, u.bbox.width / devicePixelRatio || box.clientWidth), filter: (u, splits) => splits }), axis(units.count.axis, { size: widest, space: 36 })],
    hooks: { draw: [(u) => uprights(u, Object.entries(data.latency.quantiles).map(([name, at]) => [at, name]))] },
  });

  // As many round numbers as have room: powers of ten, or 1, 2, 5, 10, ..., or all of one digit.
  const steps = (low, high, width) => {
    const within = (digits) => {
      const found = [];
      for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
        found.push(...digits.map((digit) => Number(`${digit}e${power}`)).filter((n) => n >= low && n <= high));
      return found;
    };
    const found = [[1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 5], [1]].map(within).find((numbers) => numbers.length <= 6) || [];
    // On a logarithmic axis the larger ones are close together; a label has the room of "100 ms", and at least a seventh.
    let last = -1;
    return found.filter((n) => {
      const at = Math.log(n / low) / Math.log(high / low);
      if (at - last < Math.max(1 / 7, 46 / width)) return false;
      last = at;
      return true;
    });
  };

  const plots = () => [
    ...data.over_time.map((plot) => ({ ...plot, build: overTime, columns: [data.at_s, ...plot.series.map((each) => each.values)] })),
    { ...data.latency, id: "latency", build: latency, series: data.latency.at_s, columns: [data.latency.at_s, data.latency.counts] },
  ];

  const rebuild = () => {
    for (const chart of charts.values()) chart.destroy();
    for (const old of document.querySelectorAll("figcaption .u-legend")) old.remove();
    charts.clear();
    for (const plot of plots()) {
      const figure = document.getElementById(`plot-${plot.id}`), box = figure?.querySelector(".canvas");
      if (!figure) continue;
      box.hidden = !plot.series.length;
      const blank = figure.querySelector(".blank");
      blank.hidden = !box.hidden;
      blank.textContent = plot.blank;
      if (!box.hidden) charts.set(plot.id, new uPlot(plot.build(plot, box, figure.querySelector("figcaption")), plot.columns, box));
    }
  };

  const show = (fresh) => {
    data = fresh;
    const wanted = plots().filter((plot) => plot.series.length);
    if (wanted.length !== charts.size) return rebuild();
    for (const plot of wanted) charts.get(plot.id).setData(plot.columns);
  };
  const read = (page) => JSON.parse(page.getElementById("data").textContent);

  show(read(document));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", rebuild);
  addEventListener("resize", () => { for (const chart of charts.values()) chart.setSize({ width: chart.root.parentNode.clientWidth, height: HEIGHT }); });
  return { show, read };
})();
