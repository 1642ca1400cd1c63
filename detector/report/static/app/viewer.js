"use strict";
// One box, large: its frame, what it may be and why, the frames of its track, and the clip of its video.

(function (hoopoe) {
  const { el, svg, number, percent } = hoopoe;
  let list = [],
    at = 0,
    asked = 0;

  const dialog = () => document.getElementById("viewer");

  function boxes(row) {
    const { rows, PLACES } = hoopoe;
    const marks = [];
    for (let other = 0; other < rows.length; other += 1) {
      if (rows.media[other] !== rows.media[row] || rows.frame[other] !== rows.frame[row]) continue;
      marks.push(
        svg("rect", {
          class: other === row ? "own" : "other",
          x: rows.x[other] / PLACES,
          y: rows.y[other] / PLACES,
          width: rows.w[other] / PLACES,
          height: rows.h[other] / PLACES,
        }),
      );
    }
    return svg(
      "svg",
      { class: "boxes", viewBox: "0 0 1 1", preserveAspectRatio: "none", "aria-hidden": "true" },
      ...marks,
    );
  }

  function frame(row) {
    if (!hoopoe.has(row, hoopoe.FLAG.PICTURE))
      return el("p", { class: "note" }, "There is no picture: the file could not be read when the report was made.");
    return el(
      "div",
      { class: "frame" },
      el("img", {
        src: hoopoe.framePath(row),
        alt: `The whole picture, with a box around ${hoopoe.nameText(hoopoe.rows.name[row])}`,
      }),
      boxes(row),
    );
  }

  function track(row) {
    const { rows, FLAG } = hoopoe;
    const members = [];
    for (let other = 0; other < rows.length && members.length < 200; other += 1)
      if (rows.individual[other] === rows.individual[row]) members.push(other);
    const strip =
      members.length < 2
        ? null
        : el(
            "div",
            { class: "strip track", role: "group", "aria-label": "Other pictures of the same bird" },
            members.map((other) =>
              el(
                "button",
                {
                  type: "button",
                  class: "thumb",
                  "aria-pressed": String(other === row),
                  "aria-label": hoopoe.moment(rows.time[other]),
                  onclick: () => show(other),
                },
                hoopoe.crop(other),
              ),
            ),
          );
    const clip = hoopoe.has(row, FLAG.CLIP)
      ? el("video", {
          src: hoopoe.clipPath(row),
          controls: true,
          preload: "none",
          playsinline: true,
          muted: true,
          poster: hoopoe.framePath(row),
        })
      : null;
    return [
      clip ? el("details", { class: "clip" }, el("summary", {}, "Play the clip"), clip) : null,
      strip ? el("p", { class: "soft" }, `${number(members.length)} pictures of this one`) : null,
      strip,
    ];
  }

  function facts(row, found) {
    const { rows } = hoopoe,
      place = hoopoe.summary.places[rows.place[row]];
    const time =
      rows.time[row] < 0
        ? "unknown"
        : hoopoe.moment(rows.time[row]) +
          (found.offset === null
            ? ""
            : `, UTC${found.offset < 0 ? "−" : "+"}${hoopoe.decimal(Math.abs(found.offset) / 60, found.offset % 60 ? 2 : 0)}`);
    const lines = [
      ["Why unsure", found.reasons.join(", ")],
      ["Deployment", place.name ? `${place.name} (${place.id})` : place.id],
      ["Time", time],
      ["File", found.file],
      [
        "Frame",
        hoopoe.has(row, hoopoe.FLAG.VIDEO) ? `${number(rows.frame[row])}, ${hoopoe.decimal(found.time)} s` : "",
      ],
      ["Detector", `${found.label}, ${percent(rows.score[row] / 1000)}`],
      ["Both in one score", found.species_score === null ? "" : percent(found.species_score)],
      ["Named by", found.reviewer || ""],
      [
        "Look",
        [
          found.copy ? "a copy of another file" : "",
          found.outside ? "outside its deployment's period" : "",
          found.warning || "",
        ]
          .filter(Boolean)
          .join("; "),
      ],
    ];
    return el(
      "dl",
      { class: "lines" },
      lines
        .filter(([, text]) => text)
        .map(([term, text]) => el("div", {}, el("dt", {}, term), el("dd", {}, el("bdi", {}, text)))),
    );
  }

  async function show(row) {
    const turn = (asked += 1),
      found = await hoopoe.details(row),
      { rows, summary, FLAG } = hoopoe;
    if (turn !== asked) return; // another was asked for while this one was read
    const name = summary.names[rows.name[row]],
      sure = hoopoe.sureText(row);
    const others = [name.display, name.name, name.hebrew].filter(
      (text, place, all) => text && text !== hoopoe.nameText(rows.name[row]) && all.indexOf(text) === place,
    );
    const step = (by, text) =>
      el("button", { type: "button", disabled: !(at + by in list), onclick: () => move(by) }, text);
    dialog().replaceChildren(
      el(
        "header",
        {},
        el(
          "h2",
          { id: "viewer-title" },
          hoopoe.nameNode(rows.name[row]),
          sure ? el("span", { class: "sure" }, sure) : null,
        ),
        el(
          "div",
          { class: "pair" },
          step(-1, "Before"),
          step(1, "Next"),
          el("button", { type: "button", onclick: () => dialog().close() }, "Close"),
        ),
      ),
      el(
        "div",
        { class: "sides" },
        el("div", {}, frame(row), ...track(row)),
        el(
          "div",
          {},
          el(
            "p",
            { class: "soft" },
            others.map((text) => [el("bdi", { class: text === name.name ? "scientific" : null }, text), " "]),
          ),
          hoopoe.has(row, FLAG.LEFT_OUT)
            ? el("p", { class: "note" }, "Does not count: a repeat, or a person says that it is nothing.")
            : null,
          hoopoe.has(row, FLAG.REVIEW) ? el("p", { class: "note" }, "A person should look at this one.") : null,
          hoopoe.candidates(found.candidates, (name) => el("span", {}, hoopoe.taxonNode(name))),
          facts(row, found),
        ),
      ),
    );
  }

  function move(by) {
    if (!(at + by in list)) return;
    at += by;
    show(list[at]);
  }

  // Open a box, as one of a list to step through by the arrow keys.
  hoopoe.view = async function (row, rows, place) {
    list = rows;
    at = place === undefined ? Math.max(rows.indexOf(row), 0) : place;
    await show(row);
    dialog().showModal();
  };

  document.addEventListener("keydown", (event) => {
    if (!dialog().open || event.target.closest("video, input, select")) return;
    if (event.key === "ArrowRight") move(1);
    if (event.key === "ArrowLeft") move(-1);
  });
  document.addEventListener("click", (event) => {
    if (event.target === dialog()) dialog().close();
  });
})(window.hoopoe);
