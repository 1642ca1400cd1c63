"use strict";
// What was seen, by name: events, the most at once, the best pictures, and what needs a person.

(function (hoopoe) {
  const { el, number } = hoopoe;
  const FIRST = 12;
  let all = false;

  const figureOf = (value, text) => el("div", {}, el("dt", {}, text), el("dd", {}, value));

  function pictures(name) {
    return el(
      "div",
      { class: "strip" },
      name.best.slice(0, 4).map(({ row, picture }) =>
        el(
          "button",
          {
            type: "button",
            class: "thumb",
            "aria-label": `Look at ${name.display}`,
            onclick: () => hoopoe.view(row, [row]),
          },
          el("img", { src: `pictures/${picture}`, loading: "lazy", alt: "", decoding: "async" }),
        ),
      ),
    );
  }

  function card(index) {
    const name = hoopoe.summary.names[index],
      rate = hoopoe.summary.rates[index];
    const second = hoopoe.language === "scientific" ? name.display : name.name;
    return el(
      "article",
      { class: "species" },
      name.best.length ? pictures(name) : el("div", { class: "strip none" }, "no picture"),
      el("h3", {}, hoopoe.nameNode(index)),
      el(
        "p",
        { class: "soft second" },
        second && second !== hoopoe.nameText(index)
          ? el("bdi", { class: hoopoe.language === "scientific" ? null : "scientific" }, second)
          : null,
        name.kind === "bird" || name.kind === name.display ? null : ` ${name.kind}`,
      ),
      el(
        "dl",
        {},
        figureOf(number(name.events), "events"),
        figureOf(number(name.count), "at once"),
        figureOf(rate === null ? "–" : hoopoe.decimal(rate), "in 100 days"),
        figureOf(number(name.detections), "detections"),
      ),
      el(
        "p",
        { class: "actions" },
        el("button", { type: "button", onclick: () => hoopoe.showInGallery({ name: index }) }, "Pictures"),
        name.review
          ? el(
              "button",
              {
                type: "button",
                class: "attention",
                onclick: () => hoopoe.showInGallery({ name: index, state: "review" }),
              },
              `${number(name.review)} to review`,
            )
          : null,
      ),
    );
  }

  function table(order) {
    const { names, rates } = hoopoe.summary;
    const rows = order.map((index) => [
      hoopoe.nameNode(index),
      names[index].name || "",
      names[index].kind,
      names[index].rank || "",
      names[index].events,
      names[index].count,
      names[index].detections,
      names[index].files,
      names[index].review,
      rates[index] === null ? "–" : hoopoe.decimal(rates[index], 2),
    ]);
    return hoopoe.table(
      [
        "Name",
        "Scientific name",
        "Kind",
        "Rank",
        "Events",
        "Most at once (MaxN)",
        "Detections",
        "Files",
        "To review",
        "Events in 100 camera-days",
      ],
      rows,
      "All names",
    );
  }

  hoopoe.renderSpecies = function () {
    const order = hoopoe.summary.order.filter((index) => hoopoe.summary.names[index].detections > 0);
    if (!order.length) return hoopoe.put("species-body", el("p", {}, "Nothing was found."));
    const shown = all ? order : order.slice(0, FIRST);
    return hoopoe.put(
      "species-body",
      el(
        "p",
        { class: "soft" },
        "At once is MaxN: the most of one kind in a single frame, never the sum over a burst or video.",
      ),
      el("div", { class: "cards" }, shown.map(card)),
      order.length > FIRST
        ? el(
            "p",
            {},
            el(
              "button",
              {
                type: "button",
                onclick: () => {
                  all = !all;
                  hoopoe.renderSpecies();
                },
              },
              all ? `Show the first ${FIRST}` : `Show all ${number(order.length)}`,
            ),
          )
        : null,
      hoopoe.fold("Table", table(order)),
    );
  };
})(window.hoopoe);
