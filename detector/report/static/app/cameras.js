"use strict";
// Where: each camera's effort and what it saw, species by camera, and rates that effort has been divided out of.

(function (hoopoe) {
  const { el, number, decimal } = hoopoe;
  const MOST_NAMES = 20,
    MOST_RATES = 12,
    FEW_DAYS = 30;

  function counts() {
    const { names, places } = hoopoe.summary;
    const table = names.map(() => new Int32Array(places.length));
    for (let event = 0; event < hoopoe.events.length; event += 1)
      table[hoopoe.events.name[event]][hoopoe.events.place[event]] += 1;
    return table;
  }

  function matrix() {
    const { places, order, names } = hoopoe.summary,
      table = counts();
    const shown = order.filter((index) => names[index].events > 0).slice(0, MOST_NAMES);
    if (!shown.length) return null;
    const largest = Math.max(...shown.map((index) => Math.max(...table[index])), 1);
    const cell = (count, index, place) => {
      const td = el(
        "td",
        { class: "heat" },
        count
          ? el(
              "button",
              {
                type: "button",
                onclick: () => hoopoe.showInGallery({ name: index, place }),
                "aria-label": `${number(count)} events of ${hoopoe.nameText(index)} at ${hoopoe.placeName(place)}`,
              },
              number(count),
            )
          : "·",
      );
      td.style.setProperty("--heat", count ? String(0.15 + 0.85 * Math.sqrt(count / largest)) : "0");
      return td;
    };
    return el(
      "figure",
      {},
      el(
        "figcaption",
        {},
        "Events by name and deployment" + (shown.length === MOST_NAMES ? `, the first ${MOST_NAMES} names` : ""),
      ),
      el(
        "div",
        { class: "scroll", tabindex: 0, role: "region", "aria-label": "Events by name and deployment" },
        el(
          "table",
          { class: "matrix" },
          el(
            "thead",
            {},
            el(
              "tr",
              {},
              el("th", { scope: "col" }, "Name"),
              places.map((_, place) => el("th", { scope: "col" }, el("span", {}, hoopoe.breaking(hoopoe.placeName(place))))),
            ),
          ),
          el(
            "tbody",
            {},
            shown.map((index) =>
              el(
                "tr",
                {},
                el("th", { scope: "row" }, hoopoe.nameNode(index)),
                places.map((_, place) => cell(table[index][place], index, place)),
              ),
            ),
          ),
        ),
      ),
    );
  }

  function rateFigure() {
    const { names, order, rates, totals } = hoopoe.summary;
    const shown = order.filter((index) => names[index].events > 0 && rates[index] !== null).slice(0, MOST_RATES);
    if (!shown.length) return null;
    const caption = `Events in 100 camera-days, of ${number(totals.active_days)} camera-days`;
    const rows = shown.map((index) => [
      hoopoe.nameNode(index),
      names[index].events,
      totals.active_days,
      decimal(rates[index], 2),
    ]);
    return hoopoe.figure(
      caption,
      (width) =>
        hoopoe.lyingBars(width, {
          values: shown.map((index) => rates[index]),
          names: shown.map(hoopoe.nameText),
          texts: shown.map((index) => decimal(rates[index])),
          label: caption,
        }),
      hoopoe.table(["Name", "Events", "Camera-days", "Events in 100 camera-days"], rows, caption),
    );
  }

  function deployments() {
    const { places } = hoopoe.summary;
    const when = (text) => (text ? hoopoe.date(hoopoe.isoMinutes(text)) : "–");
    const rows = places.map((place, index) => [
      el(
        "button",
        { type: "button", class: "link", onclick: () => hoopoe.showInGallery({ place: index }) },
        el("bdi", {}, hoopoe.placeName(index)),
      ),
      when(place.start),
      when(place.end),
      place.days || 0,
      place.active_days || 0,
      place.media || 0,
      place.blank || 0,
      place.failed || 0,
      place.birds,
      place.species,
      place.rate === null ? "–" : decimal(place.rate),
    ]);
    return hoopoe.table(
      [
        "Deployment",
        "From",
        "To",
        "Days",
        "Active days",
        "Files",
        "Blank",
        "Failed",
        "Bird events",
        "Bird species",
        "Bird events in 100 days",
      ],
      rows,
      "Deployments and their effort",
    );
  }

  function gaps() {
    const day = (text) => hoopoe.isoMinutes(text) / 1440;
    const rows = hoopoe.summary.places.flatMap((place, index) =>
      (place.gaps || []).map(([from, to]) => [
        hoopoe.placeName(index),
        hoopoe.date(hoopoe.isoMinutes(from)),
        hoopoe.date(hoopoe.isoMinutes(to)),
        day(to) - day(from) + 1,
      ]),
    );
    return rows.length
      ? hoopoe.fold(
          hoopoe.counted(rows.length, "time without a camera", "times without a camera"),
          hoopoe.table(
            ["Deployment", "From", "To", "Days"],
            rows,
            "Days without a camera, or without any file for too long",
          ),
        )
      : null;
  }

  hoopoe.renderCameras = function () {
    const { totals } = hoopoe.summary;
    if (!hoopoe.summary.places.length) return hoopoe.put("cameras-body", el("p", {}, "There is no deployment."));
    return hoopoe.put(
      "cameras-body",
      el(
        "p",
        { class: "soft" },
        "Camera-days are days on which a camera watched: those without it, or without any file for too long, are not counted.",
      ),
      totals.active_days < FEW_DAYS
        ? el(
            "p",
            { class: "soft" },
            `With ${hoopoe.counted(totals.active_days, "camera-day")} in all, rates say little yet.`,
          )
        : null,
      deployments(),
      gaps(),
      el("div", { class: "two" }, rateFigure(), hoopoe.mapFigure()),
      matrix(),
    );
  };
})(window.hoopoe);
