"use strict";
// What was looked at: the first thing a reader asks.

(function (hoopoe) {
  const { el, number, counted } = hoopoe;

  const fact = (value, text, href) =>
    el("li", {}, el(href ? "a" : "div", { href, class: "fact" }, el("b", {}, value), el("span", {}, text)));

  function period(totals) {
    if (!totals.start) return "No file has a time.";
    const first = hoopoe.date(hoopoe.isoMinutes(totals.start)),
      last = hoopoe.date(hoopoe.isoMinutes(totals.end));
    return first === last ? first : `${first} to ${last}`;
  }

  function filesBar(counts) {
    const birds = counts.with_birds || 0,
      blank = counts.blank || 0,
      failed = counts.failed || 0;
    const others = Math.max((counts.files || 0) - birds - blank - failed, 0);
    return hoopoe.shares(
      [
        { value: birds, text: "with birds", tone: "bird" },
        { value: others, text: "with something else", tone: "other" },
        { value: blank, text: "blank", tone: "blank" },
        { value: failed, text: "could not be read", tone: "failed" },
      ],
      "Files by what is on them",
    );
  }

  function failures(totals) {
    if (!totals.failures.length) return null;
    const rest = (totals.counts.failed || 0) - totals.failures.length;
    return hoopoe.fold(
      counted(totals.counts.failed, "file could not be read", "files could not be read"),
      hoopoe.table(["Reason", "Files"], totals.reasons, "Why"),
      hoopoe.table(["File", "Deployment", "Reason"], totals.failures, "Which"),
      rest > 0 ? el("p", { class: "soft" }, `${number(rest)} more are in files.csv.`) : null,
    );
  }

  hoopoe.renderOverview = function () {
    const { totals, places, names, options, audit } = hoopoe.summary,
      counts = totals.counts;
    const notes = audit ? [...totals.notes, audit] : totals.notes;
    const birds = names.filter((name) => name.kind === "bird");
    const species = birds.filter((name) => name.rank === "species" && name.detections > 0).length;
    const events = birds.reduce((sum, name) => sum + name.events, 0);
    hoopoe.put(
      "overview-body",
      el(
        "p",
        { class: "lead" },
        `${period(totals)} · ${counted(places.length, "deployment")} · ${counted(totals.cards.length, "card")}`,
      ),
      el(
        "ul",
        { class: "facts" },
        fact(number(species), "bird species", "#species"),
        fact(number(events), "bird events", "#activity"),
        fact(number(counts.detections || 0), "detections", "#gallery"),
        fact(number(counts.review || 0), "to review", "#gallery"),
        fact(number(totals.active_days), "camera-days", "#cameras"),
        fact(number(counts.files || 0), "files", "#cameras"),
      ),
      filesBar(counts),
      el(
        "p",
        { class: "soft" },
        `${counted(counts.photos || 0, "photo")} and ${counted(counts.videos || 0, "video")}, ` +
          `${number(counts.night || 0)} of them by infrared light. A detection counts from a score of ${options.threshold} up; ` +
          `sights of one name at one deployment are another event after ${options.independence_min || 30} minutes without it. ` +
          (options.blur === "people" ? "People and vehicles are blurred." : ""),
      ),
      notes.length
        ? el(
            "div",
            { class: "note" },
            el("h2", {}, "Before you use the numbers"),
            el(
              "ul",
              {},
              notes.map((note) => el("li", {}, note)),
            ),
          )
        : null,
      failures(totals),
      totals.warnings.length
        ? hoopoe.fold(
            "Files that could be read only in part",
            hoopoe.table(["File", "What is missing"], totals.warnings, "Warnings"),
          )
        : null,
      totals.cards.length > 1
        ? hoopoe.fold(counted(totals.cards.length, "card"), hoopoe.table(["Card", "Files"], totals.cards, "Cards"))
        : null,
    );
  };
})(window.hoopoe);
