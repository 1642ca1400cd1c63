"use strict";
// How far names can be trusted: what the second look changed, how sure names are, and what people said of them.

(function (hoopoe) {
  const { el, svg, number, percent } = hoopoe;
  const CHANGES = {
    confirmed: ["the same species", "bird"],
    named: ["given a name, where the detector knows none", "bird"],
    renamed: ["another species", "other"],
    widened: ["only a wider name, as the species is unsure", "blank"],
    unnamed: ["left without a name", "blank"],
    "no bird": ["maybe no bird at all", "failed"],
  };

  function secondLook() {
    const look = hoopoe.summary.second_look;
    if (!look || !look.pairs.length) return null;
    const parts = Object.entries(CHANGES).map(([key, [text, tone]]) => ({ value: look.totals[key] || 0, text, tone }));
    const rows = look.pairs.map(([label, name, change, count]) => [
      label,
      hoopoe.nameNode(name),
      CHANGES[change][0],
      count,
    ]);
    return el(
      "div",
      {},
      el("h3", {}, "What the second look changed"),
      el(
        "p",
        { class: "soft" },
        "The detector finds birds; the classifier then looks at each of them. Of the boxes that no person has named:",
      ),
      hoopoe.shares(parts, "What became of the detector's labels"),
      hoopoe.fold(
        "Table",
        hoopoe.table(["The detector said", "Now called", "That is", "Boxes"], rows, "What the second look changed"),
        look.more ? el("p", { class: "soft" }, `${number(look.more)} rarer pairs are left out.`) : null,
      ),
    );
  }

  function sureness() {
    const counts = new Array(20).fill(0),
      { rows, FLAG } = hoopoe;
    for (let row = 0; row < rows.length; row += 1) {
      if (
        (rows.flags[row] & (FLAG.LEAD | FLAG.LEFT_OUT | FLAG.REVIEWED)) === FLAG.LEAD &&
        rows.confidence[row] >= 0 &&
        hoopoe.isBird(rows.name[row])
      ) {
        counts[Math.min(Math.floor(rows.confidence[row] / 50), 19)] += 1;
      }
    }
    if (!counts.some(Boolean)) return null;
    const { chunks, options } = hoopoe.summary,
      threshold = options.name_threshold,
      caption = "Birds by how sure their names are" + (chunks.rows < chunks.all_rows ? ", of those in the gallery" : "");
    const labels = counts.map((_, place) => ({
      title: `${place * 5} to ${place * 5 + 5} %`,
      text: place % 4 === 0 ? `${place * 5} %` : "",
      edge: true,
    }));
    return hoopoe.figure(
      caption,
      (width) =>
        hoopoe.bars(width, {
          values: counts,
          labels,
          unit: "birds",
          label: caption,
          marks: threshold ? [{ at: threshold * 20, text: `a name needs ${percent(threshold)}` }] : [],
        }),
      hoopoe.table(
        ["Confidence", "Birds"],
        counts.map((count, place) => [labels[place].title, count]),
        caption,
      ),
    );
  }

  function calibration() {
    const fitted = hoopoe.summary.calibration;
    const text = !fitted
      ? "The classifier's confidence was not calibrated on this footage's kind of pictures: take it as an order, not as a share that is right. The command hoopoe calibrate fits it."
      : `Calibrated by ${fitted.file}: temperature ${hoopoe.decimal(fitted.temperature, 2)}, fitted on ${number(fitted.bird_crops)} birds` +
        (fitted.gate_low === null
          ? "; what is no bird was not fitted."
          : ` and ${number(fitted.other_crops)} other animals and things.`);
    return el("div", {}, el("h3", {}, "Confidence"), el("p", { class: "soft" }, text), sureness());
  }

  // Precision by confidence: a point with its interval a bin; on the slanting line, confidence means what it says.
  function precision(quality, label, width) {
    const height = 240,
      left = 48,
      bottom = 34,
      top = 12;
    const x = (share) => left + share * (width - left - 12),
      y = (share) => height - bottom - share * (height - bottom - top);
    const nodes = [0, 0.25, 0.5, 0.75, 1].flatMap((share) => [
      svg("line", { class: share ? "grid" : "axis", x1: left, x2: width - 12, y1: y(share), y2: y(share) }),
      hoopoe.label(left - 8, y(share) + 4, percent(share), { "text-anchor": "end" }),
      hoopoe.label(x(share), height - bottom + 17, percent(share), { "text-anchor": share < 1 ? "middle" : "end" }),
    ]);
    nodes.push(svg("line", { class: "mark", x1: x(0), y1: y(0), x2: x(1), y2: y(1) }));
    for (const [from, to, , , , share, low, high] of quality.bins) {
      const middle = x((from + to) / 2);
      nodes.push(svg("line", { class: "interval", x1: middle, x2: middle, y1: y(low), y2: y(high) }));
      nodes.push(svg("circle", { class: "dot", cx: middle, cy: y(share), r: 5 }, svg("title", {}, percent(share))));
    }
    return hoopoe.canvas(width, height, label, ...nodes);
  }

  function reviewed() {
    const { quality, totals } = hoopoe.summary;
    if (!quality) {
      return el(
        "div",
        {},
        el("h3", {}, "What people said"),
        el(
          "p",
          { class: "soft" },
          `Nobody has named a bird yet: how often names are right is not known. ${number(totals.counts.review || 0)} detections wait for a person.`,
        ),
      );
    }
    const [share, low, high] = quality.total,
      caption = "How often the likeliest species was right, by its confidence";
    const rows = quality.bins.map(([from, to, birds, events, right, ...shares]) => [
      `${percent(from)} to ${percent(to)}`,
      birds,
      events,
      right,
      ...shares.map(percent),
    ]);
    const word = (name) => (hoopoe.translation(name) ? hoopoe.taxonNode(name) : el("bdi", {}, name));
    const pairs = quality.pairs.map(([truth, guess, count]) => [
      word(truth),
      word(guess),
      truth === guess ? "right" : "wrong",
      count,
    ]);
    return el(
      "div",
      {},
      el("h3", {}, "What people said"),
      el(
        "p",
        {},
        `Of ${hoopoe.counted(quality.birds, "bird")} in ${hoopoe.counted(quality.events, "event")} that people named, the likeliest species was right for ${number(quality.right)}: ` +
          `${percent(share)} (95 % interval: ${percent(low)} to ${percent(high)}). People look first at what is doubtful, so that the rest may be better.`,
      ),
      hoopoe.figure(
        caption,
        (width) => precision(quality, caption, width),
        hoopoe.table(["Confidence", "Birds", "Events", "Right", "Share", "Interval from", "to"], rows, caption),
      ),
      hoopoe.fold("Who was taken for whom", hoopoe.table(["It is", "Likeliest was", "", "Birds"], pairs, "Confusion")),
    );
  }

  hoopoe.renderTrust = function () {
    hoopoe.put("trust-body", secondLook(), el("div", { class: "two" }, calibration(), reviewed()));
  };
})(window.hoopoe);
