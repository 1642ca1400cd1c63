"use strict";
// Crops with their boxes, a page at a time; pictures are read when they are seen.

(function (hoopoe) {
  const { el, number } = hoopoe;
  const PAGE = 60,
    MARGIN = 0.25; // `pictures.CROP_MARGIN` of the program
  let page = 0,
    found = [];

  // Where the box lies in its crop, which was cut with a margin, as far as the picture goes: left, top, width, height.
  hoopoe.boxInCrop = function (row) {
    const { rows, PLACES } = hoopoe;
    const along = (start, size) => {
      const from = Math.max(start - MARGIN * size, 0),
        to = Math.min(start + (1 + MARGIN) * size, 1);
      const long = Math.max(to - from, 1e-6);
      return [Math.max(start - from, 0) / long, Math.min(size, to - Math.max(start, 0)) / long];
    };
    const [left, width] = along(rows.x[row] / PLACES, rows.w[row] / PLACES);
    const [top, height] = along(rows.y[row] / PLACES, rows.h[row] / PLACES);
    return [left, top, width, height];
  };

  // The picture stands whole in the middle of a square; the box follows it once its size is known.
  function placeBox(image, mark, row) {
    const ratio = image.naturalWidth / image.naturalHeight || 1;
    const wide = Math.min(ratio, 1),
      high = Math.min(1 / ratio, 1);
    const [left, top, width, height] = hoopoe.boxInCrop(row);
    const share = (value) => `${(100 * value).toFixed(2)}%`;
    mark.style.left = share((1 - wide) / 2 + left * wide);
    mark.style.top = share((1 - high) / 2 + top * high);
    mark.style.width = share(width * wide);
    mark.style.height = share(height * high);
    mark.hidden = false;
  }

  hoopoe.crop = function (row) {
    if (!hoopoe.has(row, hoopoe.FLAG.PICTURE)) return el("span", { class: "crop none" }, "no picture");
    const mark = el("span", { class: "box", hidden: true });
    const image = el("img", {
      src: hoopoe.cropPath(row),
      loading: "lazy",
      decoding: "async",
      alt: "",
      onload: () => placeBox(image, mark, row),
    });
    return el("span", { class: "crop" }, image, mark);
  };

  hoopoe.sureText = (row) =>
    hoopoe.rows.confidence[row] < 0 || hoopoe.has(row, hoopoe.FLAG.REVIEWED)
      ? null
      : hoopoe.percent(hoopoe.rows.confidence[row] / 1000);

  function badges(row) {
    const { FLAG, has } = hoopoe;
    const badge = (flag, text, tone) => (has(row, flag) ? el("span", { class: `badge ${tone || ""}` }, text) : null);
    return el(
      "span",
      { class: "badges" },
      badge(FLAG.REVIEW, "review", "attention"),
      badge(FLAG.REVIEWED, "reviewed"),
      badge(FLAG.REPEAT, "repeat"),
      badge(FLAG.VIDEO, "video"),
      badge(FLAG.NIGHT, "night"),
    );
  }

  function card(row, place) {
    const { rows } = hoopoe,
      sure = hoopoe.sureText(row);
    return el(
      "li",
      {},
      el(
        "button",
        { type: "button", class: "card", "data-row": row, onclick: () => hoopoe.view(row, found, place) },
        hoopoe.crop(row),
        badges(row),
        el(
          "span",
          { class: "title" },
          hoopoe.nameNode(rows.name[row]),
          sure ? el("span", { class: "sure" }, sure) : null,
        ),
        el("span", { class: "soft" }, hoopoe.breaking(hoopoe.placeName(rows.place[row]))),
        el("span", { class: "soft" }, hoopoe.moment(rows.time[row])),
      ),
    );
  }

  function pager() {
    const pages = Math.max(Math.ceil(found.length / PAGE), 1);
    if (pages < 2) return null;
    const go = (to, text) =>
      el(
        "button",
        {
          type: "button",
          disabled: to < 0 || to >= pages,
          onclick: () => {
            page = to;
            draw();
            document.getElementById("gallery").scrollIntoView();
          },
        },
        text,
      );
    return el(
      "nav",
      { class: "pager", "aria-label": "Pages of the gallery" },
      go(0, "First"),
      go(page - 1, "Before"),
      el("span", {}, `${number(page + 1)} of ${number(pages)}`),
      go(page + 1, "Next"),
      go(pages - 1, "Last"),
    );
  }

  function failures() {
    const { totals } = hoopoe.summary;
    return totals.failures.length
      ? hoopoe.table(["File", "Deployment", "Reason"], totals.failures, "Files that could not be read")
      : el("p", {}, "All files could be read.");
  }

  function draw() {
    const shown = found.slice(page * PAGE, (page + 1) * PAGE);
    const what =
      hoopoe.filters.state === "failed"
        ? hoopoe.counted(hoopoe.summary.totals.counts.failed || 0, "file")
        : hoopoe.counted(
            found.length,
            hoopoe.filters.every ? "box" : "bird or thing",
            hoopoe.filters.every ? "boxes" : "birds and things",
          );
    hoopoe.put("gallery-count", what);
    if (hoopoe.filters.state === "failed") hoopoe.put("gallery-page", failures());
    else
      hoopoe.put(
        "gallery-page",
        shown.length
          ? el(
              "ol",
              { class: "grid" },
              shown.map((row, place) => card(row, page * PAGE + place)),
            )
          : el("p", {}, "Nothing passes these filters."),
        pager(),
      );
  }

  function filtered() {
    page = 0;
    found = hoopoe.filters.state === "failed" ? [] : hoopoe.matching(hoopoe.filters);
    draw();
  }

  hoopoe.renderGallery = function () {
    const { rows, all_rows: all } = hoopoe.summary.chunks;
    hoopoe.put(
      "gallery-body",
      rows < all
        ? el(
            "p",
            { class: "note" },
            `The gallery shows ${number(rows)} of ${number(all)} boxes: those of files drawn at random. All numbers above are of all of them, and results.csv lists them.`,
          )
        : null,
      hoopoe.filterControls(filtered),
      el("p", { id: "gallery-count", class: "count", role: "status" }),
      el("div", { id: "gallery-page" }),
    );
    filtered();
  };
})(window.hoopoe);
