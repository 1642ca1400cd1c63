"use strict";
// What all parts share: elements, numbers, dates. Text only ever becomes text: nothing here makes markup of it.

window.hoopoe = { taken: {}, summary: null };

(function (hoopoe) {
  const SVG = "http://www.w3.org/2000/svg";

  // The value of a data script, which calls this as it runs.
  hoopoe.take = function (name, value) {
    hoopoe.taken[name] = value;
    if (name === "summary") hoopoe.summary = value;
  };

  function fill(node, attributes, children) {
    for (const [key, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
      else node.setAttribute(key, value === true ? "" : String(value));
    }
    add(node, children);
    return node;
  }

  function add(node, children) {
    for (const child of children.flat(3)) {
      if (child === null || child === undefined || child === false) continue;
      node.append(child instanceof Node ? child : document.createTextNode(String(child)));
    }
    return node;
  }

  hoopoe.el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
  hoopoe.svg = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

  // The element of this id, holding these children and nothing else.
  hoopoe.put = function (id, ...children) {
    const node = document.getElementById(id);
    node.replaceChildren();
    return add(node, children);
  };

  // A path or an id, which may go on in the next line behind a slash or underscore, and not in the middle of a word.
  hoopoe.breaking = (text) =>
    text.split(/(?<=[/_])/).map((part, place) => (place ? [hoopoe.el("wbr"), part] : part));

  const whole = new Intl.NumberFormat("en");
  hoopoe.number = (value) => whole.format(value);
  hoopoe.decimal = (value, digits = 1) =>
    new Intl.NumberFormat("en", { maximumFractionDigits: digits, minimumFractionDigits: digits }).format(value);
  hoopoe.percent = (value) => `${Math.round(100 * value)} %`;
  hoopoe.counted = (count, one, many) => `${hoopoe.number(count)} ${count === 1 ? one : many || `${one}s`}`;

  // Times are local to their camera: minutes since 1970 on its own clock, shown as they are.
  const day = new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", day: "numeric", month: "short", year: "numeric" });
  const clock = new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", hour: "2-digit", minute: "2-digit" });
  hoopoe.date = (minutes) => day.format(new Date(minutes * 60000));
  hoopoe.moment = (minutes) =>
    minutes < 0 ? "time unknown" : `${hoopoe.date(minutes)}, ${clock.format(new Date(minutes * 60000))}`;
  hoopoe.isoMinutes = (text) => Math.floor(Date.parse(`${text.slice(0, 10)}T${text.slice(11) || "00:00:00"}Z`) / 60000);
  hoopoe.isoDay = (minutes) => new Date(minutes * 60000).toISOString().slice(0, 10);

  // A table behind a plot, or beside it: header texts, and rows of texts or nodes; numbers stand to the right.
  hoopoe.table = function (header, rows, caption) {
    const isNumber = (value) => typeof value === "number" || /^([\d,.]+( %)?|–)$/.test(value);
    const numeric = header.map((_, column) => rows.length > 0 && rows.every((row) => isNumber(row[column])));
    const short = (value) => typeof value === "string" && value.length < 13;
    const cell = (value, column) =>
      hoopoe.el(
        "td",
        { class: numeric[column] ? "number" : short(value) ? "short" : null },
        typeof value === "number" ? hoopoe.number(value) : value,
      );
    return hoopoe.el(
      "div",
      { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
      hoopoe.el(
        "table",
        {},
        hoopoe.el("caption", {}, caption),
        hoopoe.el(
          "thead",
          {},
          hoopoe.el(
            "tr",
            {},
            header.map((text, column) =>
              hoopoe.el("th", { scope: "col", class: numeric[column] ? "number" : null }, text),
            ),
          ),
        ),
        hoopoe.el(
          "tbody",
          {},
          rows.map((row) => hoopoe.el("tr", {}, row.map(cell))),
        ),
      ),
    );
  };

  // What a box may be, the likeliest first: pairs of a name and a share; node(name) shows a name.
  hoopoe.candidates = function (found, node) {
    const { el, percent } = hoopoe;
    const item = ([name, share]) => {
      const bar = el("span", { class: "fill" });
      bar.style.width = percent(share).replace(" ", "");
      return el(
        "li",
        {},
        node(name),
        el("b", {}, percent(share)),
        el("span", { class: "rail", "aria-hidden": "true" }, bar),
      );
    };
    return found.length ? el("ul", { class: "candidates" }, found.map(item)) : null;
  };

  hoopoe.fold = (title, ...children) => hoopoe.el("details", {}, hoopoe.el("summary", {}, title), ...children);
})(window.hoopoe);
