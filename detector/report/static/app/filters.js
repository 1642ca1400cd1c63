"use strict";
// Which boxes the gallery shows, and in which order: one pass over columns of numbers, for 100,000 of them, too.

(function (hoopoe) {
  const { el } = hoopoe;
  const ALL = {
    name: -1,
    place: -1,
    kind: "",
    rank: "",
    light: "",
    state: "",
    from: "",
    to: "",
    least: 0,
    most: 100,
    every: false,
    sort: "sure",
  };
  hoopoe.filters = { ...ALL };

  // What has no confidence comes last, by its score.
  function byConfidence(sign) {
    return ({ confidence, score }) =>
      (row) =>
        confidence[row] < 0 ? 2000 + sign * score[row] : sign * confidence[row];
  }
  const SORTS = {
    sure: ["surest first", byConfidence(-1)],
    unsure: ["least sure first", byConfidence(1)],
    time: ["by time", (rows) => (row) => (rows.time[row] < 0 ? NEVER : rows.time[row])],
    latest: ["latest first", (rows) => (row) => -rows.time[row]],
    file: ["by camera and file", () => (row) => row],
  };
  const STATES = {
    "": "all that count",
    review: "needs review",
    reviewed: "reviewed",
    repeat: "repeats",
    left_out: "left out",
    failed: "files that failed",
  };
  const orders = {},
    NEVER = 1e9; // minutes, later than any year 3000

  // The rows in an order; sorted once, as numbers of which each carries its row: that needs no comparing function.
  function ordered(sort) {
    if (!orders[sort]) {
      const count = hoopoe.rows.length,
        key = SORTS[sort][1](hoopoe.rows),
        keyed = new Float64Array(count);
      for (let row = 0; row < count; row += 1) keyed[row] = key(row) * count + row;
      keyed.sort();
      orders[sort] = Uint32Array.from(keyed, (value) => value - Math.floor(value / count) * count);
    }
    return orders[sort];
  }

  // What flags must be, as a mask and the bits under it.
  function flagsWanted(filters) {
    const { FLAG } = hoopoe;
    const wanted = [];
    if (!filters.every) wanted.push([FLAG.LEAD, true]);
    if (filters.light) wanted.push([FLAG.NIGHT, filters.light === "night"]);
    if (filters.state === "review") wanted.push([FLAG.REVIEW, true]);
    if (filters.state === "reviewed") wanted.push([FLAG.REVIEWED, true]);
    else if (filters.state === "repeat") wanted.push([FLAG.REPEAT, true]);
    else if (filters.state === "left_out") wanted.push([FLAG.LEFT_OUT, true]);
    else wanted.push([FLAG.LEFT_OUT, false]);
    const mask = wanted.reduce((bits, [flag]) => bits | flag, 0);
    return [mask, wanted.reduce((bits, [flag, on]) => (on ? bits | flag : bits), 0)];
  }

  // The numbers of the rows that pass, in order.
  hoopoe.matching = function (filters) {
    const { rows, summary } = hoopoe,
      order = ordered(filters.sort);
    const [mask, bits] = flagsWanted(filters);
    const names = summary.names.map(
      (name, index) =>
        (filters.name < 0 || filters.name === index) &&
        (!filters.kind || name.kind === filters.kind) &&
        (!filters.rank || (name.rank || "none") === filters.rank),
    );
    const from = filters.from ? hoopoe.isoMinutes(filters.from) : -Infinity;
    const to = filters.to ? hoopoe.isoMinutes(filters.to) + 1440 : Infinity;
    const dated = Boolean(filters.from || filters.to);
    const least = filters.least * 10,
      most = filters.most * 10,
      { flags, name, place, time, confidence, score } = rows;
    const found = [];
    for (let at = 0; at < order.length; at += 1) {
      const row = order[at];
      if ((flags[row] & mask) !== bits || !names[name[row]]) continue;
      if (filters.place >= 0 && place[row] !== filters.place) continue;
      if (dated && (time[row] < from || time[row] >= to || time[row] < 0)) continue;
      const sure = confidence[row] < 0 ? score[row] : confidence[row];
      if (sure < least || sure > most) continue;
      found.push(row);
    }
    return found;
  };

  const select = (key, label, options, change) =>
    el(
      "label",
      {},
      label,
      el(
        "select",
        { "data-filter": key, onchange: (event) => change(key, event.target.value) },
        options.map(([value, text]) =>
          el("option", { value, selected: String(hoopoe.filters[key]) === String(value) }, text),
        ),
      ),
    );

  function nameOptions() {
    const { order, names } = hoopoe.summary;
    const present = new Set(hoopoe.rows.name);
    return order
      .filter((index) => present.has(index))
      .map((index) => [
        index,
        names[index].kind === "bird" ? hoopoe.nameText(index) : `${hoopoe.nameText(index)} (${names[index].kind})`,
      ]);
  }

  const distinct = (values) => [...new Set(values)].sort().map((value) => [value, value]);

  // The controls; changed(filters) is called after each change.
  hoopoe.filterControls = function (changed) {
    const set = (key, value) => {
      hoopoe.filters[key] = value === "" ? ALL[key] : typeof ALL[key] === "number" ? Number(value) : value;
      changed();
    };
    const input = (key, label, attributes) =>
      el(
        "label",
        {},
        label,
        el("input", {
          "data-filter": key,
          value: hoopoe.filters[key],
          ...attributes,
          onchange: (event) => set(key, event.target.value),
        }),
      );
    const { names, places } = hoopoe.summary;
    const every = el("input", {
      type: "checkbox",
      "data-filter": "every",
      checked: hoopoe.filters.every,
      onchange: (event) => set("every", event.target.checked),
    });
    return el(
      "form",
      { class: "filters", onsubmit: (event) => event.preventDefault() },
      select("name", "Name", [[-1, "any"], ...nameOptions()], set),
      select("place", "Deployment", [[-1, "any"], ...places.map((_, place) => [place, hoopoe.placeName(place)])], set),
      select("state", "Show", Object.entries(STATES), set),
      select(
        "sort",
        "Order",
        Object.entries(SORTS).map(([key, [text]]) => [key, text]),
        set,
      ),
      el(
        "details",
        { class: "more" },
        el("summary", {}, "More filters"),
        el(
          "div",
          { class: "filters" },
          select("kind", "Kind", [["", "any"], ...distinct(names.map((name) => name.kind))], set),
          select("rank", "Rank of the name", [["", "any"], ...distinct(names.map((name) => name.rank || "none"))], set),
          select(
            "light",
            "Light",
            [
              ["", "any"],
              ["day", "day"],
              ["night", "night (infrared)"],
            ],
            set,
          ),
          input("from", "From", { type: "date" }),
          input("to", "To", { type: "date" }),
          input("least", "Confidence from, %", { type: "number", min: 0, max: 100 }),
          input("most", "to, %", { type: "number", min: 0, max: 100 }),
          el("label", { class: "check" }, every, " every box, not one a bird"),
          el("button", { type: "button", onclick: () => hoopoe.showInGallery({}) }, "Reset"),
        ),
      ),
    );
  };

  // Show these in the gallery and nothing else.
  hoopoe.showInGallery = function (filters) {
    hoopoe.filters = { ...ALL, ...filters };
    hoopoe.renderGallery();
    document.getElementById("gallery").scrollIntoView();
  };
})(window.hoopoe);
