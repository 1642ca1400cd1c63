"use strict";
// Plots as SVG with text, drawn for the width that there is; a table behind each.

(function (hoopoe) {
  const { el, svg } = hoopoe;
  const drawn = new Map();

  // A figure that draws itself again when its width changes: draw(width) gives an SVG element.
  hoopoe.figure = function (caption, draw, table) {
    const place = el("div", { class: "plot" });
    const figure = el("figure", {}, el("figcaption", {}, caption), place, table ? hoopoe.fold("Table", table) : null);
    drawn.set(place, draw);
    watcher.observe(place);
    return figure;
  };

  const watcher = new ResizeObserver((entries) => {
    for (const { target, contentRect } of entries) {
      const width = Math.round(contentRect.width);
      if (!target.isConnected) {
        watcher.unobserve(target);
        drawn.delete(target);
      } else if (width && target.dataset.width !== String(width)) {
        target.dataset.width = width;
        target.replaceChildren(drawn.get(target)(width));
      }
    }
  });

  hoopoe.canvas = (width, height, label, ...children) =>
    svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label }, ...children);
  hoopoe.label = (x, y, text, options) => svg("text", { x, y, class: "tick", ...options }, text);

  // Round steps from 0 up to at least the largest value, about so many.
  hoopoe.ticks = function (largest, about = 4) {
    const rough = Math.max(largest, 1e-9) / about;
    const unit = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((factor) => factor * unit).find((each) => each >= rough);
    const count = Math.ceil(largest / step - 1e-9);
    return Array.from({ length: Math.max(count, 1) + 1 }, (_, place) => Number((place * step).toPrecision(12)));
  };
  hoopoe.wholeTicks = (largest) => [...new Set(hoopoe.ticks(Math.max(largest, 1)).map(Math.ceil))];

  // Upright bars: values, the texts below some of them, and bands of night behind.
  hoopoe.bars = function (width, { values, labels, unit, label, night = [], marks = [] }) {
    const height = 220,
      left = 44,
      bottom = 34,
      top = 26;
    const ticks = hoopoe.wholeTicks(Math.max(...values, 0));
    const highest = ticks[ticks.length - 1];
    const step = (width - left - 4) / Math.max(values.length, 1);
    const y = (value) => height - bottom - (value / highest) * (height - bottom - top);
    const nodes = [];
    for (const [from, to] of night) {
      nodes.push(
        svg("rect", {
          class: "night",
          x: left + from * step,
          y: top,
          width: (to - from) * step,
          height: height - bottom - top,
        }),
      );
    }
    for (const tick of ticks) {
      nodes.push(svg("line", { class: tick ? "grid" : "axis", x1: left, x2: width, y1: y(tick), y2: y(tick) }));
      nodes.push(hoopoe.label(left - 8, y(tick) + 4, hoopoe.number(tick), { "text-anchor": "end" }));
    }
    nodes.push(hoopoe.label(0, 12, unit));
    values.forEach((value, place) => {
      const x = left + place * step,
        gap = Math.min(2, step / 5);
      nodes.push(
        svg(
          "rect",
          {
            class: "bar",
            x: x + gap / 2,
            y: y(value),
            width: Math.max(step - gap, 0.5),
            height: height - bottom - y(value),
          },
          svg("title", {}, `${labels[place].title}: ${hoopoe.number(value)}`),
        ),
      );
      if (labels[place].text) {
        const middle = labels[place].edge ? x : x + step / 2;
        nodes.push(hoopoe.label(middle, height - bottom + 17, labels[place].text, { "text-anchor": "middle" }));
      }
    });
    for (const { at, text } of marks) {
      nodes.push(
        svg("line", { class: "mark", x1: left + at * step, x2: left + at * step, y1: top - 4, y2: height - bottom }),
      );
      nodes.push(hoopoe.label(left + at * step, top - 9, text, { "text-anchor": "middle" }));
    }
    return hoopoe.canvas(width, height, label, ...nodes);
  };

  // Lying bars with their names above them, so that long names fit on a phone.
  hoopoe.lyingBars = function (width, { values, names, texts, label }) {
    const row = 40;
    const largest = Math.max(...values, 1e-9),
      room = width - 96;
    const nodes = values.map((value, place) => [
      hoopoe.label(0, place * row + 14, names[place], { class: "tick name" }),
      svg("rect", {
        class: "bar",
        x: 0,
        y: place * row + 20,
        width: Math.max((value / largest) * room, 1),
        height: 12,
        rx: 2,
      }),
      hoopoe.label(Math.max((value / largest) * room, 1) + 8, place * row + 30, texts[place]),
    ]);
    return hoopoe.canvas(width, Math.max(values.length, 1) * row, label, ...nodes);
  };

  // One bar of shares, each with its text below; parts: {value, text, tone}.
  hoopoe.shares = function (parts, label) {
    const total = parts.reduce((sum, part) => sum + part.value, 0) || 1;
    const shown = parts.filter((part) => part.value > 0);
    const draw = (width) => {
      let at = 0;
      return hoopoe.canvas(
        width,
        28,
        label,
        ...shown.map((part) => {
          const wide = (part.value / total) * width,
            x = at;
          at += wide;
          return svg("rect", { class: `tone-${part.tone}`, x, y: 4, width: Math.max(wide - 2, 1), height: 20, rx: 3 });
        }),
      );
    };
    const legend = el(
      "ul",
      { class: "legend" },
      shown.map((part) =>
        el(
          "li",
          {},
          el("span", { class: `swatch tone-${part.tone}`, "aria-hidden": "true" }),
          el("b", {}, hoopoe.number(part.value)),
          ` ${part.text} `,
          el("span", { class: "soft" }, hoopoe.percent(part.value / total)),
        ),
      ),
    );
    return el("div", {}, hoopoe.figure("", draw), legend);
  };
})(window.hoopoe);
